/** The walk of a pass: everything below a path, as the walk's thread hands it to main. */
import type { RawPath } from "../../src/base/raw-path.ts";
import { type BatchTaker, walkInBatches } from "../../src/engine/workers/walk-batches.ts";
import { walkSlotBytes, walkSlots } from "../../src/engine/workers/walk-protocol.ts";
import { TreeWalker } from "../../src/sources/tree-walker.ts";
import type { Meter } from "./meter.ts";

/** Copies each batch, so that the ring is always empty. */
class Collector implements BatchTaker {
  readonly batches: ArrayBuffer[] = [];
  readonly #slots: ArrayBuffer;
  readonly #meter: Meter;

  constructor(slots: ArrayBuffer, meter: Meter) {
    this.#slots = slots;
    this.#meter = meter;
  }

  slot(): number {
    return (this.batches.length % walkSlots) * walkSlotBytes;
  }

  isHungry(): boolean {
    return false;
  }

  isStopped(): boolean {
    return false;
  }

  give(length: number, own?: ArrayBuffer): void {
    this.#meter.run("bench", () => {
      const offset = this.slot();
      this.batches.push(own ?? this.#slots.slice(offset, offset + length));
    });
  }
}

/** Names of owners are main's to look up, as in src/engine/workers/walk-worker.ts. */
const owners = { user: () => "", group: () => "" };

/** Batches of records, in order. */
export function walkAll(path: string, meter: Meter): ArrayBuffer[] {
  const slots = new ArrayBuffer(walkSlotBytes * walkSlots);
  const collector = new Collector(slots, meter);
  meter.run("walk", () => {
    const walker = new TreeWalker({ roots: [path as RawPath], owners });
    walkInBatches(walker, slots, collector);
  });
  return collector.batches;
}
