/**
 * The outside of sealed objects: small ones (snapshot, session lease, tombstone, fence) and index
 * objects (format.md, "Small sealed objects", "Index"). What is inside, and how it is opened, is
 * for others.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import type { CipherSuite } from "../../base/cipher-suite.ts";
import { ObjectKind, readHeader, writeHeader } from "./header.ts";
import { indexBytesMax, smallObjectBytesMax } from "./limits.ts";
import { readCipher, WrapMethod } from "./pack-header.ts";

export type SmallObjectKind =
  | typeof ObjectKind.snapshot
  | typeof ObjectKind.session
  | typeof ObjectKind.tombstone
  | typeof ObjectKind.fence;

const nonceBytes = 24;
const saltBytes = 32;

export const kindNames: Readonly<Record<ObjectKind, string>> = {
  [ObjectKind.keySlot]: "key slot",
  [ObjectKind.pack]: "pack",
  [ObjectKind.index]: "index object",
  [ObjectKind.snapshot]: "snapshot",
  [ObjectKind.session]: "session lease",
  [ObjectKind.tombstone]: "tombstone",
  [ObjectKind.fence]: "fence",
};

export interface SmallEnvelope {
  readonly wrapMethod: number;
  /** Everything before the nonce: the first part of the associated data. */
  readonly prefix: Uint8Array;
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

/** The bytes before the nonce; with the symmetric method the wrap is empty. */
export function encodeSmallPrefix(kind: SmallObjectKind): Uint8Array {
  return writeHeader(new ByteWriter(16), kind).u8(WrapMethod.symmetric).u16(0).finish();
}

export function encodeSmallEnvelope(envelope: Omit<SmallEnvelope, "wrapMethod">): Uint8Array {
  return Buffer.concat([envelope.prefix, envelope.nonce, envelope.sealed]);
}

/** Parts are views on `bytes`. */
export function decodeSmallEnvelope(kind: SmallObjectKind, bytes: Uint8Array): SmallEnvelope {
  const reader = new ByteReader(bytes, kindNames[kind]);
  if (bytes.length > smallObjectBytesMax) throw reader.damaged("it is too large");
  readHeader(reader, kind);
  const wrapMethod = reader.u8();
  reader.bytes(reader.u16());
  const prefix = bytes.subarray(0, reader.offset);
  const nonce = reader.bytes(nonceBytes);
  return { wrapMethod, prefix, nonce, sealed: reader.bytes(reader.remaining) };
}

export interface IndexEnvelope {
  readonly cipher: CipherSuite;
  readonly salt: Uint8Array;
  /** Everything before the ciphertext: the associated data. */
  readonly prefix: Uint8Array;
  readonly sealed: Uint8Array;
}

/** An index object's key is its own, made from its salt, so one nonce does. */
export const indexNonce: Uint8Array = Buffer.alloc(12);

export function encodeIndexPrefix(cipher: CipherSuite, salt: Uint8Array): Uint8Array {
  const writer = writeHeader(new ByteWriter(8 + 1 + saltBytes), ObjectKind.index);
  return writer.u8(cipher).bytes(salt).finish();
}

/** Parts are views on `bytes`. */
export function decodeIndexEnvelope(bytes: Uint8Array): IndexEnvelope {
  const reader = new ByteReader(bytes, kindNames[ObjectKind.index]);
  if (bytes.length > indexBytesMax) throw reader.damaged("it is too large");
  readHeader(reader, ObjectKind.index);
  const cipher = readCipher(reader);
  const salt = reader.bytes(saltBytes);
  const prefix = bytes.subarray(0, reader.offset);
  return { cipher, salt, prefix, sealed: reader.bytes(reader.remaining) };
}
