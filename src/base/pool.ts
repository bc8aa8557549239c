/**
 * A bounded pool: at most `countMax` tasks and `bytesMax` bytes are under way at a time.
 *
 * Invariants: tasks are admitted in the order in which they asked (no task starves, however
 * big); a task
 * larger than `bytesMax` runs alone rather than never; what was taken is given back exactly once,
 * also when the task throws. Aborting while waiting leaves the queue without a trace; a task that
 * runs is never torn away: it watches the signal itself.
 */
import { invariant } from "./errors.ts";

export interface PoolLimits {
  readonly countMax: number;
  /** Bytes that the running tasks may hold together. */
  readonly bytesMax: number;
}

/** Gives back what was taken; calling it again does nothing. */
export type Release = () => void;

interface Waiter {
  readonly bytes: number;
  readonly admit: () => void;
}

export class BoundedPool {
  readonly #limits: PoolLimits;
  readonly #waiting: Waiter[] = [];
  readonly #idle: (() => void)[] = [];
  #running = 0;
  #bytes = 0;
  #failed = false;
  #failure: unknown;

  constructor(limits: PoolLimits) {
    invariant(limits.countMax >= 1 && limits.bytesMax >= 0, "a pool needs room for one task");
    this.#limits = limits;
  }

  /** Tasks that were admitted and have not settled. */
  get running(): number {
    return this.#running;
  }

  /** Bytes that these hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Waits for room. Rejects with the signal's reason when that comes first. */
  async acquire(bytes: number, signal?: AbortSignal): Promise<Release> {
    signal?.throwIfAborted();
    if (this.#waiting.length === 0 && this.#fits(bytes)) this.#take(bytes);
    else await this.#wait(bytes, signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#running--;
      this.#bytes -= bytes;
      this.#admitWaiting();
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
    };
  }

  /** Runs `task` when there is room for `bytes`; settles as it does. */
  async run<T>(bytes: number, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(bytes, signal);
    try {
      return await task();
    } finally {
      release();
    }
  }

  /**
   * Resolves once `task` was *started*: what holds a producer back. The first failure of such a
   * task rejects every later `submit` and `drain`; nothing more is started then.
   */
  async submit(bytes: number, task: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    this.#throwFailure();
    const release = await this.acquire(bytes, signal);
    if (this.#failed) release();
    this.#throwFailure();
    void this.#runSubmitted(task, release);
  }

  /** Waits until nothing is running or waiting; throws the first failure of a submitted task. */
  async drain(): Promise<void> {
    while (this.#running > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    this.#throwFailure();
  }

  async #runSubmitted(task: () => Promise<void>, release: Release): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!this.#failed) this.#failure = error;
      this.#failed = true;
    } finally {
      release();
    }
  }

  #throwFailure(): void {
    if (this.#failed) throw this.#failure;
  }

  #fits(bytes: number): boolean {
    if (this.#running === 0) return true;
    return this.#running < this.#limits.countMax && this.#bytes + bytes <= this.#limits.bytesMax;
  }

  #take(bytes: number): void {
    this.#running++;
    this.#bytes += bytes;
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason);
        // The one who left may have been what kept smaller ones waiting.
        this.#admitWaiting();
      };
      const waiter: Waiter = {
        bytes,
        admit: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      this.#waiting.push(waiter);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Takes for the waiter before it wakes, so that nobody slips in between. */
  #admitWaiting(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#fits(first.bytes)) return;
      this.#waiting.shift();
      this.#take(first.bytes);
      first.admit();
    }
  }
}
