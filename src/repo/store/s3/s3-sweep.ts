/**
 * Takes away uploads that crashed puts left: they show in no list, and cost money. Where that is
 * not permitted, or unknown to the server, they stay; a lifecycle rule of the bucket can do it.
 */
import type {
  ListMultipartUploadsCommandInput,
  ListMultipartUploadsCommandOutput,
} from "@aws-sdk/client-s3";
import { hasCode } from "../../../base/errors.ts";
import type { S3Calls } from "./s3-calls.ts";
import { failureOf } from "./s3-failure.ts";
import type { S3Location } from "./s3-location.ts";
import { abortUpload } from "./s3-upload.ts";

interface LeftUpload {
  readonly key: string;
  readonly id: string | undefined;
}

type Markers = Pick<ListMultipartUploadsCommandInput, "KeyMarker" | "UploadIdMarker">;

/** `beforeMs`: since 1970; gives the number of uploads that were aborted. */
export async function sweepUploads(
  calls: S3Calls,
  location: S3Location,
  beforeMs: number,
): Promise<number> {
  let count = 0;
  try {
    const { bucket, prefix } = location;
    for await (const { key, id } of leftUploads(calls, location, beforeMs)) {
      await abortUpload({ calls, bucket, key, name: key.slice(prefix.length) }, id);
      count++;
    }
  } catch (error) {
    const { status } = failureOf((error as Error)?.cause);
    const isRefused = status === 400 || status === 404 || status === 405 || status === 501;
    if (!hasCode(error, "store-denied", "object-absent") && !isRefused) throw error;
  }
  return count;
}

async function* leftUploads(
  calls: S3Calls,
  { bucket: Bucket, prefix: Prefix }: S3Location,
  beforeMs: number,
): AsyncGenerator<LeftUpload> {
  let markers: Markers | undefined = {};
  while (markers !== undefined) {
    const input: ListMultipartUploadsCommandInput = { Bucket, Prefix, ...markers };
    const page: ListMultipartUploadsCommandOutput = await calls.send(
      { action: "listed", name: "uploads" },
      (sdk, client, options) => client.send(new sdk.ListMultipartUploadsCommand(input), options),
    );
    for (const { Key = "", UploadId, Initiated } of page.Uploads ?? []) {
      const isOld = Initiated !== undefined && Initiated.getTime() < beforeMs;
      if (isOld && Key.startsWith(Prefix)) yield { key: Key, id: UploadId };
    }
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    markers = page.IsTruncated === true ? { KeyMarker, UploadIdMarker } : undefined;
  }
}
