/**
 * Cuts a stream that comes in pieces of any length into chunks, on one thread: what slot-cutter.ts
 * does, for callers who have nobody to share the work with. Cuts do not depend on the pieces.
 */
import { Cutter, type CutterOptions } from "./cutter.ts";
import { SlotCutter } from "./slot-cutter.ts";
import { createSlotMemory } from "./slot-memory.ts";

export class StreamCutter {
  readonly #slots: SlotCutter;
  readonly #data: Uint8Array<SharedArrayBuffer>;
  #room: Uint8Array;
  #filledBytes = 0;

  /** Holds `bufferBytes`, by default four of the longest chunks. */
  constructor(options: CutterOptions, bufferBytes = 4 * options.profile.maxBytes) {
    const memory = createSlotMemory(1, bufferBytes);
    this.#slots = new SlotCutter(new Cutter(options, memory), memory);
    this.#data = new Uint8Array(memory.buffer);
    this.#room = this.#slots.begin(0);
  }

  /**
   * Takes `bytes` and yields chunks that are complete, as views that hold until the next step. The
   * iteration must be run to its end, also when it yields nothing.
   */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    for (let taken = 0; taken < bytes.length; ) {
      const piece = bytes.subarray(taken, taken + this.#room.length - this.#filledBytes);
      this.#room.set(piece, this.#filledBytes);
      this.#filledBytes += piece.length;
      taken += piece.length;
      if (this.#filledBytes === this.#room.length) yield* this.#cut(false);
    }
  }

  /** Yields the chunks that are left; after that a new stream can begin. */
  *finish(): Generator<Uint8Array> {
    yield* this.#cut(true);
  }

  *#cut(final: boolean): Generator<Uint8Array> {
    const { offset, lengths } = this.#slots.cut(this.#filledBytes, final);
    let start = offset;
    for (const length of lengths) {
      yield this.#data.subarray(start, start + length);
      start += length;
    }
    this.#room = this.#slots.begin(0);
    this.#filledBytes = 0;
  }
}
