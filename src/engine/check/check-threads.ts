/** The check workers as a function that gives promises; each has at most two packs at a time. */
import { invariant } from "../../base/errors.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import type { CheckWorkerData, PackVerified, VerifyPack } from "../workers/check-protocol.ts";
import { WorkerPool } from "../workers/worker-pool.ts";

interface Waiting {
  readonly worker: number;
  readonly resolve: (answer: PackVerified) => void;
  readonly reject: (error: unknown) => void;
}

export class CheckThreads {
  readonly #pool: WorkerPool<VerifyPack, PackVerified>;
  readonly #busy: number[];
  readonly #waiting = new Map<number, Waiting>();
  #tasks = 0;

  constructor(keys: RepositoryKeys, count: number) {
    const workerData: CheckWorkerData = { keys };
    this.#busy = new Array<number>(count).fill(0);
    this.#pool = new WorkerPool({
      module: new URL("../workers/check-worker.js", import.meta.url),
      workerData,
      onMessage: (answer: PackVerified) => this.#settle(answer),
      onFailure: () => this.#fail(),
    });
  }

  get count(): number {
    return this.#busy.length;
  }

  /** Hands over the bytes. How many run at once is the caller's to bound. */
  verify(task: Omit<VerifyPack, "task">): Promise<PackVerified> {
    return new Promise((resolve, reject) => {
      this.#pool.throwIfFailed();
      const worker = this.#busy.indexOf(Math.min(...this.#busy));
      this.#busy[worker] = (this.#busy[worker] ?? 0) + 1;
      const number = this.#tasks++;
      this.#waiting.set(number, { worker, resolve, reject });
      const { buffer } = task.bytes;
      invariant(buffer instanceof ArrayBuffer, "a pack comes in memory of its own");
      this.#pool.send(worker, { ...task, task: number }, [buffer]);
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #settle(answer: PackVerified): void {
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
