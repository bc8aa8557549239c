/**
 * What verifies packs and blobs, as functions that give promises: worker threads, or, where there
 * is less to do than to start them, this very thread.
 */
import { invariant } from "../../base/errors.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import { BatchOpener } from "../workers/batch-opener.ts";
import { unopenedBlobs } from "../workers/check-blobs.ts";
import { PackVerifier } from "../workers/check-pack.ts";
import type {
  BlobsOpened,
  CheckWorkerData,
  FromCheckWorker,
  OpenBlobs,
  PackVerified,
  ToCheckWorker,
  VerifyPack,
} from "../workers/check-protocol.ts";
import { WorkerPool } from "../workers/worker-pool.ts";

/** How many tasks run at once is the caller's to bound. */
export interface CheckWork {
  /** Hands over the bytes. */
  verify(pack: Omit<VerifyPack, "type" | "task">): Promise<PackVerified>;
  /** Hands over the segments. */
  open(blobs: Omit<OpenBlobs, "type" | "task">): Promise<BlobsOpened>;
  close(): Promise<void>;
}

interface Waiting {
  readonly worker: number;
  readonly resolve: (answer: FromCheckWorker) => void;
  readonly reject: (error: unknown) => void;
}

export class CheckThreads implements CheckWork {
  readonly #pool: WorkerPool<ToCheckWorker, FromCheckWorker>;
  readonly #busy: number[];
  readonly #waiting = new Map<number, Waiting>();
  #tasks = 0;

  constructor(keys: RepositoryKeys, count: number) {
    const workerData: CheckWorkerData = { keys };
    this.#busy = new Array<number>(count).fill(0);
    this.#pool = new WorkerPool({
      module: new URL("../workers/check-worker.js", import.meta.url),
      workerData,
      onMessage: (answer: FromCheckWorker) => this.#settle(answer),
      onFailure: () => this.#fail(),
    });
  }

  async verify(pack: Omit<VerifyPack, "type" | "task">): Promise<PackVerified> {
    const { buffer } = pack.bytes;
    invariant(buffer instanceof ArrayBuffer, "a pack comes in memory of its own");
    const send = (task: number) => ({ ...pack, type: "pack" as const, task });
    return this.#ask<PackVerified>(send, [buffer]);
  }

  async open(blobs: Omit<OpenBlobs, "type" | "task">): Promise<BlobsOpened> {
    const send = (task: number) => ({ ...blobs, type: "blobs" as const, task });
    const segments = blobs.batch.segments.map(({ buffer }) => buffer);
    return this.#ask<BlobsOpened>(send, segments);
  }

  #ask<T extends FromCheckWorker>(
    taskOf: (task: number) => ToCheckWorker,
    transfer: ArrayBuffer[],
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#pool.throwIfFailed();
      const worker = this.#busy.indexOf(Math.min(...this.#busy));
      this.#busy[worker] = (this.#busy[worker] ?? 0) + 1;
      const task = this.#tasks++;
      const settle = resolve as (answer: FromCheckWorker) => void;
      this.#waiting.set(task, { worker, resolve: settle, reject });
      this.#pool.send(worker, taskOf(task), transfer);
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #settle(answer: FromCheckWorker): void {
    const waiting = this.#waiting.get(answer.task);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.task);
    this.#busy[waiting.worker] = (this.#busy[waiting.worker] ?? 1) - 1;
    waiting.resolve(answer);
  }

  #fail(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    try {
      this.#pool.throwIfFailed();
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}

export class CheckHere implements CheckWork {
  readonly #verifier: PackVerifier;
  readonly #opener: BatchOpener;

  constructor(keys: RepositoryKeys) {
    this.#verifier = new PackVerifier(keys);
    this.#opener = new BatchOpener(keys);
  }

  async verify(pack: Omit<VerifyPack, "type" | "task">): Promise<PackVerified> {
    const answer = await this.#verifier.verify(pack);
    return { ...answer, type: "pack", task: 0, memory: pack.bytes.buffer };
  }

  async open({ batch, count }: Omit<OpenBlobs, "type" | "task">): Promise<BlobsOpened> {
    const memory = batch.segments.map(({ buffer }) => buffer);
    const unopened = unopenedBlobs(this.#opener, batch, count);
    return { type: "blobs", task: 0, memory, unopened };
  }

  async close(): Promise<void> {}
}
