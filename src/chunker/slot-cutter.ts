/**
 * Cuts one stream that runs through the slots of a slot memory. For each slot: `begin` it, fill
 * what that gives from its front, `cut` it.
 *
 * A chunk never straddles two slots: the unfinished tail of a slot (less than a longest chunk) is
 * copied to the front of the next. It is not hashed again. Cuts do not depend on how full slots
 * are, nor on which slots are used.
 */
import { invariant } from "../base/errors.ts";
import type { Cutter } from "./cutter.ts";
import { type SlotMemory, slotOffset } from "./slot-memory.ts";

export interface SlotCut {
  /** Where the first chunk starts in the slot memory's `buffer`; the others follow without gaps. */
  readonly offset: number;
  /** Complete chunks, in bytes each; may be none before the end. A copy of the caller's own. */
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** Bytes behind the last chunk that wait for the next slot; 0 at the end. */
  readonly tailBytes: number;
}

export class SlotCutter {
  readonly #cutter: Cutter;
  readonly #slots: SlotMemory;
  /** Where the unfinished chunk lies in the cutter's buffer. */
  #tail = { start: 0, bytes: 0 };
  #slotEnd = 0;

  /** The cutter must work in the same memory. It may serve other streams in between. */
  constructor(cutter: Cutter, slots: SlotMemory) {
    invariant(cutter.buffer === slots.data, "a cutter of another memory");
    invariant(slots.slotBytes > cutter.profile.maxBytes, "slots shorter than a longest chunk");
    this.#cutter = cutter;
    this.#slots = slots;
  }

  /**
   * Moves the tail to the front of `slot`, which nobody may be using, and returns what lies behind
   * it, to be filled from its front; never empty. The slot that was cut last must not have been
   * written to since; it may be this one.
   */
  begin(slot: number): Uint8Array<SharedArrayBuffer> {
    const data = this.#slots.data;
    const start = slotOffset(this.#slots, slot) - data.byteOffset;
    const { start: from, bytes } = this.#tail;
    data.copyWithin(start, from, from + bytes);
    this.#tail = { start, bytes };
    this.#slotEnd = start + this.#slots.slotBytes;
    return data.subarray(start + bytes, this.#slotEnd);
  }

  /** Cuts the slot that was begun, of which `filledBytes` are filled; `final`: the stream ends. */
  cut(filledBytes: number, final: boolean): SlotCut {
    const { start, bytes } = this.#tail;
    const end = start + bytes + filledBytes;
    invariant(filledBytes >= 0 && end <= this.#slotEnd, `${filledBytes} bytes do not fit the slot`);
    const lengths = this.#cutter.cut(start, end, final, start + bytes);
    const tailBytes = lengths.reduce((rest, length) => rest - length, end - start);
    this.#tail = { start: end - tailBytes, bytes: tailBytes };
    this.#slotEnd = 0;
    return { offset: this.#slots.data.byteOffset + start, lengths, tailBytes };
  }
}
