/**
 * A store in a bucket: each object a key below the prefix.
 *
 * Nothing is asked of the server but what Amazon's S3 has promised since 2020: a put, a multipart
 * completion and a delete are whole, and every get and list after them sees them. No conditional
 * writes: some servers ignore them and others have several winners, and the protocol needs none
 * (so no `putIfAbsent`). Reading costs a round trip and money: not near.
 */
import type { GetObjectCommandInput, GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { type Clock, type Random, systemClock, systemRandom } from "../../../base/clock.ts";
import { hasCode } from "../../../base/errors.ts";
import { checkObjectName, checkRange, isObjectName } from "../object-name.ts";
import {
  type ObjectInfo,
  objectBytesMax,
  type Store,
  type StoreCallOptions,
  type StoreGetOptions,
} from "../store.ts";
import { checkReadSize, checkWriteSize, objectTooShort } from "../store-errors.ts";
import { AnswerTooLong, WholeBody } from "./s3-answer.ts";
import { S3Calls } from "./s3-calls.ts";
import { deleteKeys } from "./s3-delete.ts";
import { failureOf } from "./s3-failure.ts";
import { putHeaders } from "./s3-headers.ts";
import { listKeys } from "./s3-list.ts";
import { parseS3Url, type S3Location } from "./s3-location.ts";
import { sweepUploads } from "./s3-sweep.ts";
import { uploadInParts, wholeBytesMax } from "./s3-upload.ts";

export interface S3StoreOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /**
   * Ends reads, and puts of packs, that are under way when it is aborted; what begins later runs
   * if it is not about packs, so that a lease can be taken away. Other puts are waited for: a
   * snapshot that appears after its session has ended is what no prune knows of.
   */
  readonly interrupt?: AbortSignal;
}

/** The store at this URL. Errors: `usage`. */
export function openS3(url: string, options: S3StoreOptions): S3Store {
  return new S3Store(parseS3Url(url), options);
}

/** Bytes from which a request is taken to move many. */
const bulkBytes = 256 * 1024;

export class S3Store implements Store {
  readonly url: string;
  readonly isNear = false;
  readonly #location: S3Location;
  readonly #calls: S3Calls;
  readonly #clock: Clock;
  readonly #interrupt: AbortSignal | undefined;

  /** Nothing is touched yet. */
  constructor(location: S3Location, options: S3StoreOptions = {}) {
    this.url = location.url;
    this.#location = location;
    this.#clock = options.clock ?? systemClock;
    this.#interrupt = options.interrupt;
    const { random = systemRandom, interrupt } = options;
    this.#calls = new S3Calls(location, { clock: this.#clock, random, interrupt });
  }

  async put(name: string, data: Uint8Array, given: StoreCallOptions = {}): Promise<void> {
    checkObjectName(name);
    const signal = isOfPacks(name) ? this.#breakable(name, given.signal) : given.signal;
    checkWriteSize(name, this.url, data.length);
    const headers = putHeaders(this.#location, name, this.#clock);
    const { bucket: Bucket } = this.#location;
    const Key = this.#keyOf(name);
    if (data.length > wholeBytesMax) {
      const target = { calls: this.#calls, bucket: Bucket, key: Key, name, headers };
      return uploadInParts(target, data, signal);
    }
    const Body = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const input = { Bucket, Key, Body, ContentLength: Body.length, ...headers };
    await this.#calls.send(
      { action: "written", name },
      (sdk, client, options) => client.send(new sdk.PutObjectCommand(input), options),
      { signal, isBulk: Body.length >= bulkBytes },
    );
  }

  async get(name: string, { signal, into }: StoreGetOptions = {}): Promise<Uint8Array> {
    checkObjectName(name);
    // The server's checksum, where it has one, tells damage on the way from damage in the store.
    return this.#read(name, { ChecksumMode: "ENABLED" }, { signal, into, isBulk: true });
  }

  async getRange(
    name: string,
    offset: number,
    length: number,
    { signal, into }: StoreGetOptions = {},
  ): Promise<Uint8Array> {
    checkObjectName(name);
    checkRange(offset, length);
    const range = { offset, length };
    if (length === 0 || offset + length > Number.MAX_SAFE_INTEGER) {
      return this.#emptyRange(name, range, signal);
    }
    const isBulk = length >= bulkBytes;
    const Range = `bytes=${offset}-${offset + length - 1}`;
    try {
      const bytes = await this.#read(name, { Range }, { signal, into, isBulk });
      if (bytes.length === length) return bytes;
      throw objectTooShort(name, this.url, range, offset + bytes.length);
    } catch (error) {
      if (failureOf((error as Error)?.cause).status !== 416) throw error;
      throw objectTooShort(name, this.url, range, await this.size(name, own(signal)));
    }
  }

  async size(name: string, { signal }: StoreCallOptions = {}): Promise<number> {
    checkObjectName(name);
    for (;;) {
      try {
        const head = await this.#calls.send(
          { action: "read", name },
          (sdk, client, options) =>
            client.send(new sdk.HeadObjectCommand(this.#object(name)), options),
          { signal: this.#breakable(name, signal) },
        );
        return head.ContentLength ?? 0;
      } catch (error) {
        // An answer to HEAD cannot say why: no such object, or no such bucket?
        if (!hasCode(error, "object-absent", "store-denied") || this.#calls.hasAnswered)
          throw error;
        await this.#reason(name, signal, error);
      }
    }
  }

  list(folder: string, { signal }: StoreCallOptions = {}): AsyncIterable<ObjectInfo> {
    return this.#list(folder, signal);
  }

  async delete(name: string, { signal }: StoreCallOptions = {}): Promise<void> {
    checkObjectName(name);
    await this.#calls.send(
      { action: "deleted", name },
      (sdk, client, options) =>
        client.send(new sdk.DeleteObjectCommand(this.#object(name)), options),
      { signal },
    );
  }

  async deleteMany(names: readonly string[], { signal }: StoreCallOptions = {}): Promise<void> {
    for (const name of names) checkObjectName(name);
    const place = { calls: this.#calls, bucket: this.#location.bucket };
    const keys = names.map((name) => this.#keyOf(name));
    await deleteKeys(place, keys, names[0] ?? "", signal);
  }

  async sweepTemporary(olderThanMs: number): Promise<number> {
    const before = Number(this.#clock.nowNs() / 1_000_000n) - olderThanMs;
    return sweepUploads(this.#calls, this.#location, before);
  }

  async close(): Promise<void> {
    await this.#calls.close();
  }

  async *#list(folder: string, given: AbortSignal | undefined): AsyncGenerator<ObjectInfo> {
    checkObjectName(folder);
    const signal = this.#breakable(folder, given);
    const { prefix, bucket } = this.#location;
    const keys = listKeys({ calls: this.#calls, bucket }, `${prefix}${folder}/`, folder, signal);
    for await (const { key, size } of keys) {
      signal?.throwIfAborted();
      const name = key.slice(prefix.length);
      if (isObjectName(name)) yield { name, size };
    }
  }

  #breakable(name: string, signal: AbortSignal | undefined): AbortSignal | undefined {
    const interrupt = this.#interrupt;
    if (interrupt === undefined) return signal;
    // Whoever cleans up touches no pack.
    if (interrupt.aborted) return isOfPacks(name) ? interrupt : signal;
    return signal === undefined || signal === interrupt
      ? interrupt
      : AbortSignal.any([signal, interrupt]);
  }

  async #read(
    name: string,
    extra: Partial<GetObjectCommandInput>,
    call: { signal: AbortSignal | undefined; into: ArrayBuffer | undefined; isBulk: boolean },
  ): Promise<Uint8Array> {
    try {
      return await this.#calls.send(
        { action: "read", name },
        async (sdk, client, options) => {
          const input = { ...this.#object(name), ...extra };
          const answer = await client.send(new sdk.GetObjectCommand(input), options);
          const { Body } = answer;
          requireAnnounced(answer);
          if (Body instanceof WholeBody) return Body.bytes;
          // Behind the SDK's check of the checksum.
          const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
          return ownArray(bytes, call.into);
        },
        { ...call, signal: this.#breakable(name, call.signal), bytesMax: objectBytesMax },
      );
    } catch (error) {
      const cause = (error as Error)?.cause;
      if (cause instanceof AnswerTooLong) checkReadSize(name, this.url, cause.bytes);
      throw error;
    }
  }

  /** What is needed of an object's bytes is none, or more than any has: only its size counts. */
  async #emptyRange(
    name: string,
    range: { readonly offset: number; readonly length: number },
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const size = await this.size(name, own(signal));
    if (range.offset + range.length > size) throw objectTooShort(name, this.url, range, size);
    return new Uint8Array();
  }

  /** Throws why the object cannot be had, in full; returns when it can, by now. */
  async #reason(name: string, signal: AbortSignal | undefined, cause: unknown): Promise<void> {
    try {
      await this.getRange(name, 0, 1, own(signal));
    } catch (error) {
      if (!hasCode(error, "object-damaged")) throw error;
    }
    if (!this.#calls.hasAnswered) throw cause;
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#keyOf(name) };
  }

  #keyOf(name: string): string {
    return this.#location.prefix + name;
  }
}

const isOfPacks = (name: string) => name === "packs" || name.startsWith("packs/");

/**
 * An answer in pieces has no length of its own: one that was cut, and ended properly by a proxy, is
 * told by the range that the server says it sends.
 */
function requireAnnounced({ Body, ContentRange }: GetObjectCommandOutput): void {
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(ContentRange ?? "") ?? [];
  if (first === undefined || last === undefined || !(Body instanceof WholeBody)) return;
  if (Body.bytes.length >= Number(last) + 1 - Number(first)) return;
  throw Object.assign(new Error("the answer ended early"), { code: "ECONNRESET" });
}

function own(signal: AbortSignal | undefined): StoreCallOptions {
  return signal === undefined ? {} : { signal };
}

function ownArray(bytes: Uint8Array, into: ArrayBuffer | undefined): Uint8Array {
  const fits = into !== undefined && into.byteLength >= bytes.length;
  if (fits) {
    const target = new Uint8Array(into, 0, bytes.length);
    target.set(bytes);
    return target;
  }
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}
