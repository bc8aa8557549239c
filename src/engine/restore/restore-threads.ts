/**
 * The restore workers as functions that give promises. A worker has at most two tasks at a time,
 * so that it never waits for the main thread and nothing piles up; the rest waits here.
 */
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import type {
  BlobBatch,
  Compared,
  CompareTask,
  FromRestoreWorker,
  Opened,
  OpenTask,
  RestoreWorkerData,
  ToRestoreWorker,
  WriteTask,
  Written,
} from "../workers/restore-protocol.ts";
import { WorkerPool } from "../workers/worker-pool.ts";

const tasksEachMax = 2;

type Untold<T> = Omit<T, "type" | "task">;

interface Waiting {
  readonly resolve: (answer: FromRestoreWorker) => void;
  readonly reject: (error: unknown) => void;
  readonly worker: number;
}

export class RestoreThreads {
  readonly #pool: WorkerPool<ToRestoreWorker, FromRestoreWorker>;
  readonly #busy: number[];
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue: (() => void)[] = [];
  readonly #idle: (() => void)[] = [];
  #failed = false;
  #tasks = 0;

  constructor(keys: RepositoryKeys, count: number) {
    const workerData: RestoreWorkerData = { keys };
    this.#busy = new Array<number>(count).fill(0);
    this.#pool = new WorkerPool({
      module: new URL("../workers/restore-worker.js", import.meta.url),
      workerData,
      onMessage: (answer: FromRestoreWorker) => this.#settle(answer),
      onFailure: () => this.#fail(),
    });
  }

  get count(): number {
    return this.#busy.length;
  }

  /** Hands over the batch's segments. */
  async write(task: Untold<WriteTask>): Promise<Written> {
    return (await this.#run({ ...task, type: "write" }, buffersOf(task.batch))) as Written;
  }

  /** Hands over the batch's segments. */
  async open(task: Untold<OpenTask>): Promise<Opened> {
    return (await this.#run({ ...task, type: "open" }, buffersOf(task.batch))) as Opened;
  }

  async compare(task: Untold<CompareTask>): Promise<Compared> {
    return (await this.#run({ ...task, type: "compare" }, [])) as Compared;
  }

  /** Waits for what is under way: a thread that is torn out of a native call takes all with it. */
  async close(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#failed) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await this.#pool.close();
  }

  async #run(
    task: DistributiveOmit<ToRestoreWorker, "task">,
    transfer: ArrayBuffer[],
  ): Promise<FromRestoreWorker> {
    const worker = await this.#take();
    return new Promise((resolve, reject) => {
      const number = this.#tasks++;
      this.#waiting.set(number, { resolve, reject, worker });
      this.#pool.send(worker, { ...task, task: number } as ToRestoreWorker, transfer);
    });
  }

  /** The least busy worker, when it has room. */
  async #take(): Promise<number> {
    for (;;) {
      if (this.#failed) this.#pool.throwIfFailed();
      const least = Math.min(...this.#busy);
      if (least < tasksEachMax) {
        const worker = this.#busy.indexOf(least);
        this.#busy[worker] = least + 1;
        return worker;
      }
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
  }

  #settle(answer: FromRestoreWorker): void {
    const waiting = this.#waiting.get(answer.task);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.task);
    this.#busy[waiting.worker] = (this.#busy[waiting.worker] ?? 1) - 1;
    waiting.resolve(answer);
    this.#queue.shift()?.();
    if (this.#waiting.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #fail(): void {
    this.#failed = true;
    for (const { reject } of this.#waiting.values()) {
      try {
        this.#pool.throwIfFailed();
      } catch (error) {
        reject(error);
      }
    }
    this.#waiting.clear();
    for (const resolve of [...this.#queue.splice(0), ...this.#idle.splice(0)]) resolve();
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

function buffersOf(batch: BlobBatch): ArrayBuffer[] {
  return batch.segments.map(({ buffer }) => buffer);
}
