/** Time and randomness, passed in so that tests can hold them still. */
import { randomBytes } from "node:crypto";

export interface Clock {
  /** UTC, nanoseconds since 1970. Wall time: may jump. */
  nowNs(): bigint;
  /** Milliseconds that only go forward; for durations and leases. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Fills a new array of `count` bytes from a cryptographic source. */
export type Random = (count: number) => Uint8Array;

export const systemRandom: Random = (count) => randomBytes(count);

export const systemClock: Clock = {
  nowNs: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", abort, { once: true });
    }),
};
