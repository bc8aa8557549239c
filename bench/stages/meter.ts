/**
 * Charges CPU time of this process, user and system, to one stage at a time. The clock is that of
 * the whole process: what V8's own threads compile and collect, and libuv's threads write, is
 * charged to the stage that is being measured. One look at the clock takes under a microsecond, so
 * whoever measures does so by the batch.
 */
import type { StageCosts, StageName } from "./stage-list.ts";

/** What the bench does for itself: charged to nobody. */
type Charged = StageName | "bench";

export class Meter {
  readonly #micros = new Map<Charged, number>();
  #present: Charged = "bench";
  #since = cpuMicros();

  /** Work within another stage's work is taken out of that stage. */
  run<T>(stage: Charged, work: () => T): T {
    const outer = this.#turnTo(stage);
    try {
      return work();
    } finally {
      this.#turnTo(outer);
    }
  }

  /** The same for work that waits; nothing else may be under way in the process. */
  async wait<T>(stage: Charged, work: () => Promise<T>): Promise<T> {
    const outer = this.#turnTo(stage);
    try {
      return await work();
    } finally {
      this.#turnTo(outer);
    }
  }

  #turnTo(next: Charged): Charged {
    const now = cpuMicros();
    const before = this.#present;
    this.#micros.set(before, (this.#micros.get(before) ?? 0) + now - this.#since);
    this.#present = next;
    this.#since = now;
    return before;
  }

  /** In CPU seconds. */
  costs(): StageCosts {
    const costs: StageCosts = {};
    for (const [stage, micros] of this.#micros) {
      if (stage !== "bench") costs[stage] = micros / 1e6;
    }
    return costs;
  }
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
