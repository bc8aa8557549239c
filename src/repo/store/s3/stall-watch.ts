/**
 * Notices that nothing moves: `stalled` is called when `limitMs` pass without a touch. Waiting for
 * the bandwidth limit is no stall: the watch rests meanwhile.
 */
export class StallWatch {
  readonly #stalled: () => void;
  #limitMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** Waits that go on; none is watched meanwhile. */
  #resting = 0;
  #ended = false;

  constructor(limitMs: number, stalled: () => void) {
    this.#limitMs = limitMs;
    this.#stalled = stalled;
    this.#start();
  }

  touch(): void {
    this.#timer?.refresh();
  }

  /** Another limit, from now on. */
  allow(limitMs: number): void {
    this.#limitMs = limitMs;
    this.#start();
  }

  async rest(work: Promise<void>): Promise<void> {
    this.#resting++;
    this.#stop();
    try {
      await work;
    } finally {
      this.#resting--;
      this.#start();
    }
  }

  end(): void {
    this.#ended = true;
    this.#stop();
  }

  #start(): void {
    this.#stop();
    if (this.#resting > 0 || this.#ended) return;
    this.#timer = setTimeout(this.#stalled, this.#limitMs);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
