/**
 * The memory that packs are read into: a few buffers that go to a worker with a pack and come back
 * with the answer. Memory of its own for each pack would be freed only when the worker collects
 * its garbage, which it has little of: hundreds of megabytes stood there for nothing.
 */

export class PackMemory {
  readonly #bytesEach: number;
  readonly #countMax: number;
  readonly #free: ArrayBuffer[] = [];

  /** `bytesEach`: what most packs need at most. At most `countMax` are kept for later. */
  constructor(bytesEach: number, countMax: number) {
    this.#bytesEach = bytesEach;
    this.#countMax = countMax;
  }

  /** Undefined for a larger pack: that has memory of its own. */
  take(bytes: number): ArrayBuffer | undefined {
    if (bytes > this.#bytesEach) return undefined;
    // From the system's own pages: what was never written to takes no room.
    return this.#free.pop() ?? new ArrayBuffer(this.#bytesEach);
  }

  /** Also memory that is none of ours, or was lost on the way: it is not kept. */
  giveBack(memory: ArrayBufferLike | undefined): void {
    if (!(memory instanceof ArrayBuffer) || memory.byteLength !== this.#bytesEach) return;
    if (this.#free.length < this.#countMax) this.#free.push(memory);
  }
}
