/**
 * Many deletes in one request, a thousand at most. A server that knows no such request, or refuses
 * some of it, gets them one by one, which also says what is wrong with each.
 */
import { failureOf } from "./s3-failure.ts";
import type { Place } from "./s3-list.ts";

const keysMax = 1000;
const atOnce = 16;

/** `name` is what messages call the first of them. */
export async function deleteKeys(
  place: Place,
  keys: readonly string[],
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const left: string[] = [];
  for (let at = 0; at < keys.length; at += keysMax) {
    left.push(...(await deleteBatch(place, keys.slice(at, at + keysMax), name, signal)));
  }
  for (let at = 0; at < left.length; at += atOnce) {
    const some = left.slice(at, at + atOnce);
    await Promise.all(some.map((key) => deleteKey(place, key, name, signal)));
  }
}

/** Gives what is still to be deleted. */
async function deleteBatch(
  { calls, bucket: Bucket }: Place,
  keys: readonly string[],
  name: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  if (keys.length < 2) return keys;
  const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
  try {
    const { Errors = [] } = await calls.send(
      { action: "deleted", name },
      (sdk, client, options) =>
        client.send(new sdk.DeleteObjectsCommand({ Bucket, Delete }), options),
      { signal },
    );
    return Errors.flatMap(({ Key }) => Key ?? []);
  } catch (error) {
    signal?.throwIfAborted();
    const status = failureOf((error as Error)?.cause).status ?? 0;
    if (status < 400 || status === 403 || (status >= 500 && status !== 501)) throw error;
    return keys;
  }
}

async function deleteKey(
  { calls, bucket: Bucket }: Place,
  Key: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await calls.send(
    { action: "deleted", name },
    (sdk, client, options) => client.send(new sdk.DeleteObjectCommand({ Bucket, Key }), options),
    { signal },
  );
}
