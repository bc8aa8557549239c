/**
 * Ids of blobs that were lately looked up, each with a number of the user's: neighbouring snapshots
 * refer to the same ones, and to look here costs a twentieth of asking the index. A table that
 * grows up to a fixed size, and in which a newer id takes the place of an older one.
 *
 * It compares the first 16 bytes of an id, as the index does (docs/decisions/0004).
 */
import type { BlobId } from "../base/ids.ts";

/** 10 MiB; a tree of 100,000 files keeps nine in ten of its chunks. */
const slotsMax = 2 ** 19;
/** A small repository shall not pay for a large one's: 10 MiB take a millisecond to clear. */
const slotsAtFirst = 2 ** 10;
/** Of 32 bits: four of the id, and the number plus one, so that an empty slot fits nothing. */
const words = 5;

export class RecentIds {
  #slots = slotsAtFirst;
  #table = new Int32Array(slotsAtFirst * words);
  /** Slots that are taken. */
  #count = 0;

  /** The id is the first 16 bytes from `offset` on; a view for each would cost more than this. */
  has(id: Uint8Array, number: number, offset = 0): boolean {
    const at = this.#slotAt(wordOf(id, offset));
    return this.#isAt(at, id, number, offset) || this.#isAt(otherOf(at), id, number, offset);
  }

  #isAt(at: number, id: Uint8Array, number: number, offset: number): boolean {
    const table = this.#table;
    return (
      table[at + 4] === number + 1 &&
      table[at] === wordOf(id, offset) &&
      table[at + 1] === wordOf(id, offset + 4) &&
      table[at + 2] === wordOf(id, offset + 8) &&
      table[at + 3] === wordOf(id, offset + 12)
    );
  }

  /** `number`: from 0, below 2^31 - 1. What was in its slot moves to the slot beside it. */
  add(id: BlobId, number: number): void {
    // Before one in ten takes another's place.
    if (this.#count * 8 >= this.#slots && this.#slots < slotsMax) this.#grow();
    const table = this.#table;
    const at = this.#slotAt(wordOf(id, 0));
    if (table[at + 4] === 0) this.#count++;
    else table.copyWithin(otherOf(at), at, at + words);
    for (let word = 0; word < 4; word++) table[at + word] = wordOf(id, 4 * word);
    table[at + 4] = number + 1;
  }

  /** To eight times as many: what was in slots of their own still is. */
  #grow(): void {
    const before = this.#table;
    this.#slots *= 8;
    this.#table = new Int32Array(this.#slots * words);
    for (let at = 0; at < before.length; at += words) {
      if (before[at + 4] === 0) continue;
      this.#table.set(before.subarray(at, at + words), this.#slotAt(before[at] ?? 0));
    }
  }

  /** Ids are keyed hashes: any of their bits spread evenly. */
  #slotAt(word: number): number {
    return (word & (this.#slots - 1)) * words;
  }
}

/** The other slot of a pair. */
function otherOf(at: number): number {
  return at % (2 * words) === 0 ? at + words : at - words;
}

/** Little-endian and signed, as such numbers need no memory of their own. */
function wordOf(id: Uint8Array, at: number): number {
  const low = (id[at] ?? 0) | ((id[at + 1] ?? 0) << 8) | ((id[at + 2] ?? 0) << 16);
  return low | ((id[at + 3] ?? 0) << 24);
}
