/**
 * The restore workers as functions that give promises. A worker has at most two tasks at a time,
 * so that it never waits for the main thread and nothing piles up; the rest waits here. They may be
 * started before the repository is open: keys come with the first task.
 */
import { availableParallelism } from "node:os";
import { invariant } from "../../base/errors.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import type {
  BlobBatch,
  Compared,
  CompareTask,
  FromRestoreWorker,
  Opened,
  OpenTask,
  RestoreTask,
  ToRestoreWorker,
  WriteTask,
  Written,
} from "../workers/restore-protocol.ts";
import { WorkerPool } from "../workers/worker-pool.ts";

const tasksEachMax = 2;

export function threadsDefault(): number {
  return availableParallelism();
}

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
  /** Workers that have the keys. */
  readonly #told = new Set<number>();
  #keys: RepositoryKeys | undefined;
  #closed: Promise<void> | undefined;
  #failed = false;
  #tasks = 0;

  /** `count`: at most so many; each starts when it is needed, or told to. */
  constructor(count = threadsDefault()) {
    this.#busy = new Array<number>(Math.max(1, count)).fill(0);
    this.#pool = new WorkerPool({
      module: new URL("../workers/restore-worker.js", import.meta.url),
      workerData: undefined,
      onMessage: (answer: FromRestoreWorker) => this.#settle(answer),
      onFailure: () => this.#fail(),
    });
  }

  /** Lets that many load while there is nothing for them to do. */
  start(count = this.count): void {
    for (let worker = 0; worker < Math.min(count, this.count); worker++) this.#pool.start(worker);
  }

  /** Comes before the first task. */
  useKeys(keys: RepositoryKeys): this {
    this.#keys = keys;
    return this;
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
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#failed) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await this.#pool.close();
  }

  async #run(
    task: DistributiveOmit<RestoreTask, "task">,
    transfer: ArrayBuffer[],
  ): Promise<FromRestoreWorker> {
    const worker = await this.#take();
    this.#tell(worker);
    return new Promise((resolve, reject) => {
      const number = this.#tasks++;
      this.#waiting.set(number, { resolve, reject, worker });
      this.#pool.send(worker, { ...task, task: number } as RestoreTask, transfer);
    });
  }

  #tell(worker: number): void {
    if (this.#told.has(worker)) return;
    invariant(this.#keys !== undefined, "keys come before tasks");
    this.#told.add(worker);
    this.#pool.send(worker, { type: "keys", keys: this.#keys });
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
