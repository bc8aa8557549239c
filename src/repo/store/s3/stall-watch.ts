/**
 * Notices that nothing moves: `stalled` is called when `limitMs` pass without a touch. Waiting for
 * the bandwidth limit is no stall: the watch rests meanwhile.
 */
export class StallWatch {
  #limitMs: number;
  readonly #stalled: () => void;
  #timer: NodeJS.Timeout;

  constructor(limitMs: number, stalled: () => void) {
    this.#limitMs = limitMs;
    this.#stalled = stalled;
    this.#timer = setTimeout(stalled, limitMs);
  }

  touch(): void {
    this.#timer.refresh();
  }

  /** Another limit, from now on. */
  allow(limitMs: number): void {
    this.#limitMs = limitMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#stalled, limitMs);
  }

  async rest(work: Promise<void>): Promise<void> {
    clearTimeout(this.#timer);
    try {
      await work;
    } finally {
      this.#timer = setTimeout(this.#stalled, this.#limitMs);
    }
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
