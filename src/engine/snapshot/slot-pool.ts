/** Hands out the slots of the shared memory in which large files and streams are cut. */
export class SlotPool {
  #free: number[];
  #waiting: ((slot: number) => void)[] = [];

  constructor(slotCount: number) {
    this.#free = Array.from({ length: slotCount }, (_, slot) => slot);
  }

  acquire(): Promise<number> {
    const slot = this.#free.pop();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(slot: number): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(slot);
    else next(slot);
  }
}
