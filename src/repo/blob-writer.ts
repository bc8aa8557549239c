/**
 * Where new blobs go: knows what is stored already, takes packs that workers filled, seals catalog
 * and list blobs itself, and writes the index objects. Order of writes: packs, then the index
 * object that names them; the caller writes its snapshot after `flush` (format.md, "Order").
 *
 * Use it through `withBlobWriter`, which flushes and closes. Packs that are in the store but in no
 * index object yet are in the local cache as pending, under the session; a run that follows a kill
 * adopts them (pending-packs.ts).
 */
import { invariant } from "../base/errors.ts";
import { type BlobId, fromHex, idBytes } from "../base/ids.ts";
import type { BlobSealer } from "./blob-codec.ts";
import { KeyedHash } from "./crypto/hash.ts";
import { decodePack, type EncodedPack, encodePack, type IndexPack } from "./format/index-object.ts";
import { packObject } from "./format/object-names.ts";
import { BlobKind } from "./format/pack-table.ts";
import { IdSet } from "./id-set.ts";
import { writeIndexObject } from "./index-writer.ts";
import type { Repository } from "./repository.ts";
import type { Session } from "./session.ts";

/** Packs on their way to the store at once; each holds its buffer. */
const putsAtOnce = 2;
/** After this many bytes, or blobs, in packs without an index object, one is written. */
const checkpointBytes = 512 * 1024 * 1024;
/** About 8 MB of records, which are held until then. */
const checkpointBlobs = 200_000;
const checkpointMs = 5 * 60_000;

export interface FinishedPack {
  readonly pack: EncodedPack;
  readonly bytes: Uint8Array;
}

export interface AddedBlobs {
  blobs: number;
  /** Stored bytes: compressed and sealed, without pack headers and tables. */
  bytes: number;
  rawBytes: number;
}

export class BlobWriter {
  readonly #repo: Repository;
  readonly #session: Session;
  readonly #claimed = new IdSet();
  readonly #hashes: Record<number, KeyedHash>;
  readonly #puts = new Set<Promise<void>>();
  readonly added: AddedBlobs = { blobs: 0, bytes: 0, rawBytes: 0 };
  #sealer: BlobSealer | undefined;
  #unindexed: EncodedPack[] = [];
  #unindexedBytes = 0;
  #unindexedBlobs = 0;
  #checkpointedMs: number;
  #failure: unknown;
  readonly #discard: boolean;

  constructor(repo: Repository, session: Session, discard = false) {
    this.#repo = repo;
    this.#discard = discard;
    this.#session = session;
    this.#hashes = {
      [BlobKind.catalog]: new KeyedHash(repo.keys.catalogId),
      [BlobKind.list]: new KeyedHash(repo.keys.listId),
    };
    this.#checkpointedMs = repo.clock.monotonicMs();
  }

  /**
   * Whether the caller has to deliver this blob. True once only for each blob that no living pack
   * has; the caller then sees to it that it comes in a pack.
   */
  claim(kind: BlobKind, id: BlobId): boolean {
    if (this.has(kind, id)) return false;
    this.#claimed.add(id);
    return true;
  }

  /** The ordinals, among ids of 32 bytes one after the other, of those that `claim` is true for. */
  claimAll(kind: BlobKind, ids: Uint8Array): number[] {
    return this.#repo.index.inOneView(() => {
      const claimed: number[] = [];
      for (let ordinal = 0; ordinal * idBytes < ids.length; ordinal++) {
        const id = ids.subarray(ordinal * idBytes, (ordinal + 1) * idBytes);
        if (this.claim(kind, id)) claimed.push(ordinal);
      }
      return claimed;
    });
  }

  /** Whether the blob is stored, or on its way. */
  has(kind: BlobKind, id: BlobId): boolean {
    return this.#claimed.has(id) || this.#repo.index.has(kind, id);
  }

  /** Stores a catalog or list blob unless it is there; returns its id at once. */
  put(kind: BlobKind, plaintext: Uint8Array): BlobId {
    const hash = this.#hashes[kind];
    invariant(hash !== undefined, "main thread seals catalog and list blobs only");
    const id = hash.digest(plaintext);
    if (!this.claim(kind, id)) return id;
    this.putClaimed(kind, id, plaintext);
    return id;
  }

  /** Seals a blob that the caller has claimed into the main thread's own pack. */
  putClaimed(kind: BlobKind, id: BlobId, plaintext: Uint8Array): void {
    if (this.#discard) return;
    if (this.#sealer !== undefined && !this.#sealer.fits(plaintext.length)) this.#closePack();
    this.#sealer ??= this.#repo.newSealer();
    this.#sealer.append(kind, id, plaintext);
  }

  #closePack(): void {
    if (this.#sealer === undefined) return;
    const finished = this.#sealer.finish();
    this.#sealer = undefined;
    // A failure is kept by addPack and thrown at the next step.
    this.addPack(finished).catch(() => undefined);
  }

  /**
   * Puts a full pack. Resolves when it is durable and known to the index; the buffer may be used
   * again then.
   */
  addPack(finished: FinishedPack): Promise<void> {
    const put = this.#putPack(finished);
    this.#puts.add(put);
    put.then(
      () => this.#puts.delete(put),
      (error: unknown) => {
        this.#puts.delete(put);
        this.#failure ??= error;
      },
    );
    return put;
  }

  async #putPack({ pack, bytes }: FinishedPack): Promise<void> {
    await this.#repo.store.put(packObject(pack.pack), bytes);
    this.#takeStored(pack, bytes);
    await this.#checkpointIfDue();
  }

  /** Its blobs are decoded here only, for as long as it takes. */
  #takeStored(pack: EncodedPack, bytes: Uint8Array): void {
    const known = decodePack(pack);
    this.#keepNodes(known, bytes);
    this.#repo.index.addOwnPack(known, fromHex(this.#session.id));
    this.#noteUnindexed(pack, known.blobs.length);
    this.#count(known.blobs);
    for (const blob of known.blobs) this.#claimed.delete(blob.id);
  }

  #keepNodes({ pack, blobs }: IndexPack, bytes: Uint8Array): void {
    const { keptNodes } = this.#repo;
    if (keptNodes === undefined) return;
    const nodes = [...blobs].flatMap(({ kind, offset, length }, ordinal) => {
      if (kind !== BlobKind.catalog) return [];
      return [{ pack, ordinal, sealed: bytes.subarray(offset, offset + length) }];
    });
    keptNodes.keep(nodes);
  }

  #noteUnindexed(pack: EncodedPack, blobs: number): void {
    this.#unindexed.push(pack);
    this.#unindexedBytes += pack.size;
    this.#unindexedBlobs += blobs;
  }

  #count(blobs: IndexPack["blobs"]): void {
    for (const blob of blobs) {
      this.added.blobs++;
      this.added.bytes += blob.length;
      this.added.rawBytes += blob.rawLength;
    }
  }

  /** A pack of an earlier run that was killed; it goes into this run's index object. */
  addPending(pack: IndexPack, packNo: number): void {
    this.#repo.index.setOwn(packNo);
    this.#noteUnindexed(encodePack(pack), pack.blobs.length);
  }

  /** Waits until another pack may be taken in; throws what went wrong in the background. */
  async ready(): Promise<void> {
    while (this.#puts.size >= putsAtOnce) await Promise.race(this.#puts).catch(() => undefined);
    this.throwIfFailed();
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #checkpointIfDue(): Promise<void> {
    const age = this.#repo.clock.monotonicMs() - this.#checkpointedMs;
    const isDue =
      this.#unindexedBytes >= checkpointBytes ||
      this.#unindexedBlobs >= checkpointBlobs ||
      age >= checkpointMs;
    if (isDue) await this.#writeIndex();
  }

  async #writeIndex(): Promise<void> {
    const packs = this.#unindexed;
    this.#unindexed = [];
    this.#unindexedBytes = 0;
    this.#unindexedBlobs = 0;
    this.#checkpointedMs = this.#repo.clock.monotonicMs();
    if (packs.length > 0) await writeIndexObject(this.#repo, packs, []);
  }

  /**
   * Closes the open pack, waits for all packs and writes the index object: after this everything
   * that was put or claimed and delivered is durable and found by others.
   */
  async flush(): Promise<void> {
    this.#closePack();
    while (this.#puts.size > 0) await Promise.all(this.#puts);
    this.throwIfFailed();
    await this.#writeIndex();
    this.#repo.index.writeOwn();
  }

  /** After a failure: waits for what is under way, so that nothing is written after the end. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#puts);
    try {
      this.#repo.index.writeOwn();
    } catch {
      // What failed before is what the user has to know; without the cache more is stored again.
    }
  }
}

/**
 * Runs `fn` with a writer; what was written is flushed when it succeeds. `discard`: for dry runs,
 * blobs get their ids and go nowhere.
 */
export async function withBlobWriter<T>(
  repo: Repository,
  session: Session,
  fn: (writer: BlobWriter) => Promise<T>,
  discard = false,
): Promise<T> {
  const writer = new BlobWriter(repo, session, discard);
  try {
    const result = await fn(writer);
    await writer.flush();
    return result;
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
