/**
 * Large objects in parts, so that a failure costs a part and not the whole, and several
 * connections share the work.
 *
 * An object appears when the upload is completed, whole. When anything fails the upload is aborted;
 * what a crash leaves is taken away by `sweepTemporary`. When the answer to the completion is lost,
 * trying again finds no upload: whether the object is ours cannot be told then (somebody may have
 * stored the same name), so all is sent anew.
 */
import type { S3Calls } from "./s3-calls.ts";
import { failureOf } from "./s3-failure.ts";
import type { PutHeaders } from "./s3-headers.ts";

export interface UploadTarget {
  readonly calls: S3Calls;
  readonly bucket: string;
  readonly key: string;
  /** The object's name, for messages. */
  readonly name: string;
  readonly headers: PutHeaders;
}

interface Part {
  readonly PartNumber: number;
  readonly ETag: string | undefined;
  readonly ChecksumCRC32: string | undefined;
}

/** Above it an object goes in parts; packs are smaller unless somebody wants them large. */
export const wholeBytesMax = 32 * 2 ** 20;
/** At most 10,000 parts of at least 5 MiB: a gibibyte makes 64. */
export const partBytes = 16 * 2 ** 20;
const startsMax = 3;

export async function uploadInParts(
  target: UploadTarget,
  data: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let starts = 1; ; starts++) {
    try {
      return await uploadOnce(target, data, signal);
    } catch (error) {
      const isLost = failureOf((error as Error)?.cause).code === "NoSuchUpload";
      if (!isLost || starts === startsMax) throw error;
    }
  }
}

async function uploadOnce(
  target: UploadTarget,
  data: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { calls, name, bucket: Bucket, key: Key, headers } = target;
  const what = { action: "written", name } as const;
  const started = await calls.send(
    what,
    (sdk, client, options) =>
      client.send(
        new sdk.CreateMultipartUploadCommand({
          Bucket,
          Key,
          ChecksumAlgorithm: "CRC32",
          ...headers,
        }),
        options,
      ),
    { signal },
  );
  const UploadId = started.UploadId;
  try {
    const parts = await sendParts(target, UploadId, data, signal);
    await calls.send(
      what,
      (sdk, client, options) =>
        client.send(
          new sdk.CompleteMultipartUploadCommand({
            Bucket,
            Key,
            UploadId,
            MultipartUpload: { Parts: parts },
          }),
          options,
        ),
      { signal },
    );
  } catch (error) {
    await abortUpload(target, UploadId).catch(() => undefined);
    throw error;
  }
}

async function sendParts(
  target: UploadTarget,
  UploadId: string | undefined,
  data: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Part[]> {
  // The first failure ends the others, so that none runs on when the upload is aborted.
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const sends: Promise<Part>[] = [];
  for (let at = 0; at < data.length; at += partBytes) {
    const part = data.subarray(at, at + partBytes);
    sends.push(sendPart(target, UploadId, sends.length + 1, part, either));
  }
  try {
    return await Promise.all(sends);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(sends);
    throw error;
  }
}

async function sendPart(
  { calls, name, bucket: Bucket, key: Key }: UploadTarget,
  UploadId: string | undefined,
  PartNumber: number,
  data: Uint8Array,
  signal: AbortSignal,
): Promise<Part> {
  const sent = await calls.send(
    { action: "written", name },
    (sdk, client, options) =>
      client.send(
        new sdk.UploadPartCommand({
          Bucket,
          Key,
          UploadId,
          PartNumber,
          Body: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
          ContentLength: data.length,
          ChecksumAlgorithm: "CRC32",
        }),
        options,
      ),
    { signal, isBulk: true },
  );
  return { PartNumber, ETag: sent.ETag, ChecksumCRC32: sent.ChecksumCRC32 };
}

export async function abortUpload(
  { calls, name, bucket: Bucket, key: Key }: Omit<UploadTarget, "headers">,
  UploadId: string | undefined,
): Promise<void> {
  await calls.send({ action: "deleted", name }, (sdk, client, options) =>
    client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), options),
  );
}
