/**
 * Rows of the table of blobs in a temporary file, apart by ranges of their ids: so that a table of
 * very many rows can be filled from its beginning to its end, whatever the order in which they
 * come. The file has no name as soon as it is open: nothing is left of a run that is killed.
 *
 * Memory: 64 KiB a range, and 16 bytes for each of those that were written.
 */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { VarveError } from "../../base/errors.ts";
import { type BlobRowFacts, type BlobRows, baseBytes, readBase, writeBase } from "./blob-rows.ts";
import { cacheFailure } from "./cache-database.ts";

const bufferBytes = 64 * 1024;
const idBytes = 16;
/** Id, pack, ordinal, offset, length, raw length, and one for kind, encoding and base. */
const rowBytes = idBytes + 6 * 4;
const hasBase = 1 << 16;
const rangesMax = 256;

interface Range {
  readonly buffer: Buffer;
  used: number;
  /** Places in the file, and lengths there. */
  readonly pieces: number[];
}

export class RangeSpill {
  readonly #folder: string;
  readonly #file: number;
  readonly #ranges: Range[];
  #end = 0;

  /**
   * `rows`: about how many there will be; `rangeRows`: how many a range shall have. What the file
   * system refuses, here or later, is `cache-failed`.
   */
  constructor(folder: string, rows: number, rangeRows: number) {
    const count = Math.min(rangesMax, Math.max(1, Math.ceil(rows / rangeRows)));
    this.#ranges = Array.from({ length: count }, () => ({
      buffer: Buffer.allocUnsafeSlow(bufferBytes),
      used: 0,
      pieces: [],
    }));
    this.#folder = folder;
    this.#file = this.#orFail(() => {
      const own = mkdtempSync(join(folder, "loading-"));
      const file = openSync(join(own, "rows"), "wx+", 0o600);
      unlinkSync(join(own, "rows"));
      rmdirSync(own);
      return file;
    });
  }

  #orFail<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw cacheFailure(error, this.#folder);
    }
  }

  get rangeCount(): number {
    return this.#ranges.length;
  }

  add(id: Uint8Array, packNo: number, ordinal: number, blob: BlobRowFacts): void {
    const first = new DataView(id.buffer, id.byteOffset).getUint32(0);
    const range = this.#ranges[Math.floor((first * this.#ranges.length) / 2 ** 32)] as Range;
    if (range.used + rowBytes + baseBytes > bufferBytes) this.#writeOut(range);
    const { buffer } = range;
    buffer.set(id.subarray(0, idBytes), range.used);
    let at = range.used + idBytes;
    const base = blob.baseId === undefined ? 0 : hasBase;
    const code = blob.kind | (blob.encoding << 8) | base;
    for (const field of [packNo, ordinal, blob.offset, blob.length, blob.rawLength, code]) {
      at = buffer.writeUInt32LE(field, at);
    }
    if (blob.baseId !== undefined) {
      writeBase(buffer, at, blob);
      at += baseBytes;
    }
    range.used = at;
  }

  #writeOut(range: Range): void {
    for (let done = 0; done < range.used; ) {
      const [left, place] = [range.used - done, this.#end + done];
      done += this.#orFail(() => writeSync(this.#file, range.buffer, done, left, place));
    }
    range.pieces.push(this.#end, range.used);
    this.#end += range.used;
    range.used = 0;
  }

  /** Adds the rows of a range to `rows`, which may write some of them; once for each range. */
  takeRange(number: number, rows: BlobRows): void {
    const range = this.#ranges[number] as Range;
    if (range.used > 0) this.#writeOut(range);
    const { buffer, pieces } = range;
    for (let at = 0; at < pieces.length; at += 2) {
      const [place = 0, length = 0] = pieces.slice(at, at + 2);
      for (let done = 0; done < length; ) {
        const read = () => readSync(this.#file, buffer, done, length - done, place + done);
        const count = this.#orFail(read);
        if (count === 0) throw tooShort();
        done += count;
      }
      addRows(buffer.subarray(0, length), rows);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}

function tooShort(): VarveError {
  return new VarveError("cache-failed", "A temporary file of the cache is shorter than written.", {
    hint: "Look for faults of the disk, or name another folder by --cache-dir.",
  });
}

function addRows(bytes: Buffer, rows: BlobRows): void {
  for (let at = 0; at < bytes.length; ) {
    const field = (number: number) => bytes.readUInt32LE(at + idBytes + number * 4);
    const code = field(5);
    const plain = {
      offset: field(2),
      length: field(3),
      rawLength: field(4),
      kind: code & 0xff,
      encoding: (code >> 8) & 0xff,
    };
    const isOnBase = (code & hasBase) !== 0;
    const base = bytes.subarray(at + rowBytes, at + rowBytes + baseBytes);
    const blob = isOnBase ? { ...plain, ...readBase(base) } : plain;
    rows.add(bytes.subarray(at, at + idBytes), field(0), field(1), blob);
    at += rowBytes + (isOnBase ? baseBytes : 0);
  }
}
