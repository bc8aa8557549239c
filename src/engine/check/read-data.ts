/**
 * Reads packs whole and has worker threads verify them. Bytes in flight are bounded; a pack that
 * is right is remembered at once, so that an interrupted check goes on where it stopped.
 *
 * Of a pack that is wrong, the index's word decides which blobs are lost: its own table may be
 * what is damaged.
 */
import { hasCode } from "../../base/errors.ts";
import { type PackId, packId } from "../../base/ids.ts";
import { BoundedPool } from "../../base/pool.ts";
import type { PackInfo } from "../../repo/blob-index.ts";
import type { BlobReader } from "../../repo/blob-reader.ts";
import { packObject } from "../../repo/format/object-names.ts";
import type { Repository } from "../../repo/repository.ts";
import type { PackVerified, VerifyPack } from "../workers/check-protocol.ts";
import { CheckHere, CheckThreads, type CheckWork } from "./check-threads.ts";
import { ForeignBases } from "./foreign-bases.ts";
import type { PackFaults } from "./pack-faults.ts";
import { PackMemory } from "./pack-memory.ts";
import { findPackRecords } from "./pack-records.ts";
import type { VerifiedPacks } from "./verified-packs.ts";

/** Bytes of packs that are read, or being verified, at once. */
const inFlightBytesMax = 160 * 1024 * 1024;
const packsAhead = 1;
/** Packs whose blobs on bases of other packs are looked at, at once; others wait in the pool. */
const onBasesMax = 2;
/** Packs are smaller by far, unless the repository was made with large ones. */
const packMemoryBytesMax = 64 * 1024 * 1024;
/** So little is verified sooner than threads have started. */
const withoutThreadsBytesMax = 8 * 1024 * 1024;

export interface PackRead {
  readonly pack: string;
  readonly size: number;
  /** Absent: no index object names it. */
  readonly info?: PackInfo;
  readonly recordDigest?: Uint8Array;
}

export interface ReadTotals {
  packs: number;
  bytes: number;
  blobs: number;
  rawBytes: number;
}

export interface ReadDataOptions {
  readonly repo: Repository;
  readonly blobs: BlobReader;
  readonly threads: number;
  readonly faults: PackFaults;
  readonly verified: VerifiedPacks | undefined;
  readonly onOrphanFault: (pack: string, message: string) => void;
  readonly onPack: (totals: ReadTotals) => void;
  readonly signal: AbortSignal | undefined;
}

/** Verifies the packs; what is wrong goes into `faults`. */
export async function readData(
  packs: readonly PackRead[],
  options: ReadDataOptions,
): Promise<ReadTotals> {
  const total = packs.reduce((sum, { size }) => sum + size, 0);
  const largest = packs.reduce((most, { size }) => Math.max(most, size), 0);
  const { repo, threads } = options;
  const work =
    total <= withoutThreadsBytesMax
      ? new CheckHere(repo.keys)
      : new CheckThreads(repo.keys, threads);
  try {
    return await new DataReading(options, work, largest).run(packs);
  } finally {
    await work.close();
  }
}

class DataReading {
  readonly #options: ReadDataOptions;
  readonly #work: CheckWork;
  readonly #pool: BoundedPool;
  readonly #onBases = new BoundedPool({ countMax: onBasesMax, bytesMax: 0 });
  readonly #memory: PackMemory;
  readonly #foreignBases: ForeignBases;
  readonly #totals: ReadTotals = { packs: 0, bytes: 0, blobs: 0, rawBytes: 0 };
  readonly #faulty = new Map<PackId, { info: PackInfo; message: string }>();

  /** `largest`: bytes of the largest pack. */
  constructor(options: ReadDataOptions, work: CheckWork, largest: number) {
    this.#options = options;
    this.#work = work;
    const countMax = options.threads + packsAhead;
    this.#pool = new BoundedPool({ countMax, bytesMax: inFlightBytesMax });
    this.#memory = new PackMemory(Math.min(largest, packMemoryBytesMax), countMax);
    this.#foreignBases = new ForeignBases(options.repo, options.blobs, work);
  }

  async run(packs: readonly PackRead[]): Promise<ReadTotals> {
    const { signal } = this.#options;
    for (const pack of packs) {
      await this.#pool.submit(pack.size, () => this.#verify(pack), signal);
    }
    await this.#pool.drain();
    await this.#onBases.drain();
    await this.#findLost();
    return this.#totals;
  }

  async #verify(read: PackRead): Promise<void> {
    const id = packId(read.pack);
    const answer = await this.#ask(id, read.size, read.recordDigest);
    // Gone since it was listed: whether that is damage is for the listing to say.
    if (answer === undefined) return;
    this.#totals.packs++;
    this.#totals.bytes += read.size;
    this.#totals.blobs += answer.blobs;
    this.#totals.rawBytes += answer.rawBytes;
    if (answer.fault !== undefined) this.#note(read, id, answer.fault);
    else if (answer.onForeignBase.length === 0) this.#remember(read, id);
    else if (read.info !== undefined) await this.#submitOnBases(read, read.info, answer);
    this.#options.onPack(this.#totals);
  }

  async #ask(
    pack: PackId,
    size: number,
    recordDigest?: Uint8Array,
    record?: VerifyPack["record"],
  ): Promise<PackVerified | undefined> {
    const { repo, signal } = this.#options;
    const into = this.#memory.take(size);
    let bytes: Uint8Array;
    try {
      bytes = await repo.store.get(packObject(pack), {
        ...(signal === undefined ? {} : { signal }),
        ...(into === undefined ? {} : { into }),
      });
    } catch (error) {
      this.#memory.giveBack(into);
      if (hasCode(error, "object-absent")) return undefined;
      throw error;
    }
    if (bytes.buffer !== into) this.#memory.giveBack(into);
    const answer = await this.#work.verify({
      pack,
      bytes: bytes.buffer === into ? bytes : ownMemory(bytes),
      ...(recordDigest === undefined ? {} : { recordDigest }),
      ...(record === undefined ? {} : { record }),
    });
    this.#memory.giveBack(answer.memory);
    return answer;
  }

  /** Takes no worker's place while it waits for blobs and bases. */
  async #submitOnBases(read: PackRead, info: PackInfo, answer: PackVerified): Promise<void> {
    const { signal } = this.#options;
    await this.#onBases.submit(0, () => this.#verifyOnBases(read, info, answer), signal);
  }

  async #verifyOnBases(read: PackRead, info: PackInfo, answer: PackVerified): Promise<void> {
    const id = packId(read.pack);
    const { lost, isSure } = await this.#foreignBases.look(info, answer.onForeignBase);
    if (lost.length === 0 && isSure) this.#remember(read, id);
    if (lost.length === 0) return;
    this.#options.verified?.forget(id);
    const message = `${lost.length} of its blobs are not what their ids say`;
    this.#options.faults.addContent(info, message, lost);
  }

  #remember(read: PackRead, id: PackId): void {
    if (read.info === undefined) return;
    const nowMs = Number(this.#options.repo.clock.nowNs() / 1_000_000n);
    this.#options.verified?.remember(id, nowMs);
  }

  #note(read: PackRead, id: PackId, message: string): void {
    this.#options.verified?.forget(id);
    if (read.info === undefined) this.#options.onOrphanFault(read.pack, message);
    else this.#faulty.set(id, { info: read.info, message });
  }

  /** What of the faulty packs is lost, one pack at a time: there should be few. */
  async #findLost(): Promise<void> {
    const { repo, faults, signal } = this.#options;
    if (this.#faulty.size === 0) return;
    await findPackRecords(repo, new Set(this.#faulty.keys()), async (record) => {
      const faulty = this.#faulty.get(record.pack);
      if (faulty === undefined) return;
      this.#faulty.delete(record.pack);
      signal?.throwIfAborted();
      const answer = await this.#ask(record.pack, record.size, undefined, record);
      faults.addContent(faulty.info, faulty.message, answer?.lost ?? []);
    });
    for (const { info, message } of this.#faulty.values()) faults.addContent(info, message, []);
  }
}

/** Memory that can be handed to another thread. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  const isWhole = bytes.byteOffset === 0 && bytes.length === bytes.buffer.byteLength;
  return isWhole && bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);
}
