/**
 * Tries a call again while that makes sense, inside a budget of time that starts at its first
 * failure. Waits are drawn at random below a bound that doubles, so that many who failed together
 * do not come back together ("full jitter", Brooker, AWS Architecture Blog, 2015).
 */
import type { Clock, Random } from "../../base/clock.ts";

/** Whether, and how soon, what failed may succeed. */
export type Retry = "no" | "at-once" | "later" | "much-later";

export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
  /** Asked after each failure. */
  readonly budgetMs: () => number;
  readonly retryOf: (error: unknown) => Retry;
}

const firstWaitMs = 100;
const firstSlowWaitMs = 1000;
const waitMsMax = 20_000;
/** Of one call: what is put right again and again is not right. */
const atOnceMax = 2;

export async function retried<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal } = options;
  let firstFailureMs: number | undefined;
  let atOnce = 0;
  for (let failures = 0; ; failures++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      const retry = options.retryOf(error);
      const now = clock.monotonicMs();
      firstFailureMs ??= now;
      if (retry === "no" || (retry === "at-once" && ++atOnce > atOnceMax)) throw error;
      const waitMs = retry === "at-once" ? 0 : waitOf(retry === "later", failures, options.random);
      if (now - firstFailureMs + waitMs > options.budgetMs()) throw error;
      await clock.sleep(waitMs, signal);
    }
  }
}

function waitOf(isSoon: boolean, failures: number, random: Random): number {
  const first = isSoon ? firstWaitMs : firstSlowWaitMs;
  const bound = Math.min(waitMsMax, first * 2 ** Math.min(failures, 20));
  const [a = 0, b = 0] = random(2);
  return bound * ((a * 256 + b) / 65_536);
}
