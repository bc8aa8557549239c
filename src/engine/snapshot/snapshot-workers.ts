/**
 * The snapshot's worker threads: hands out batches, asks the blob writer which chunks are new, and
 * passes full packs on to it. Bounded: at most `arenaCount` batches a worker, and no new batch
 * while the store is behind with packs.
 */
import { availableParallelism } from "node:os";
import { invariant } from "../../base/errors.ts";
import type { BlobId } from "../../base/ids.ts";
import type { BlobWriter } from "../../repo/blob-writer.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type {
  FromSnapshotWorker,
  Hashed,
  HashFiles,
  HashSlot,
  PackDone,
  SnapshotWorkerData,
  StoreBatch,
  ToSnapshotWorker,
} from "../workers/snapshot-protocol.ts";
import { arenaCount } from "../workers/snapshot-protocol.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import type { BaseFetcher, ChunkToBase } from "./base-fetcher.ts";

export interface BatchJob {
  readonly message: HashFiles | HashSlot;
  /** The ids are known; called in the order in which workers finish, not in that of the walk. */
  readonly hashed: (reply: Hashed) => void;
  /**
   * For each chunk of the batch, the one that stood in its place in the parent; asked only when one
   * of them is new.
   */
  readonly likes?: ((reply: Hashed) => readonly (BlobId | undefined)[]) | undefined;
  /** The worker needs the batch's bytes no more. */
  readonly released?: () => void;
}

interface Running extends BatchJob {
  readonly worker: number;
}

export interface ChunkCounts {
  chunks: number;
  freshChunks: number;
  freshBytes: number;
}

export interface SnapshotWorkersOptions {
  readonly threads: number;
  readonly dryRun: boolean;
  /** Without it, all chunks are compressed alone. */
  readonly bases: BaseFetcher | undefined;
}

export class SnapshotWorkers {
  readonly #pool: WorkerPool<ToSnapshotWorker, FromSnapshotWorker>;
  readonly #writer: BlobWriter;
  readonly #dryRun: boolean;
  readonly #bases: BaseFetcher | undefined;
  readonly #running = new Map<number, Running>();
  readonly #load: number[];
  readonly counts: ChunkCounts = { chunks: 0, freshChunks: 0, freshBytes: 0 };
  #nextBatch = 1;
  #flushing = 0;
  #failure: unknown;
  #wake: () => void = () => undefined;
  #changed: Promise<void> = Promise.resolve();

  constructor(writer: BlobWriter, data: SnapshotWorkerData, options: SnapshotWorkersOptions) {
    this.#writer = writer;
    this.#dryRun = options.dryRun;
    this.#bases = options.bases;
    this.#load = new Array<number>(options.threads).fill(0);
    this.#arm();
    this.#pool = new WorkerPool({
      module: new URL("../workers/snapshot-worker.js", import.meta.url),
      workerData: data,
      onMessage: (message, worker) => this.#receive(message, worker),
      onFailure: () => this.#signal(),
    });
  }

  #arm(): void {
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #signal(): void {
    this.#wake();
    this.#arm();
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#pool.throwIfFailed();
    this.#writer.throwIfFailed();
  }

  #leastLoaded(): number {
    let least = 0;
    for (let i = 1; i < this.#load.length; i++) {
      if ((this.#load[i] ?? 0) < (this.#load[least] ?? 0)) least = i;
    }
    return least;
  }

  /** Gives a batch to a worker as soon as one has room. */
  async dispatch(job: (batch: number) => BatchJob): Promise<void> {
    await this.#writer.ready();
    for (;;) {
      this.throwIfFailed();
      const worker = this.#leastLoaded();
      if ((this.#load[worker] ?? 0) < arenaCount) {
        this.#start(worker, job);
        return;
      }
      await this.#changed;
    }
  }

  #start(worker: number, job: (batch: number) => BatchJob): void {
    const batch = this.#nextBatch++;
    const running = { ...job(batch), worker };
    this.#running.set(batch, running);
    this.#load[worker] = (this.#load[worker] ?? 0) + 1;
    this.#pool.send(worker, running.message);
  }

  #receive(message: FromSnapshotWorker, worker: number): void {
    if (message.type === "hashed") this.#onHashed(message, worker);
    else if (message.type === "stored") this.#onStored(message.batch);
    else if (message.type === "pack") this.#onPack(message, worker);
    else this.#flushing--;
    this.#signal();
  }

  #onHashed(message: Hashed, worker: number): void {
    const running = this.#running.get(message.batch);
    invariant(running !== undefined, "a reply to a batch that runs");
    const fresh = this.#claimFresh(message);
    const chunks = this.#bases === undefined ? [] : chunksToBase(running, message, fresh);
    if (chunks.length === 0) this.#store(worker, { batch: message.batch, fresh });
    else this.#storeOnBases(worker, message.batch, fresh, chunks);
    running.hashed(message);
  }

  #store(worker: number, { batch, fresh, bases }: Omit<StoreBatch, "type">): void {
    const segments = bases?.blobs.segments.map(({ buffer }) => buffer) ?? [];
    this.#pool.send(worker, { type: "store", batch, fresh, bases }, segments);
  }

  #storeOnBases(
    worker: number,
    batch: number,
    fresh: Uint32Array,
    chunks: readonly ChunkToBase[],
  ): void {
    this.#bases?.fetch(chunks).then(
      (bases) => this.#store(worker, { batch, fresh, bases }),
      (error: unknown) => {
        this.#failure ??= error;
        this.#signal();
      },
    );
  }

  /** Ordinals, among the batch's chunks, of those that this worker has to store. */
  #claimFresh({ ids, lengths }: Hashed): Uint32Array {
    const chunks = lengths.filter((length) => length >= 0);
    const fresh = this.#writer.claimAll(BlobKind.data, ids);
    this.counts.chunks += chunks.length;
    this.counts.freshChunks += fresh.length;
    for (const ordinal of fresh) this.counts.freshBytes += chunks[ordinal] ?? 0;
    return Uint32Array.from(this.#dryRun ? [] : fresh);
  }

  #onStored(batch: number): void {
    const running = this.#running.get(batch);
    invariant(running !== undefined, "a reply to a batch that runs");
    this.#running.delete(batch);
    this.#load[running.worker] = (this.#load[running.worker] ?? 0) - 1;
    running.released?.();
  }

  #onPack(message: PackDone, worker: number): void {
    const recycle = () => {
      this.#pool.send(worker, { type: "recycle", buffer: message.bytes.buffer });
      this.#signal();
    };
    // The writer keeps a failure, and throws it at its next step; until then the worker may need
    // the buffer in order to get there.
    this.#writer.addPack(message).then(recycle, recycle);
  }

  /** Resolves at the next message of any worker. */
  async nextEvent(): Promise<void> {
    this.throwIfFailed();
    if (this.#running.size > 0) await this.#changed;
    this.throwIfFailed();
  }

  /** Waits until no batch is with a worker. */
  async finishBatches(): Promise<void> {
    while (this.#running.size > 0) await this.nextEvent();
    this.throwIfFailed();
  }

  /** All batches done and all open packs handed to the writer. */
  async finish(): Promise<void> {
    await this.finishBatches();
    this.#flushing = this.#pool.started;
    this.#pool.sendAll({ type: "flush" });
    while (this.#flushing > 0) {
      await this.#changed;
      this.throwIfFailed();
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** The new chunks with what stood in their places; none when nothing did. */
function chunksToBase(job: BatchJob, reply: Hashed, fresh: Uint32Array): ChunkToBase[] {
  const likes = fresh.length === 0 ? undefined : job.likes?.(reply);
  if (likes === undefined) return [];
  const lengths = reply.lengths.filter((length) => length >= 0);
  const chunks = Array.from(fresh, (at) => ({ like: likes[at], length: lengths[at] ?? 0 }));
  return chunks.some(({ like }) => like !== undefined) ? chunks : [];
}

/** Worker threads when the user does not say: one a core. */
export function defaultThreads(): number {
  return Math.max(1, availableParallelism());
}
