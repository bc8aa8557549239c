/**
 * Which chunk of the parent's file stood in the place of a chunk of the present one: the base that
 * a new chunk is likely to be similar to (docs/architecture.md, "Similar blobs").
 *
 * Only lengths and offsets are looked at, so that places are known before anything is hashed. Cuts
 * are made by content: most of them stay when rows change, come and go, so that chunks follow each
 * other as they did, each a little longer or shorter. Where a chunk ends as one of the parent's
 * does, both files are known to be at the same point again. Behind a cut that went, the place is
 * what offsets say. Where they say nothing any more, content does: base-search.ts. A wrong guess
 * costs time, never data.
 */
import type { ContentItem } from "../../base/entry.ts";
import type { BlobId } from "../../base/ids.ts";
import type { PlacedItem } from "../../repo/format/content-list.ts";

/** Part of the bytes since both files were at the same point by which they may have drifted. */
const driftPart = 1 / 40;
/** Part of a chunk's length within which its end can be taken for a cut of the parent, at most. */
const sameCutPartMax = 1 / 16;
/** Lengths in a row that tell of a place far away, and part of a length within which they agree. */
const rowLength = 3;
const agreementPart = 1 / 50;
/** Chunks around the expected one that are looked at then, and hits that are told. */
const farAway = 512;
const rowsMax = 3;
/** Chunks on both sides of the two likeliest places that are looked at before. */
const around = 3;
/** The same where a look did not help before. */
const aroundLost = 1;
/** Chunks kept before the present one, for what moved towards the end. */
const kept = 1024;

/** A chunk of the parent's file. */
export interface Place {
  readonly id: BlobId;
  readonly start: number;
  readonly length: number;
}

/** Places of a file's chunks in order; ask for them from its start to its end. */
export class BasePlaces {
  readonly #runs: AsyncIterator<readonly PlacedItem[]> | undefined;
  #places: Place[] = [];
  #isAll: boolean;
  /** How much further the parent's bytes lie than the present file's, where it was last known. */
  #shift = 0;
  /** Where in the present file that was. */
  #known = 0;
  /** The place of so many chunks was looked for in vain. */
  #lostFor = 0;
  /** Lengths of the last chunks of the present file. */
  readonly #recent: number[] = [];

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
    const start = offset + this.#shift;
    const found = this.#mostOf(start, start + length);
    this.pass(offset, length);
    return found?.id;
  }

  /** Takes note of a chunk whose place was found otherwise. */
  pass(offset: number, length: number): void {
    this.#recent.push(length);
    if (this.#recent.length > rowLength) this.#recent.shift();
    const cut = this.#lostFor > 0 ? undefined : this.#cutAtEnd(offset, length);
    if (cut !== undefined) this.knowAt(offset + length, cut);
  }

  /** What is at `offset` of the present file was at `parentOffset` of the parent's. */
  knowAt(offset: number, parentOffset: number): void {
    this.#shift = parentOffset - offset;
    this.#known = offset;
    this.#lostFor = 0;
  }

  /** The next chunk is nowhere near: that it ends as one of the parent's does is chance. */
  lose(): void {
    this.#lostFor++;
  }

  /** Whether the chunk ends where one of the parent's did. */
  isSure(offset: number, length: number): boolean {
    return this.#lostFor === 0 && this.#cutAtEnd(offset, length) !== undefined;
  }

  /**
   * Where the chunk may have been, likeliest first: what lies as far in the file as it does, what
   * follows the point that was known last, what lies around both, and what follows chunks of the
   * same lengths. The longer it is lost, the more rarely far away.
   */
  *candidates(offset: number, length: number): Generator<Place> {
    const seen = new Set<Place>();
    const expected = this.#lastAtOrBefore(offset + this.#shift + length / 2);
    const known = this.#lastAtOrBefore(this.#known + this.#shift);
    const isThorough = this.#lostFor === 0 || Number.isInteger(Math.log2(this.#lostFor));
    const radius = this.#lostFor === 0 ? around : aroundLost;
    const rows = isThorough ? this.#rows(expected, length) : [];
    for (const at of [...nearTo(expected, known, radius), ...rows]) {
      const place = this.#places[at];
      if (place === undefined || seen.has(place)) continue;
      seen.add(place);
      yield place;
    }
  }

  /** Indices of places that are as long as the chunk, and those before it as the last chunks. */
  *#rows(expected: number, length: number): Generator<number> {
    const row = [...this.#recent.slice(1 - rowLength), length];
    if (row.length < rowLength) return;
    let left = rowsMax;
    for (let distance = around; distance <= farAway && left > 0; distance++) {
      for (const at of [expected + distance, expected - distance]) {
        const agrees = (each: number, i: number) => {
          const place = this.#places[at + 1 - rowLength + i];
          return place !== undefined && isNear(place.length, each);
        };
        if (!row.every(agrees)) continue;
        left--;
        yield at;
      }
    }
  }

  /** The parent's cut at the end of the chunk, if there is one as near as can be said. */
  #cutAtEnd(offset: number, length: number): number | undefined {
    const end = offset + length;
    const most = Math.min((end - this.#known) * driftPart, length * sameCutPartMax);
    const expected = end + this.#shift;
    const at = this.#lastAtOrBefore(expected);
    const place = this.#places[at];
    if (place === undefined) return undefined;
    const isStart = at > 0 && expected - place.start < endOf(place) - expected;
    const cut = isStart ? place.start : endOf(place);
    return Math.abs(cut - expected) <= most ? cut : undefined;
  }

  /** The place that has most of what lies between these offsets of the parent's file. */
  #mostOf(start: number, end: number): Place | undefined {
    let best: Place | undefined;
    let bestBytes = 0;
    for (let at = Math.max(0, this.#lastAtOrBefore(start)); at < this.#places.length; at++) {
      const place = this.#places[at] as Place;
      if (place.start >= end) break;
      const bytes = Math.min(end, endOf(place)) - Math.max(start, place.start);
      if (bytes > bestBytes) [best, bestBytes] = [place, bytes];
    }
    return best;
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

/** Both indices, then those around them, outwards. */
function* nearTo(one: number, other: number, radius: number): Generator<number> {
  for (let distance = 0; distance <= radius; distance++) {
    for (const at of [one, other]) {
      yield at + distance;
      if (distance > 0) yield at - distance;
    }
  }
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= b * agreementPart;
}
