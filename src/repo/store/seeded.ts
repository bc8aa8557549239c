/**
 * Reproducible pseudo-randomness for faults and simulations; never for secrets or names.
 * mulberry32 by Tommy Ettinger (public domain): 32 bits of state, the same run for the same seed.
 */
export class Seeded {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** At least 0, below 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** At least 0, below `count`. */
  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  /** True with this probability; draws nothing when it is 0. */
  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }
}
