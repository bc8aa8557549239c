/**
 * The table of a pack's blobs, the trailer that says where it is, and the nonces and associated
 * data that go with a blob (format.md, "Packs"). The same table, byte for byte, is in the pack
 * (sealed) and in index objects. Offsets are not stored: blobs lie back to back in table order.
 */
import { ByteReader, ByteWriter, bytesEqual } from "../../base/bytes.ts";
import { CipherSuite, tagBytes } from "../../base/cipher-suite.ts";
import { invariant, VarveError } from "../../base/errors.ts";
import { type BlobId, idBytes } from "../../base/ids.ts";
import { formatVersion, futureError } from "./header.ts";
import { blobBytesMax, packBlobsMax, packBytesMax } from "./limits.ts";

export { CipherSuite };

export const BlobKind = { data: 1, catalog: 2, list: 3 } as const;
export type BlobKind = (typeof BlobKind)[keyof typeof BlobKind];

export const Encoding = {
  raw: 0,
  zstd: 1,
  /** zstd with another blob's plaintext as its dictionary. */
  zstdOnBase: 2,
} as const;
export type Encoding = (typeof Encoding)[keyof typeof Encoding];

/** What associated data binds a sealed blob to. */
export interface BlobFacts {
  readonly kind: BlobKind;
  readonly encoding: Encoding;
  /** 32 bytes. */
  readonly id: BlobId;
  /** Bytes of the plaintext. */
  readonly rawLength: number;
  /** With encoding 2 only: the base, of the same kind. */
  readonly baseId?: BlobId;
  /** With encoding 2 only: 1 to 255; how many of its bits are set is the copy's depth. */
  readonly generation?: number;
}

export const generationMax = 255;
/** Blobs that a copy stands on, one on the other, at most. */
export const depthMax = 4;

function bitCount(byte: number): number {
  let count = 0;
  for (let left = byte; left !== 0; left &= left - 1) count++;
  return count;
}

/** Whether a copy on a base may be of this generation. */
export function isGeneration(generation: number): boolean {
  return generation >= 1 && generation <= generationMax && bitCount(generation) <= depthMax;
}

/** Of a copy: a base of it is of less depth, so that no copy ever stands on itself. */
export function depthOf({ generation = 0 }: Pick<BlobFacts, "generation">): number {
  return bitCount(generation);
}

export interface PackTableEntry extends BlobFacts {
  /** Where the sealed blob begins in the pack. */
  readonly offset: number;
  /** Stored bytes, tag included. */
  readonly length: number;
}

/** Largest entry of a table. */
export const tableEntryBytesMax = 1 + idBytes + 4 + 4 + idBytes + 1;
/** Smallest one. */
const tableEntryBytesMin = 1 + idBytes + 1 + 1;
/** Largest plaintext of a table. */
export const tableBytesMax = 4 + packBlobsMax * tableEntryBytesMax;

export const trailerBytes = 16;
const trailerMagic = "VEND";

/** Associated data of a sealed table. */
export const tableAad: Uint8Array = Buffer.from("varve pack table", "latin1");

/** Largest number of bytes that `count` blobs take in a table. */
export function tableBytesBound(count: number): number {
  return 4 + count * tableEntryBytesMax;
}

export function writePackTable(writer: ByteWriter, entries: readonly PackTableEntry[]): void {
  if (entries.length > packBlobsMax) {
    throw new VarveError("limit-exceeded", `A pack cannot hold ${entries.length} blobs.`);
  }
  writer.varint(entries.length);
  for (const entry of entries) writeTableEntry(writer, entry);
}

/** Of a table these follow the number of blobs; `length`: stored bytes, tag included. */
export function writeTableEntry(writer: ByteWriter, entry: BlobFacts & { length: number }): void {
  writer.u8(entry.kind | (entry.encoding << 4)).bytes(entry.id);
  writer.varint(entry.length).varint(entry.rawLength);
  if (entry.baseId !== undefined) writer.bytes(entry.baseId).u8(generationOf(entry));
}

function generationOf({ generation }: BlobFacts): number {
  invariant(generation !== undefined && isGeneration(generation), "what has a base says how deep");
  return generation;
}

export function encodePackTable(entries: readonly PackTableEntry[]): Uint8Array {
  const writer = new ByteWriter(Math.min(1 << 16, tableBytesBound(entries.length)));
  writePackTable(writer, entries);
  return writer.finish();
}

/** Reads a table; ids are views on the reader's bytes. `firstOffset`: where the blobs begin. */
export function readPackTable(reader: ByteReader, firstOffset: number): PackTableEntry[] {
  const count = reader.varint(packBlobsMax);
  if (count * tableEntryBytesMin > reader.remaining) throw reader.damaged("it ends too early");
  const entries: PackTableEntry[] = [];
  let offset = firstOffset;
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader, offset);
    offset += entry.length;
    if (offset > packBytesMax) throw reader.damaged("its blobs are larger than a pack can be");
    entries.push(entry);
  }
  return entries;
}

export function decodePackTable(bytes: Uint8Array, firstOffset: number): PackTableEntry[] {
  const reader = new ByteReader(bytes, "pack table");
  const entries = readPackTable(reader, firstOffset);
  reader.end();
  return entries;
}

function readEntry(reader: ByteReader, offset: number): PackTableEntry {
  const code = reader.u8();
  const kind = code & 15;
  const encoding = code >> 4;
  if (kind === 0) throw reader.damaged("a blob is of no kind");
  if (kind > BlobKind.list) throw futureError(`blob kind ${kind}`);
  if (encoding > Encoding.zstdOnBase) throw futureError(`blob encoding ${encoding}`);
  const id = reader.bytes(idBytes);
  const length = reader.varint(blobBytesMax + tagBytes);
  const rawLength = reader.varint(blobBytesMax);
  checkLengths(reader, encoding, length - tagBytes, rawLength);
  return encoding === Encoding.zstdOnBase
    ? withBase(reader, kind as BlobKind, id, rawLength, offset, length)
    : { kind: kind as BlobKind, encoding: encoding as Encoding, id, rawLength, offset, length };
}

function withBase(
  reader: ByteReader,
  kind: BlobKind,
  id: BlobId,
  rawLength: number,
  offset: number,
  length: number,
): PackTableEntry {
  const baseId = reader.bytes(idBytes);
  if (bytesEqual(baseId, id)) throw reader.damaged("a blob is its own base");
  const generation = reader.u8();
  if (!isGeneration(generation)) throw reader.damaged(`a blob is of generation ${generation}`);
  const encoding = Encoding.zstdOnBase;
  return { kind, encoding, id, rawLength, offset, length, baseId, generation };
}

/** A blob is stored raw when compression does not make it smaller, so lengths tell the encoding. */
function checkLengths(reader: ByteReader, encoding: number, encoded: number, raw: number): void {
  const isSound = encoding === Encoding.raw ? encoded === raw : encoded > 0 && encoded < raw;
  if (!isSound) throw reader.damaged(`a blob of ${raw} bytes cannot be stored in ${encoded}`);
}

export interface PackTrailer {
  readonly tableOffset: number;
  /** Sealed bytes, tag included. */
  readonly tableLength: number;
}

export function encodeTrailer(trailer: PackTrailer): Uint8Array {
  const writer = new ByteWriter(trailerBytes).u64(BigInt(trailer.tableOffset));
  return writer.u32(trailer.tableLength).latin1(trailerMagic).finish();
}

/** The last 16 bytes of a pack of `packSize` bytes; the table is known to lie within the pack. */
export function decodeTrailer(bytes: Uint8Array, packSize: number): PackTrailer {
  const reader = new ByteReader(bytes, "pack trailer");
  const tableOffset = Number(reader.u64());
  const tableLength = reader.u32();
  if (reader.latin1(4) !== trailerMagic) throw reader.damaged("it does not end with VEND");
  reader.end();
  const isWithin = tableOffset + tableLength + trailerBytes <= packSize;
  if (!isWithin || tableLength > tableBytesMax + tagBytes) {
    throw reader.damaged("its table lies outside the pack");
  }
  return { tableOffset, tableLength };
}

function nonce(domain: number, offset: number): Uint8Array {
  // From Node's pool: memory of its own for each blob is dear to make and to collect.
  const bytes = Buffer.allocUnsafe(12);
  bytes.writeUInt32LE(domain, 0);
  bytes.writeUInt32LE(offset % 2 ** 32, 4);
  bytes.writeUInt32LE(Math.floor(offset / 2 ** 32), 8);
  return bytes;
}

/** Nonce of the blob that begins at `offset`: offsets grow, so none repeats under a pack's key. */
export function blobNonce(offset: number): Uint8Array {
  return nonce(0, offset);
}

/** Nonce of the table; the first four bytes keep it apart from all blobs. */
export function tableNonce(offset: number): Uint8Array {
  return nonce(1, offset);
}

/** Associated data of a sealed blob: no other blob, kind, length or encoding can pass for it. */
export function blobAad(blob: BlobFacts): Uint8Array {
  const aad = Buffer.allocUnsafe(blob.baseId === undefined ? 39 : 72);
  aad[0] = formatVersion;
  aad[1] = blob.kind;
  aad[2] = blob.encoding;
  aad.writeUInt32LE(blob.rawLength, 3);
  aad.set(blob.id, 7);
  if (blob.baseId !== undefined) {
    aad.set(blob.baseId, 39);
    aad[71] = generationOf(blob);
  }
  return aad;
}
