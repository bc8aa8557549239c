/**
 * What a walk yields, as bytes, so that it goes from thread to thread without an object for each
 * entry: the writer fills an area of memory with records, the reader stands at one of them at a
 * time and reads what it is asked for. Both run on one machine; nothing of this is stored.
 *
 * A record begins at a multiple of 8 and has a head of fixed fields (`at`), the key, and for all
 * but files a detail: link target, extended attributes, and what hindered reading them. Owners are
 * numbers; names come from who reads, since the system's look-up is for the main thread only.
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import type { EntryType, Stamp, Xattr } from "../base/entry.ts";
import type { CatalogKey, RawPath } from "../base/raw-path.ts";
import type { OwnerLookup } from "./entry-maker.ts";
import type { SourceEntry, WalkItem, WalkProblem } from "./source-entry.ts";

/** Of the fields in a record's head, in bytes. Times, inode and what follows are little-endian. */
const at = {
  length: 0,
  type: 4,
  flags: 5,
  mode: 6,
  size: 8,
  mtime: 16,
  ctime: 24,
  inode: 32,
  uid: 40,
  gid: 44,
  nlink: 48,
  device: 52,
  blocks: 56,
  rdevMajor: 64,
  rdevMinor: 68,
  keyLength: 72,
  detailLength: 76,
} as const;
const headBytes = 80;
/** In place of a type. */
const problemType = 0;
/** The upper halves of times that 64 bits do not hold stand before the detail. */
const flagWideTimes = 1;
const wideBytes = 16;

/** What there is of an entry that is no file beyond its metadata. */
export interface EntryDetail {
  readonly xattrs: readonly Xattr[];
  /** Symbolic links only. */
  readonly linkTarget?: RawPath;
  /** Attributes that could not be read. */
  readonly problems: readonly WalkProblem[];
  /** The entry cannot be taken: its link target cannot be read. */
  readonly failure?: { readonly code: string; readonly message: string };
}

export const noDetail: EntryDetail = { xattrs: [], problems: [] };

function encodeDetail({ xattrs, linkTarget, problems, failure }: EntryDetail): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(xattrs.length);
  for (const { name, value } of xattrs) {
    writer.u8(name.length).latin1(name).varint(value.length).bytes(value);
  }
  writer.u8(linkTarget === undefined ? 0 : 1);
  if (linkTarget !== undefined) writer.varint(linkTarget.length).latin1(linkTarget);
  const faults = problems.length === 0 && failure === undefined ? "" : { problems, failure };
  if (faults !== "") writer.bytes(Buffer.from(JSON.stringify(faults), "utf8"));
  return writer.view();
}

function decodeDetail(bytes: Uint8Array): EntryDetail {
  const reader = new ByteReader(bytes, "record of a walk");
  const xattrs: Xattr[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const name = reader.latin1(reader.u8());
    xattrs.push({ name, value: new Uint8Array(reader.bytes(reader.varint())) });
  }
  const hasTarget = reader.u8() === 1;
  const linkTarget = hasTarget ? (reader.latin1(reader.varint()) as RawPath) : undefined;
  const faults = reader.remaining === 0 ? '{"problems":[]}' : reader.utf8(reader.remaining);
  const { problems, failure } = JSON.parse(faults) as Pick<EntryDetail, "problems" | "failure">;
  return {
    xattrs,
    problems,
    ...(linkTarget === undefined ? {} : { linkTarget }),
    ...(failure === undefined ? {} : { failure }),
  };
}

const aligned = (length: number) => (length + 7) & ~7;
const none = new Uint8Array(0);

/** Fills stretches of a memory with records. */
export class WalkRecordWriter {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #start = 0;
  #end = 0;
  #next = 0;

  constructor(memory: ArrayBufferLike) {
    this.#bytes = Buffer.from(memory);
    this.#view = new DataView(memory);
  }

  /** Turns to `length` bytes at `offset`, a multiple of 8. */
  begin(offset: number, length: number): void {
    this.#start = offset;
    this.#next = offset;
    this.#end = offset + length;
  }

  /** Bytes written since `begin`. */
  get length(): number {
    return this.#next - this.#start;
  }

  /**
   * Adds an item; `detail` is that of an entry. False, and nothing added, where it does not fit:
   * `recordBytes` says what it would take.
   */
  add(item: WalkItem, detail: EntryDetail): boolean {
    return "problem" in item ? this.#addProblem(item.problem) : this.#addEntry(item, detail);
  }

  #addProblem(problem: WalkProblem): boolean {
    const text = Buffer.from(JSON.stringify(problem), "utf8");
    const start = this.#reserve(headBytes + text.length);
    if (start < 0) return false;
    this.#view.setUint8(start + at.type, problemType);
    this.#view.setUint32(start + at.detailLength, text.length, true);
    this.#bytes.set(text, start + headBytes);
    return true;
  }

  #addEntry(entry: SourceEntry, detail: EntryDetail): boolean {
    const { key, mtimeNs, ctimeNs } = entry;
    const bytes = detail === noDetail ? none : encodeDetail(detail);
    const isWide = isBeyond64Bits(mtimeNs) || isBeyond64Bits(ctimeNs);
    const wideLength = isWide ? wideBytes : 0;
    const start = this.#reserve(headBytes + key.length + wideLength + bytes.length);
    if (start < 0) return false;
    const view = this.#view;
    view.setUint8(start + at.type, entry.type);
    view.setUint8(start + at.flags, isWide ? flagWideTimes : 0);
    view.setUint16(start + at.mode, entry.mode, true);
    view.setFloat64(start + at.size, entry.size, true);
    view.setBigInt64(start + at.mtime, mtimeNs, true);
    view.setBigInt64(start + at.ctime, ctimeNs, true);
    view.setBigUint64(start + at.inode, entry.inode, true);
    view.setUint32(start + at.uid, entry.uid, true);
    view.setUint32(start + at.gid, entry.gid, true);
    view.setUint32(start + at.nlink, entry.nlink, true);
    view.setUint32(start + at.device, entry.deviceOrdinal, true);
    view.setFloat64(start + at.blocks, entry.blocks, true);
    view.setUint32(start + at.rdevMajor, entry.rdevMajor, true);
    view.setUint32(start + at.rdevMinor, entry.rdevMinor, true);
    view.setUint32(start + at.keyLength, key.length, true);
    view.setUint32(start + at.detailLength, bytes.length, true);
    this.#bytes.latin1Write(key, start + headBytes);
    const wideAt = start + headBytes + key.length;
    if (isWide) {
      view.setBigInt64(wideAt, mtimeNs >> 64n, true);
      view.setBigInt64(wideAt + 8, ctimeNs >> 64n, true);
    }
    if (bytes.length > 0) this.#bytes.set(bytes, wideAt + wideLength);
    return true;
  }

  /** Where a record of this length begins; -1 where there is no room for it. */
  #reserve(length: number): number {
    const start = this.#next;
    const end = start + aligned(length);
    if (end > this.#end) return -1;
    this.#view.setUint32(start + at.length, end - start, true);
    this.#next = end;
    return start;
  }
}

const isBeyond64Bits = (time: bigint) => BigInt.asIntN(64, time) !== time;

/** Bytes that the record of this item takes at most. */
export function recordBytes(item: WalkItem, detail: EntryDetail): number {
  if ("problem" in item) return aligned(headBytes + 3 * JSON.stringify(item.problem).length);
  return aligned(headBytes + item.key.length + wideBytes + encodeDetail(detail).length);
}

/**
 * Stands at one record at a time and shows its entry. The fields are those of the present record:
 * `entry` copies them.
 */
export class WalkRecords implements SourceEntry, Stamp {
  readonly #owners: OwnerLookup;
  #bytes: Buffer = Buffer.alloc(0);
  stampView: DataView = new DataView(new ArrayBuffer(0));
  /** Where the present record begins. */
  #start = 0;
  #next = 0;
  #end = 0;
  #key: CatalogKey | undefined;

  constructor(owners: OwnerLookup) {
    this.#owners = owners;
  }

  /** Turns to `length` bytes of records at `offset`, before the first of them. */
  begin(memory: ArrayBufferLike, offset: number, length: number): void {
    if (memory !== this.stampView.buffer) {
      this.#bytes = Buffer.from(memory);
      this.stampView = new DataView(memory);
    }
    this.#next = offset;
    this.#end = offset + length;
  }

  /** Goes to the next record; false after the last. */
  next(): boolean {
    if (this.#next >= this.#end) return false;
    this.#start = this.#next;
    this.#next += this.#u32(at.length);
    this.#key = undefined;
    return true;
  }

  get stampAt(): number {
    return this.#start + at.mtime;
  }

  #u32(offset: number): number {
    return this.stampView.getUint32(this.#start + offset, true);
  }

  get isProblem(): boolean {
    return this.stampView.getUint8(this.#start + at.type) === problemType;
  }

  /** Of a record that is one. */
  problem(): WalkProblem {
    const from = this.#start + headBytes;
    const text = this.#bytes.utf8Slice(from, from + this.#u32(at.detailLength));
    return JSON.parse(text) as WalkProblem;
  }

  get key(): CatalogKey {
    const from = this.#start + headBytes;
    this.#key ??= this.#bytes.latin1Slice(from, from + this.#u32(at.keyLength)) as CatalogKey;
    return this.#key;
  }

  get type(): EntryType {
    return this.stampView.getUint8(this.#start + at.type) as EntryType;
  }

  get mode(): number {
    return this.stampView.getUint16(this.#start + at.mode, true);
  }

  get size(): number {
    return this.stampView.getFloat64(this.#start + at.size, true);
  }

  get uid(): number {
    return this.#u32(at.uid);
  }

  get gid(): number {
    return this.#u32(at.gid);
  }

  get user(): string {
    return this.#owners.user(this.uid);
  }

  get group(): string {
    return this.#owners.group(this.gid);
  }

  get nlink(): number {
    return this.#u32(at.nlink);
  }

  get deviceOrdinal(): number {
    return this.#u32(at.device);
  }

  get blocks(): number {
    return this.stampView.getFloat64(this.#start + at.blocks, true);
  }

  get rdevMajor(): number {
    return this.#u32(at.rdevMajor);
  }

  get rdevMinor(): number {
    return this.#u32(at.rdevMinor);
  }

  get inode(): bigint {
    return this.stampView.getBigUint64(this.#start + at.inode, true);
  }

  get mtimeNs(): bigint {
    return this.#time(at.mtime, 0);
  }

  get ctimeNs(): bigint {
    return this.#time(at.ctime, 8);
  }

  /** The times are not those of the stamp, which has the lower 64 bits of them only. */
  get hasWideTimes(): boolean {
    return this.stampView.getUint8(this.#start + at.flags) === flagWideTimes;
  }

  #time(offset: number, wideOffset: number): bigint {
    const time = this.stampView.getBigInt64(this.#start + offset, true);
    if (!this.hasWideTimes) return time;
    const wideAt = this.#start + headBytes + this.#u32(at.keyLength) + wideOffset;
    return (this.stampView.getBigInt64(wideAt, true) << 64n) | BigInt.asUintN(64, time);
  }

  /** A lasting copy. */
  entry(): SourceEntry {
    return {
      key: this.key,
      type: this.type,
      mode: this.mode,
      uid: this.uid,
      gid: this.gid,
      user: this.user,
      group: this.group,
      mtimeNs: this.mtimeNs,
      ctimeNs: this.ctimeNs,
      inode: this.inode,
      size: this.size,
      nlink: this.nlink,
      deviceOrdinal: this.deviceOrdinal,
      blocks: this.blocks,
      rdevMajor: this.rdevMajor,
      rdevMinor: this.rdevMinor,
    };
  }

  /** Of an entry that is no file; a copy. */
  detail(): EntryDetail {
    const length = this.#u32(at.detailLength);
    if (length === 0) return noDetail;
    const wideLength = this.hasWideTimes ? wideBytes : 0;
    const from = this.#start + headBytes + this.#u32(at.keyLength) + wideLength;
    return decodeDetail(this.#bytes.subarray(from, from + length));
  }
}
