/**
 * A walk over file trees in a thread of its own, as the main thread sees it: batches of records,
 * in order, and then the end. The thread ends with its walk, while others go on; another walk
 * begins with another thread.
 *
 * Whoever begins a walk ends it, also when it was taken to its last batch; whoever starts a thread
 * closes it. Neither waits for more than the system call that the walk is in.
 */
import { invariant } from "../../base/errors.ts";
import { OwnerNames } from "../../sources/owners.ts";
import type { TreeWalkerOptions } from "../../sources/tree-walker.ts";
import { WalkRecords } from "../../sources/walk-records.ts";
import {
  ControlWord,
  controlBytes,
  type FromWalkWorker,
  planOf,
  type ToWalkWorker,
  type WalkBatch,
  type WalkWorkerData,
  walkSlotBytes,
  walkSlots,
} from "../workers/walk-protocol.ts";
import { WorkerPool } from "../workers/worker-pool.ts";

/** What a walk yields, a batch at a time. */
export interface Walk {
  /** Of the present batch. */
  readonly records: WalkRecords;
  /**
   * Turns to the next batch, whose first record `records.next()` reaches, and lets go of the one
   * before. False at the end; throws what ended the walk otherwise, and the signal's reason.
   */
  nextBatch(): Promise<boolean>;
  /**
   * Stops the walk where it is. Resolves when it has let go of everything; never throws. May be
   * called again.
   */
  end(): Promise<void>;
}

/** Where walks come from. */
export interface Walks {
  /** One walk at a time. Names of owners are looked up in this thread, whatever `options` say. */
  begin(options: TreeWalkerOptions, signal: AbortSignal | undefined): Walk;
}

type Pool = WorkerPool<ToWalkWorker, FromWalkWorker>;

export class WalkThread implements Walks {
  readonly #slots = new SharedArrayBuffer(walkSlotBytes * walkSlots);
  readonly #controlMemory = new SharedArrayBuffer(controlBytes);
  readonly #control = new Int32Array(this.#controlMemory);
  #pool: Pool | undefined;
  readonly #closing: Promise<void>[] = [];
  #walks = 0;
  #present: ThreadWalk | undefined;

  /** Starts the thread, which loads on another core until the first walk is wanted. */
  constructor() {
    this.#pool = this.#start();
  }

  #start(): Pool {
    const workerData: WalkWorkerData = { control: this.#controlMemory, slots: this.#slots };
    const pool: Pool = new WorkerPool({
      module: new URL("../workers/walk-worker.js", import.meta.url),
      workerData,
      onMessage: (message) => this.#present?.receive(message),
      onFailure: () => this.#present?.wake(),
    });
    pool.start(0);
    return pool;
  }

  begin(options: TreeWalkerOptions, signal: AbortSignal | undefined): Walk {
    invariant(this.#present === undefined, "one walk at a time");
    const pool = this.#pool ?? this.#start();
    this.#pool = pool;
    const walk = ++this.#walks;
    Atomics.store(this.#control, ControlWord.released, 0);
    pool.send(0, { type: "walk", walk, plan: planOf(options) });
    this.#present = new ThreadWalk({
      walk,
      signal,
      slots: this.#slots,
      throwIfFailed: () => pool.throwIfFailed(),
      set: (word, value) => this.#set(word, value),
      ended: () => this.#retire(),
    });
    return this.#present;
  }

  #set(word: number, value: number): void {
    Atomics.store(this.#control, word, value);
    Atomics.add(this.#control, ControlWord.changes, 1);
    Atomics.notify(this.#control, ControlWord.changes);
  }

  /** Nobody waits for the thread to end until all is done. */
  #retire(): void {
    this.#present = undefined;
    if (this.#pool !== undefined) this.#closing.push(this.#pool.close());
    this.#pool = undefined;
  }

  /** Resolves when no thread is left; never throws. */
  async close(): Promise<void> {
    await this.#present?.end();
    this.#retire();
    await Promise.all(this.#closing);
  }
}

interface ThreadSide {
  readonly walk: number;
  readonly signal: AbortSignal | undefined;
  readonly slots: SharedArrayBuffer;
  readonly throwIfFailed: () => void;
  /** Sets a control word and wakes the thread. */
  readonly set: (word: number, value: number) => void;
  readonly ended: () => void;
}

class ThreadWalk implements Walk {
  readonly records = new WalkRecords(new OwnerNames());
  readonly #side: ThreadSide;
  readonly #batches: WalkBatch[] = [];
  #taken = 0;
  /** The thread is through with this walk. */
  #isOver = false;
  #isEnded = false;
  #wake: () => void = () => undefined;

  constructor(side: ThreadSide) {
    this.#side = side;
    side.signal?.addEventListener("abort", this.wake);
  }

  receive(message: FromWalkWorker): void {
    invariant(message.walk === this.#side.walk, "a walk ends before the next begins");
    if (message.type === "end") this.#isOver = true;
    else this.#batches.push(message);
    this.#wake();
  }

  readonly wake = (): void => this.#wake();

  async nextBatch(): Promise<boolean> {
    const { signal, throwIfFailed, set, slots } = this.#side;
    set(ControlWord.released, this.#taken);
    for (;;) {
      signal?.throwIfAborted();
      const batch = this.#batches.shift();
      if (batch !== undefined) {
        this.#taken++;
        this.records.begin(batch.own ?? slots, batch.offset, batch.length);
        return true;
      }
      if (this.#isOver) return false;
      throwIfFailed();
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async end(): Promise<void> {
    const { signal, throwIfFailed, set, walk, ended } = this.#side;
    if (this.#isEnded) return;
    this.#isEnded = true;
    signal?.removeEventListener("abort", this.wake);
    set(ControlWord.stopped, walk);
    try {
      while (!this.#isOver) {
        throwIfFailed();
        await this.#change();
      }
    } catch {
      // The thread is dead, and so is the walk; who waited for its batches was told why.
    }
    ended();
  }
}
