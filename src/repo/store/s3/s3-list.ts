/** Keys below a prefix, a page of a thousand at a time. */
import type { S3Calls } from "./s3-calls.ts";

export interface Place {
  readonly calls: S3Calls;
  readonly bucket: string;
}

export interface ListedKey {
  readonly key: string;
  readonly size: number;
}

/** `folder` is what messages call it. */
export async function* listKeys(
  { calls, bucket: Bucket }: Place,
  Prefix: string,
  folder: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListedKey> {
  let token: string | undefined;
  do {
    const ContinuationToken = token;
    const page = await calls.send(
      { action: "listed", name: folder },
      (sdk, client, options) =>
        client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }), options),
      { signal },
    );
    for (const { Key = "", Size = 0 } of page.Contents ?? []) {
      // A store that answers with other keys must not make us take them for ours.
      if (Key.startsWith(Prefix)) yield { key: Key, size: Size };
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}
