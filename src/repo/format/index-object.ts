/**
 * The payload of an index object: which packs hold which blobs, and which older index objects it
 * replaces (format.md, "Index"). Decoding is lazy, a pack at a time, so that the largest index
 * object costs its bytes and one pack's records.
 */
import { ByteReader, type ByteWriter } from "../../base/bytes.ts";
import type { CipherSuite } from "../../base/cipher-suite.ts";
import { VarveError } from "../../base/errors.ts";
import {
  fromHex,
  type IndexId,
  idBytes,
  indexId,
  type PackId,
  packId,
  toHex,
} from "../../base/ids.ts";
import { indexPacksMax, packBytesMax, replacesMax } from "./limits.ts";
import { packPrefixBytes, readCipher } from "./pack-header.ts";
import {
  decodePackTable,
  encodePackTable,
  type PackTableEntry,
  readPackTable,
} from "./pack-table.ts";

export interface IndexPack {
  readonly pack: PackId;
  /** Bytes of the pack object. */
  readonly size: number;
  readonly cipher: CipherSuite;
  readonly wrapMethod: number;
  readonly wrap: Uint8Array;
  /** In pack order. */
  readonly blobs: readonly PackTableEntry[];
}

/**
 * The same with its blobs as they are in the index object: some 40 bytes each and not the 300 of
 * an object, for whoever holds the packs of a whole index object.
 */
export interface EncodedPack extends Omit<IndexPack, "blobs"> {
  readonly table: Uint8Array;
}

/** On memory of its own. */
export function encodePack({ blobs, wrap, ...pack }: IndexPack): EncodedPack {
  return { ...pack, wrap: Uint8Array.from(wrap), table: encodePackTable(blobs) };
}

/** Ids are views on the table. */
export function decodePack({ table, ...pack }: EncodedPack): IndexPack {
  return { ...pack, blobs: decodePackTable(table, packPrefixBytes + pack.wrap.length) };
}

export interface IndexContent {
  readonly replaces: readonly IndexId[];
  /** Read once, in order. */
  readonly packs: Iterable<IndexPack>;
}

/** Bytes of a pack record without its blobs, at least. */
const packRecordBytesMin = 32 + 1 + 1 + 1 + 2 + 1;
const varintBytesMax = 8;

export interface EncodedIndex {
  readonly replaces: readonly IndexId[];
  readonly packs: readonly EncodedPack[];
}

/** Bytes that `writeIndex` writes at most. */
export function indexBytesBound({ replaces, packs }: EncodedIndex): number {
  let bytes = 2 * varintBytesMax + replaces.length * idBytes;
  for (const { wrap, table } of packs) {
    bytes += idBytes + varintBytesMax + 4 + wrap.length + table.length;
  }
  return bytes;
}

export function writeIndex(writer: ByteWriter, { replaces, packs }: EncodedIndex): void {
  if (replaces.length > replacesMax || packs.length > indexPacksMax) {
    throw new VarveError("limit-exceeded", "An index object cannot name that many objects.", {
      hint: "Write several.",
      context: { replaces: replaces.length, packs: packs.length },
    });
  }
  writer.varint(replaces.length);
  for (const id of replaces) writer.bytes(fromHex(id));
  writer.varint(packs.length);
  for (const pack of packs) {
    writer.bytes(fromHex(pack.pack)).varint(pack.size).u8(pack.cipher);
    writer.u8(pack.wrapMethod).u16(pack.wrap.length).bytes(pack.wrap).bytes(pack.table);
  }
}

/**
 * `packs` decodes while it is read and throws `object-damaged` where the damage is; ids and wraps
 * are views on `bytes`.
 */
export function decodeIndex(bytes: Uint8Array): IndexContent {
  const reader = new ByteReader(bytes, "index object");
  const replaces = readIds(reader, replacesMax, indexId);
  const count = reader.varint(indexPacksMax);
  if (count * packRecordBytesMin > reader.remaining) throw reader.damaged("it ends too early");
  return { replaces, packs: readPacks(reader, count) };
}

function* readPacks(reader: ByteReader, count: number): Generator<IndexPack> {
  for (let i = 0; i < count; i++) yield readPack(reader);
  reader.end();
}

function readPack(reader: ByteReader): IndexPack {
  const pack = packId(toHex(reader.bytes(idBytes)));
  const size = reader.varint(packBytesMax);
  const cipher = readCipher(reader);
  const wrapMethod = reader.u8();
  const wrap = reader.bytes(reader.u16());
  const blobs = readPackTable(reader, packPrefixBytes + wrap.length);
  const last = blobs.at(-1);
  if (last !== undefined && last.offset + last.length > size) {
    throw reader.damaged(`pack ${pack} is smaller than its blobs`);
  }
  return { pack, size, cipher, wrapMethod, wrap, blobs };
}

/** A varint count, then ids of 32 bytes each. */
export function readIds<Id>(
  reader: ByteReader,
  countMax: number,
  brand: (hex: string) => Id,
): Id[] {
  const count = reader.varint(countMax);
  if (count * idBytes > reader.remaining) throw reader.damaged("it ends too early");
  return Array.from({ length: count }, () => brand(toHex(reader.bytes(idBytes))));
}
