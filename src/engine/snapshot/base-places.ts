/**
 * Which chunk of the parent's file stood in the place of a chunk of the present one: the base that
 * a new chunk is likely to be similar to (docs/architecture.md, "Similar blobs").
 *
 * Only lengths and offsets are looked at, so that places are known before anything is hashed. A
 * change of a few bytes seldom moves a cut: most chunks keep their length but for those bytes, and
 * lengths that agree tell how far the content has shifted. What nothing agrees with is taken for
 * the parent's chunk at the same distance from the last place that did. A wrong guess costs time,
 * never data.
 */
import type { ContentItem } from "../../base/entry.ts";
import type { BlobId } from "../../base/ids.ts";
import type { PlacedItem } from "../../repo/format/content-list.ts";

/** Lengths agree that differ by at most so many bytes, or by this part of the length. */
const agreementBytes = 200;
const agreementPart = 1 / 1024;
/** Chunks before and behind the expected one that are looked at for a length that agrees. */
const nearby = 4;
/** Chunks around it in which two lengths in a row are looked for, behind a long insertion. */
const farAway = 512;
/** Chunks kept before the present one, for what moved towards the end. */
const kept = 1024;

interface Place {
  readonly id: BlobId;
  readonly start: number;
  readonly length: number;
}

/** Places of a file's chunks in order; ask for them from its start to its end. */
export class BasePlaces {
  readonly #runs: AsyncIterator<readonly PlacedItem[]> | undefined;
  #places: Place[] = [];
  #isAll: boolean;
  /** How much further the parent's bytes lie than the present file's. */
  #shift = 0;
  #lengthBefore = 0;

  private constructor(runs: AsyncIterator<readonly PlacedItem[]> | undefined) {
    this.#runs = runs;
    this.#isAll = runs === undefined;
  }

  /** Of a content that has no lists. */
  static of(items: readonly ContentItem[]): BasePlaces {
    const places = new BasePlaces(undefined);
    let fileOffset = 0;
    for (const { id, length } of items) {
      places.#add({ id, length, fileOffset });
      fileOffset += length;
    }
    return places;
  }

  /** Of a content whose lists are read as they are needed. */
  static reading(runs: AsyncIterable<readonly PlacedItem[]>): BasePlaces {
    return new BasePlaces(runs[Symbol.asyncIterator]());
  }

  #add({ id, length, fileOffset }: PlacedItem): void {
    if (id !== null) this.#places.push({ id, start: fileOffset, length });
  }

  /** Reads the lists that chunks before `end`, an offset in the present file, may stand in. */
  async prepare(end: number): Promise<void> {
    while (!this.#isAll) {
      const last = this.#places.at(-1);
      if (last !== undefined && last.start > end + this.#shift) return;
      const run = await this.#runs?.next();
      if (run === undefined || run.done === true) this.#isAll = true;
      else {
        if (this.#places.length > 2 * kept) this.#places.splice(0, this.#places.length - kept);
        for (const item of run.value) this.#add(item);
      }
    }
  }

  /** Undefined when the parent's file had nothing there. */
  find(offset: number, length: number): BlobId | undefined {
    const expected = this.#nearest(offset + this.#shift);
    const agreeing = this.#agreeing(expected, length);
    this.#lengthBefore = length;
    if (agreeing !== undefined) {
      this.#shift = agreeing.start - offset;
      return agreeing.id;
    }
    const middle = offset + this.#shift + length / 2;
    const place = this.#places[this.#lastAtOrBefore(middle)];
    return place !== undefined && middle < place.start + place.length ? place.id : undefined;
  }

  #agreeing(expected: number, length: number): Place | undefined {
    for (let distance = 0; distance <= nearby; distance++) {
      for (const at of [expected + distance, expected - distance]) {
        const place = this.#places[at];
        if (place !== undefined && agree(place.length, length)) return place;
      }
    }
    for (let distance = nearby + 1; distance <= farAway; distance++) {
      for (const at of [expected + distance, expected - distance]) {
        const [before, place] = [this.#places[at - 1], this.#places[at]];
        if (before === undefined || place === undefined) continue;
        if (agree(place.length, length) && agree(before.length, this.#lengthBefore)) return place;
      }
    }
    return undefined;
  }

  /** Index of the place whose start is the nearest to `offset`. */
  #nearest(offset: number): number {
    const at = this.#lastAtOrBefore(offset);
    const [here, next] = [this.#places[at], this.#places[at + 1]];
    if (here === undefined || next === undefined) return Math.max(at, 0);
    return next.start - offset < offset - here.start ? at + 1 : at;
  }

  /** -1 when all start behind `offset`. */
  #lastAtOrBefore(offset: number): number {
    let [low, high] = [0, this.#places.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#places[middle] as Place).start <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function agree(a: number, b: number): boolean {
  return Math.abs(a - b) <= Math.max(agreementBytes, b * agreementPart);
}
