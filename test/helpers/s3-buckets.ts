/** What the small S3 server holds: objects, uploads under way, locks. No HTTP. */
import { createHash, randomBytes } from "node:crypto";
import { crc32Base64, S3Refusal } from "./s3-signature.ts";

export interface StoredObject {
  readonly data: Buffer;
  readonly etag: string;
  readonly crc32: string | undefined;
  readonly modified: Date;
  /** Headers of the put that belong to the object: storage class, encryption, lock. */
  readonly kept: Readonly<Record<string, string>>;
}

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly initiated: Date;
  readonly kept: Readonly<Record<string, string>>;
  readonly parts: Map<number, StoredObject>;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Of the last item, when there is more. */
  readonly next: string | undefined;
}

const partBytesMin = 5 * 2 ** 20;

export const md5 = (data: Uint8Array) => createHash("md5").update(data).digest("hex");

export class Bucket {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, Upload>();

  put(key: string, data: Buffer, kept: Record<string, string>, crc32?: string): StoredObject {
    const object = { data, etag: `"${md5(data)}"`, crc32, modified: new Date(), kept };
    this.objects.set(key, object);
    return object;
  }

  get(key: string): StoredObject {
    const object = this.objects.get(key);
    if (object === undefined) throw new S3Refusal(404, "NoSuchKey");
    return object;
  }

  /** Locked objects stay; absent ones are fine. */
  delete(key: string): void {
    const until = this.objects.get(key)?.kept["x-amz-object-lock-retain-until-date"];
    if (until !== undefined && Date.parse(until) > Date.now()) {
      throw new S3Refusal(403, "AccessDenied", "the object is locked");
    }
    this.objects.delete(key);
  }

  /** In the order of the keys' bytes, as S3 has them. */
  list(prefix: string, after: string, max: number): Page<readonly [string, StoredObject]> {
    const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && (after === "" || order(key, after) > 0))
      .sort(order);
    const some = keys.slice(0, max);
    const items = some.map((key) => [key, this.get(key)] as const);
    return { items, next: keys.length > max ? some.at(-1) : undefined };
  }

  startUpload(key: string, kept: Record<string, string>): Upload {
    const id = randomBytes(16).toString("hex");
    const upload = { id, key, initiated: new Date(), kept, parts: new Map() };
    this.uploads.set(id, upload);
    return upload;
  }

  upload(id: string, key: string): Upload {
    const upload = this.uploads.get(id);
    if (upload === undefined || upload.key !== key) throw new S3Refusal(404, "NoSuchUpload");
    return upload;
  }

  /** `parts`: number and ETag of each, in order. */
  complete(upload: Upload, parts: readonly (readonly [number, string])[]): StoredObject {
    const chosen = parts.map(([number, etag]) => {
      const part = upload.parts.get(number);
      if (part === undefined || part.etag !== etag) throw new S3Refusal(400, "InvalidPart");
      return part;
    });
    if (chosen.length === 0) throw new S3Refusal(400, "MalformedXML");
    if (parts.some(([number], at) => at > 0 && number <= (parts[at - 1]?.[0] ?? 0))) {
      throw new S3Refusal(400, "InvalidPartOrder");
    }
    if (chosen.slice(0, -1).some(({ data }) => data.length < partBytesMin)) {
      throw new S3Refusal(400, "EntityTooSmall");
    }
    this.uploads.delete(upload.id);
    const sums = chosen.map(({ data }) => Buffer.from(crc32Base64(data), "base64"));
    const crc32 = `${crc32Base64(Buffer.concat(sums))}-${chosen.length}`;
    return this.put(upload.key, Buffer.concat(chosen.map(({ data }) => data)), upload.kept, crc32);
  }
}
