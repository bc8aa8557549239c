/**
 * What goes along with each object. Only packs have the storage class that was asked for: whatever
 * says what there is has to be readable at once. Leases are renewed and removed all the time, so
 * they are not locked; everything else is, where a lock is asked for.
 */
import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import type { Clock } from "../../../base/clock.ts";
import type { S3Location } from "./s3-location.ts";

export type PutHeaders = Pick<
  PutObjectCommandInput,
  | "StorageClass"
  | "ServerSideEncryption"
  | "SSEKMSKeyId"
  | "ObjectLockMode"
  | "ObjectLockRetainUntilDate"
>;

const dayNs = 86_400n * 10n ** 9n;

export function putHeaders(location: S3Location, name: string, clock: Clock): PutHeaders {
  const { storageClass, sse, sseKmsKeyId, objectLock } = location;
  const headers: PutHeaders = {};
  if (storageClass !== undefined && name.startsWith("packs/")) {
    headers.StorageClass = storageClass as NonNullable<PutHeaders["StorageClass"]>;
  }
  if (sse !== undefined) {
    headers.ServerSideEncryption = sse as NonNullable<PutHeaders["ServerSideEncryption"]>;
  }
  if (sseKmsKeyId !== undefined) headers.SSEKMSKeyId = sseKmsKeyId;
  if (objectLock !== undefined && !name.startsWith("sessions/")) {
    const until = clock.nowNs() + BigInt(objectLock.days) * dayNs;
    headers.ObjectLockMode = objectLock.mode;
    headers.ObjectLockRetainUntilDate = new Date(Number(until / 1_000_000n));
  }
  return headers;
}
