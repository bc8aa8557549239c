/**
 * A set of blob ids, by their first 16 bytes as in the cache: 17 bytes of memory a place, no object
 * and no string an id. Ids are keyed hashes, so a part of one is as good as a hash of it. Open
 * addressing with linear probing; what is removed is closed up (Knuth, The Art of Computer
 * Programming 3, 6.4, algorithm R).
 */
import { type BlobId, shortIdBytes } from "../base/ids.ts";

const placesFirst = 1024;

export class IdSet {
  #ids = Buffer.alloc(placesFirst * shortIdBytes);
  #isTaken = new Uint8Array(placesFirst);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(id: BlobId): boolean {
    return this.#isTaken[this.#find(id)] === 1;
  }

  /** Copies what it keeps of the id. */
  add(id: BlobId): void {
    const place = this.#find(id);
    if (this.#isTaken[place] === 1) return;
    this.#put(place, id);
    // At most half full, so that a search looks at two places or so.
    if (++this.#size * 2 > this.#isTaken.length) this.#grow();
  }

  delete(id: BlobId): void {
    const place = this.#find(id);
    if (this.#isTaken[place] === 0) return;
    this.#isTaken[place] = 0;
    this.#size--;
    this.#closeUp(place);
  }

  /** The id's place, or the free one where it would go. */
  #find(id: BlobId): number {
    const last = this.#isTaken.length - 1;
    let place = start(id, 0) & last;
    while (this.#isTaken[place] === 1 && !this.#isAt(place, id)) place = (place + 1) & last;
    return place;
  }

  #isAt(place: number, id: BlobId): boolean {
    const at = place * shortIdBytes;
    for (let i = 0; i < shortIdBytes; i++) if (this.#ids[at + i] !== id[i]) return false;
    return true;
  }

  #put(place: number, id: Uint8Array, from = 0): void {
    const at = place * shortIdBytes;
    for (let i = 0; i < shortIdBytes; i++) this.#ids[at + i] = id[from + i] as number;
    this.#isTaken[place] = 1;
  }

  /** Moves up those that a search would miss now that `free` is free. */
  #closeUp(free: number): void {
    const last = this.#isTaken.length - 1;
    let gap = free;
    for (let place = (gap + 1) & last; this.#isTaken[place] === 1; place = (place + 1) & last) {
      const home = start(this.#ids, place * shortIdBytes) & last;
      if (((place - home) & last) < ((place - gap) & last)) continue;
      this.#put(gap, this.#ids, place * shortIdBytes);
      this.#isTaken[place] = 0;
      gap = place;
    }
  }

  #grow(): void {
    const [ids, isTaken] = [this.#ids, this.#isTaken];
    this.#ids = Buffer.allocUnsafeSlow(ids.length * 2);
    this.#isTaken = new Uint8Array(isTaken.length * 2);
    for (const [place, taken] of isTaken.entries()) {
      if (taken === 0) continue;
      const at = place * shortIdBytes;
      this.#put(this.#find(ids.subarray(at, at + shortIdBytes)), ids, at);
    }
  }
}

/** Where the search for the id at `at` begins, before it is cut to the number of places. */
function start(bytes: Uint8Array, at: number): number {
  const [a, b, c] = [bytes[at] as number, bytes[at + 1] as number, bytes[at + 2] as number];
  return a | (b << 8) | (c << 16) | ((bytes[at + 3] as number) << 24);
}
