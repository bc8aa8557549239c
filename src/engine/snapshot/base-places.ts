/**
 * Which chunk of the parent's file stood in the place of a chunk of the present one: the base that
 * a new chunk is likely to be similar to (docs/architecture.md, "Similar blobs").
 *
 * Only lengths and offsets are looked at, so that places are known before anything is hashed. Cuts
 * are made by content: most of them stay when rows change, come and go, so that chunks follow each
 * other as they did, each a little longer or shorter. Where a chunk ends as one of the parent's
 * does, or as two do that became one, both files are known to be at the same point again. Behind
 * what was inserted or removed, lengths in a row tell. A wrong guess costs time, never data.
 */
import type { ContentItem } from "../../base/entry.ts";
import type { BlobId } from "../../base/ids.ts";
import type { PlacedItem } from "../../repo/format/content-list.ts";

/** Part of its length by which a chunk may have grown or shrunk, and end at the same cut. */
const sameCutPart = 1 / 20;
/** Of the parent's chunks, so many may have become one. */
const joinedMax = 3;
/**
 * When so many chunks in a row ended at no cut of the parent, their place is looked for: as many of
 * the parent's, one after the other, that are as long as they are. Two in a row were too few.
 */
const missesMax = 3;
/** Chunks around the expected one that are looked at then. */
const farAway = 512;
/** Part of a length within which lengths agree then. */
const agreementPart = 1 / 50;
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
  /** Lengths of the last chunks of the present file. */
  readonly #recent: number[] = [];
  #misses = 0;

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
    this.#recent.push(length);
    if (this.#recent.length > missesMax) this.#recent.shift();
    const expected = this.#nearest(offset + this.#shift);
    const place = this.#endingAlike(expected, offset, length);
    if (place !== undefined) {
      this.#misses = 0;
      return place.id;
    }
    if (++this.#misses >= missesMax) {
      const again = this.#afterAlike(expected);
      if (again !== undefined) {
        this.#misses = 0;
        this.#shift = again.start - offset;
        return again.id;
      }
    }
    const middle = offset + this.#shift + length / 2;
    const around = this.#places[this.#lastAtOrBefore(middle)];
    return around !== undefined && middle < endOf(around) ? around.id : undefined;
  }

  /** Of the parent's chunks that became this one, the longest; the shift is known anew then. */
  #endingAlike(first: number, offset: number, length: number): Place | undefined {
    const start = this.#places[first]?.start ?? 0;
    let longest: Place | undefined;
    for (const place of this.#places.slice(first, first + joinedMax)) {
      if (place.length > (longest?.length ?? 0)) longest = place;
      const end = endOf(place);
      if (Math.abs(end - start - length) > length * sameCutPart) continue;
      this.#shift = end - (offset + length);
      return longest;
    }
    return undefined;
  }

  /** The nearest place that ends a row of places as long as the last chunks. */
  #afterAlike(expected: number): Place | undefined {
    const first = 1 - this.#recent.length;
    for (let distance = 0; distance <= farAway; distance++) {
      for (const at of [expected + distance, expected - distance]) {
        const agrees = (length: number, i: number) => {
          const place = this.#places[at + first + i];
          return place !== undefined && isNear(place.length, length);
        };
        if (this.#recent.every(agrees)) return this.#places[at];
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

function endOf({ start, length }: Place): number {
  return start + length;
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= b * agreementPart;
}
