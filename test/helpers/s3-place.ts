/** Places on S3 servers for tests of stores: a prefix of its own for each. */
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { parseS3Url } from "../../src/repo/store/s3/s3-location.ts";
import { S3Store, type S3StoreOptions } from "../../src/repo/store/s3/s3-store.ts";
import type { Ceph } from "./s3-ceph.ts";

process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";

/** For stores in this process; the SDK looks for credentials when it first needs them. */
export function useCredentials(accessKey = "test", secretKey = "testsecret"): void {
  process.env["AWS_ACCESS_KEY_ID"] = accessKey;
  process.env["AWS_SECRET_ACCESS_KEY"] = secretKey;
  // Whatever else the developer has set up must not be found.
  process.env["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null";
  process.env["AWS_CONFIG_FILE"] = "/dev/null";
  Reflect.deleteProperty(process.env, "AWS_PROFILE");
  Reflect.deleteProperty(process.env, "AWS_SESSION_TOKEN");
}

export function s3Store(url: string, options?: S3StoreOptions): S3Store {
  return new S3Store(parseS3Url(url), options);
}

export async function makeBucket(
  { endpoint, accessKey, secretKey }: Ceph,
  bucket: string,
  withLock = false,
): Promise<void> {
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  await client.send(
    new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: withLock }),
  );
  client.destroy();
}
