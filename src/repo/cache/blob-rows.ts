/**
 * Rows on their way into the cache's table of blobs, put in order first: ids are random, so rows
 * as they come touch a page each, and a table of millions of rows is read and written again and
 * again; in order, every page is touched once a run.
 *
 * Memory is bounded by `rowsMax` (48 bytes a row, 81 where there are bases): beyond that a run is
 * written. All of it happens inside the transaction of whoever calls.
 */
import type { BlobPlace } from "../blob-lookup.ts";
import type { BlobKind, Encoding } from "../format/pack-table.ts";
import type { Database, Statement } from "./cache-database.ts";

/** A row of the table `blob` without its id; see cache-database.ts. */
export interface BlobRowFacts {
  readonly offset: number;
  readonly length: number;
  readonly rawLength: number;
  readonly kind: number;
  readonly encoding: number;
  readonly baseId?: Uint8Array;
  readonly generation?: number;
}

const idBytes = 16;
/** Numbers of a row: pack, ordinal, offset, length, raw length, kind and encoding. */
const fieldCount = 6;
const hasBase = 1 << 16;

/** What the table has of a base: its id, and the generation of what stands on it. */
export const baseBytes = 33;

export function writeBase(target: Uint8Array, at: number, blob: BlobRowFacts): void {
  if (blob.baseId === undefined) return;
  target.set(blob.baseId, at);
  target[at + baseBytes - 1] = blob.generation ?? 0;
}

/** Views on `base`. */
export function readBase(base: Uint8Array): { baseId: Uint8Array; generation: number } {
  return { baseId: base.subarray(0, baseBytes - 1), generation: base[baseBytes - 1] ?? 0 };
}
const rowsFirst = 4096;
export const rowsMaxDefault = 1 << 20;

export class BlobRows {
  readonly #insert: Statement;
  readonly #rowsMax: number;
  #ids = Buffer.alloc(0);
  #fields = new Uint32Array(0);
  /** `baseBytes` a row, from the first base on. */
  #bases = Buffer.alloc(0);
  #count = 0;

  /** `rowsMax`: at most 2^21, so that a row's number fits beside 32 bits of its id. */
  constructor(db: Database, rowsMax = rowsMaxDefault) {
    this.#rowsMax = rowsMax;
    this.#insert = db.prepare(
      `INSERT OR IGNORE INTO blob
         (id, pack, ordinal, offset, length, raw_length, kind, encoding, base)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  /** Rows that are not in the table yet. */
  get count(): number {
    return this.#count;
  }

  /**
   * Makes sure that `rows` more, if they are at most `rowsMax`, are taken in without a write, and
   * that nothing else is held if they are more: so that `rewind` can take them back.
   */
  makeRoom(rows: number): void {
    if (this.#count + rows > this.#rowsMax) this.write();
  }

  /** Takes a row in; copies the first 16 bytes of the id. */
  add(id: Uint8Array, packNo: number, ordinal: number, blob: BlobRowFacts): void {
    if (this.#count === this.#rowsMax) this.write();
    const row = this.#count++;
    if ((row + 1) * idBytes > this.#ids.length) this.#grow();
    this.#ids.set(id.subarray(0, idBytes), row * idBytes);
    const at = row * fieldCount;
    this.#fields[at] = packNo;
    this.#fields[at + 1] = ordinal;
    this.#fields[at + 2] = blob.offset;
    this.#fields[at + 3] = blob.length;
    this.#fields[at + 4] = blob.rawLength;
    this.#fields[at + 5] = blob.kind | (blob.encoding << 8);
    if (blob.baseId !== undefined) this.#addBase(row, blob);
  }

  #addBase(row: number, blob: BlobRowFacts): void {
    this.#fields[row * fieldCount + 5] = (this.#fields[row * fieldCount + 5] as number) | hasBase;
    if ((row + 1) * baseBytes > this.#bases.length) {
      const larger = Buffer.allocUnsafeSlow((this.#ids.length / idBytes) * baseBytes);
      larger.set(this.#bases);
      this.#bases = larger;
    }
    writeBase(this.#bases, row * baseBytes, blob);
  }

  #grow(): void {
    const rows = Math.min(this.#rowsMax, Math.max(rowsFirst, this.#count * 2));
    const ids = Buffer.allocUnsafeSlow(rows * idBytes);
    ids.set(this.#ids);
    this.#ids = ids;
    const fields = new Uint32Array(rows * fieldCount);
    fields.set(this.#fields);
    this.#fields = fields;
  }

  /** The first 32 bits of a row's id. */
  idStart(row: number): number {
    return this.#ids.readUInt32BE(row * idBytes);
  }

  /** Whether the row's id begins as this one does. */
  hasId(row: number, id: Uint8Array): boolean {
    const at = row * idBytes;
    return this.#ids.compare(id, 0, idBytes, at, at + idBytes) === 0;
  }

  placeAt(row: number): BlobPlace {
    const at = row * fieldCount;
    const code = this.#fields[at + 5] as number;
    const place = {
      packNo: this.#fields[at] as number,
      ordinal: this.#fields[at + 1] as number,
      offset: this.#fields[at + 2] as number,
      length: this.#fields[at + 3] as number,
      rawLength: this.#fields[at + 4] as number,
      kind: (code & 0xff) as BlobKind,
      encoding: ((code >> 8) & 0xff) as Encoding,
    };
    if ((code & hasBase) === 0) return place;
    return { ...place, ...readBase(Uint8Array.from(this.#baseAt(row))) };
  }

  #baseAt(row: number): Uint8Array {
    return this.#bases.subarray(row * baseBytes, (row + 1) * baseBytes);
  }

  /** Writes all rows but those of the packs `without`, in order of their ids, into the table. */
  write(without: ReadonlySet<number> = new Set()): void {
    try {
      for (const row of this.#order()) {
        if (!without.has(this.#fields[row * fieldCount] as number)) this.#insertRow(row);
      }
    } finally {
      // When it fails the caller's transaction does, and with it the packs of these rows.
      this.#count = 0;
    }
  }

  /** Forgets the rows beyond `count`, which was the count before; written ones are the caller's. */
  rewind(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  /** Row numbers by the first 32 bits of the id, which a double holds beside the row's number. */
  #order(): Float64Array {
    const keys = new Float64Array(this.#count);
    for (let row = 0; row < keys.length; row++) {
      keys[row] = this.#ids.readUInt32BE(row * idBytes) * 2 ** 21 + row;
    }
    keys.sort();
    for (let i = 0; i < keys.length; i++) keys[i] = (keys[i] as number) % 2 ** 21;
    return keys;
  }

  #insertRow(row: number): void {
    const at = row * fieldCount;
    const fields = this.#fields;
    const code = fields[at + 5] as number;
    this.#insert.run(
      this.#ids.subarray(row * idBytes, (row + 1) * idBytes),
      fields[at],
      fields[at + 1],
      fields[at + 2],
      fields[at + 3],
      fields[at + 4],
      code & 0xff,
      (code >> 8) & 0xff,
      (code & hasBase) === 0 ? null : this.#baseAt(row),
    );
  }
}
