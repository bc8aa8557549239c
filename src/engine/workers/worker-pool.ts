/**
 * Up to a fixed number of worker threads with typed messages. A worker starts with the first
 * message to it, or when it is asked to: a thread may cost 0.1 s of CPU, more than a snapshot of
 * what hardly changed. A worker that throws, or dies, fails the whole pool: the operation cannot be
 * right without it.
 */
import { Worker } from "node:worker_threads";
import { VarveError } from "../../base/errors.ts";
import { endOfTasks } from "./task-port.ts";

/**
 * A small young generation: workers make short-lived views and buffers only, and what those hold
 * outside of the heap is given back sooner.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 12 };

export interface PoolOptions<From> {
  /** Module of the worker, as `new URL("./x.js", import.meta.url)` gives it. */
  readonly module: URL;
  readonly workerData: unknown;
  readonly onMessage: (message: From, worker: number) => void;
  /** Called once; `throwIfFailed` tells what happened. */
  readonly onFailure: () => void;
}

export class WorkerPool<To, From> {
  readonly #options: PoolOptions<From>;
  readonly #workers = new Map<number, Worker>();
  readonly #exits: Promise<unknown>[] = [];
  #failure: unknown;
  #closing = false;

  constructor(options: PoolOptions<From>) {
    this.#options = options;
  }

  /** Lets a worker load before there is anything to send. */
  start(number: number): void {
    if (!this.#workers.has(number)) this.#start(number);
  }

  #start(number: number): Worker {
    const { module, workerData, onMessage } = this.#options;
    const worker = new Worker(module, { workerData, resourceLimits });
    worker.on("message", (message: From) => {
      try {
        onMessage(message, number);
      } catch (error) {
        this.#fail(error);
      }
    });
    worker.on("error", (error) => this.#fail(reviveError(error)));
    worker.on("exit", (code) => {
      if (this.#closing) return;
      this.#fail(new VarveError("internal", `A worker thread ended with code ${code}.`));
    });
    this.#exits.push(new Promise((end) => worker.once("exit", end)));
    this.#workers.set(number, worker);
    return worker;
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#options.onFailure();
  }

  /** Workers that were sent something. */
  get started(): number {
    return this.#workers.size;
  }

  send(number: number, message: To, transfer: ArrayBuffer[] = []): void {
    // After the end nobody is there to take it, and none must be started.
    if (this.#closing) return;
    const worker = this.#workers.get(number) ?? this.#start(number);
    worker.postMessage(message, transfer);
  }

  /** To all that were started. */
  sendAll(message: To): void {
    for (const worker of this.#workers.values()) worker.postMessage(message);
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Lets each worker finish what it was sent, and end (task-port.ts says why). */
  async close(): Promise<void> {
    this.#closing = true;
    for (const worker of this.#workers.values()) worker.postMessage(endOfTasks);
    await Promise.all(this.#exits);
  }
}

/** Errors lose their class between threads; ours keep their fields. */
function reviveError(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== "VarveError") return error;
  const { code, hint, context } = error as VarveError;
  const options = { context: context ?? {}, cause: error };
  return new VarveError(code, error.message, hint === undefined ? options : { ...options, hint });
}
