/**
 * The beginning of a pack: header, cipher, and the wrapped key of the pack (format.md, "Packs").
 * Blobs follow at once. Only the shape is known here, not the wrapping.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import { type CipherSuite, isCipherSuite } from "../../base/cipher-suite.ts";
import { invariant } from "../../base/errors.ts";
import { futureError, ObjectKind, readHeader, writeHeader } from "./header.ts";
import { wrapBytesMax } from "./limits.ts";

/** Ways in which a pack key, or a small object's key, is wrapped. */
export const WrapMethod = {
  /** With a symmetric key of the repository. */
  symmetric: 1,
  /** Reserved: sealed to the public key of the owner, for the writer role. */
  publicKey: 2,
} as const;

export interface PackHeader {
  readonly cipher: CipherSuite;
  readonly wrapMethod: number;
  readonly wrap: Uint8Array;
}

/** Bytes before the wrap; they are the associated data of the wrap. */
export const packPrefixBytes = 12;

/** Nonce, key, tag. */
export const symmetricWrapBytes = 24 + 32 + 16;

/** The 12 bytes before a wrap of this length. */
export function encodePackPrefix(
  cipher: CipherSuite,
  wrapMethod: number,
  wrapLength: number,
): Uint8Array {
  invariant(wrapLength <= wrapBytesMax, "a wrap fits its length field");
  const writer = writeHeader(new ByteWriter(packPrefixBytes), ObjectKind.pack);
  return writer.u8(cipher).u8(wrapMethod).u16(wrapLength).finish();
}

export function encodePackHeader(header: PackHeader): Uint8Array {
  const { cipher, wrapMethod, wrap } = header;
  return new ByteWriter(packPrefixBytes + wrap.length)
    .bytes(encodePackPrefix(cipher, wrapMethod, wrap.length))
    .bytes(wrap)
    .finish();
}

/** Bytes of header and wrap, that is, the offset of the first blob. */
export function packHeaderBytes(header: PackHeader): number {
  return packPrefixBytes + header.wrap.length;
}

/** Reads the 12 bytes before the wrap. */
export function decodePackPrefix(reader: ByteReader): {
  cipher: CipherSuite;
  wrapMethod: number;
  wrapLength: number;
} {
  readHeader(reader, ObjectKind.pack);
  return { cipher: readCipher(reader), wrapMethod: reader.u8(), wrapLength: reader.u16() };
}

/** From bytes that begin a pack and hold at least header and wrap; `wrap` is a view on them. */
export function decodePackHeader(bytes: Uint8Array): PackHeader {
  const reader = new ByteReader(bytes, "pack");
  const { cipher, wrapMethod, wrapLength } = decodePackPrefix(reader);
  return { cipher, wrapMethod, wrap: reader.bytes(wrapLength) };
}

export function readCipher(reader: ByteReader): CipherSuite {
  const cipher = reader.u8();
  if (cipher === 0) throw reader.damaged("it names no cipher");
  if (!isCipherSuite(cipher)) throw futureError(`cipher ${cipher}`);
  return cipher;
}
