/**
 * A limit in bytes a second that all who send, or all who receive, share: a token bucket that holds
 * a fifth of a second. Served in order; a take larger than the bucket waits its time afterwards.
 */
import type { Clock } from "../../base/clock.ts";

const burstMs = 200;

export class ByteRate {
  readonly #bytesPerMs: number;
  readonly #clock: Clock;
  /** When everything that was taken will have been paid for. */
  #paidAtMs = 0;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#clock = clock;
  }

  /** Resolves when `bytes` may pass. */
  async take(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const now = this.#clock.monotonicMs();
    const start = Math.max(this.#paidAtMs, now - burstMs);
    this.#paidAtMs = start + bytes / this.#bytesPerMs;
    const waitMs = this.#paidAtMs - now;
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }
}
