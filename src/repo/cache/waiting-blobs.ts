/**
 * Packs of this run that are in the store but not in the cache yet. Ids are random, so the rows of
 * one pack touch as many pages of a large table as there are rows, and each page is written twice:
 * 9 KB of disk for every tiny file of a million. So rows wait here, in order of coming, until there
 * are enough that a page takes several of them (blob-index.ts says how many).
 *
 * Memory: 56 bytes a row, 89 where there are bases. What waits is lost with the process: then index
 * objects bring it back, or it is stored again.
 */
import type { BlobPlace, PackInfo } from "../blob-lookup.ts";
import type { IndexPack } from "../format/index-object.ts";
import type { BlobRows } from "./blob-rows.ts";

/** A pack whose rows wait. */
export interface WaitingPack {
  readonly info: PackInfo;
  readonly session: Uint8Array;
}

const slotsFirst = 8192;

export class WaitingBlobs {
  readonly #rows: BlobRows;
  readonly #packs = new Map<number, WaitingPack>();
  readonly #numbers = new Map<string, number>();
  /** Open addressing by the first bytes of the id: a row's number plus one, or 0. */
  #slots = new Int32Array(slotsFirst);

  /** `rows` is ours until `end`, and must be able to hold all that comes. */
  constructor(rows: BlobRows) {
    this.#rows = rows;
  }

  get count(): number {
    return this.#rows.count;
  }

  get packs(): Iterable<WaitingPack> {
    return this.#packs.values();
  }

  get isEmpty(): boolean {
    return this.#packs.size === 0;
  }

  pack(packNo: number): PackInfo | undefined {
    return this.#packs.get(packNo)?.info;
  }

  packNumber(pack: string): number | undefined {
    return this.#numbers.get(pack);
  }

  add({ blobs, ...pack }: IndexPack, packNo: number, session: Uint8Array): void {
    const info = { ...pack, wrap: Uint8Array.from(pack.wrap), packNo, blobCount: blobs.length };
    this.#packs.set(packNo, { info, session });
    this.#numbers.set(pack.pack, packNo);
    for (const [ordinal, blob] of blobs.entries()) {
      const row = this.#rows.count;
      this.#rows.add(blob.id, packNo, ordinal, blob);
      if ((row + 1) * 2 > this.#slots.length) this.#grow();
      this.#put(row);
    }
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let row = 0; row < this.#rows.count - 1; row++) this.#put(row);
  }

  #put(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#rows.idStart(row) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }

  /** All places of a blob among what waits, oldest pack first. */
  places(id: Uint8Array): BlobPlace[] {
    const found: BlobPlace[] = [];
    const mask = this.#slots.length - 1;
    const start = new DataView(id.buffer, id.byteOffset).getUint32(0);
    for (let slot = start & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] as number) - 1;
      if (this.#rows.hasId(row, id)) found.push(this.#rows.placeAt(row));
    }
    return found;
  }

  /** Nothing waits any more: the rows were written. */
  end(): void {
    this.#packs.clear();
    this.#numbers.clear();
    this.#slots.fill(0);
  }
}
