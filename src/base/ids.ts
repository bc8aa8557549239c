/**
 * Identifiers. Object names and ids travel as lowercase hex strings with a brand each, so that one
 * cannot stand for another; in hot paths a blob id is its 32 bytes. Parsing happens here only.
 */
import { VarveError } from "./errors.ts";

declare const brand: unique symbol;
type Hex<Name extends string> = string & { readonly [brand]: Name };

/** BLAKE3 of a pack's stored bytes, 64 hex digits. */
export type PackId = Hex<"pack">;
/** BLAKE3 of an index object's stored bytes, 64 hex digits. */
export type IndexId = Hex<"index">;
/** BLAKE3 of a snapshot object's stored bytes, 64 hex digits. */
export type SnapshotId = Hex<"snapshot">;
/** Random, 32 hex digits. */
export type SessionId = Hex<"session">;
/** Random, 32 hex digits. */
export type TombstoneId = Hex<"tombstone">;
/** Random, 32 hex digits. */
export type KeySlotId = Hex<"key-slot">;
/** Random, 32 hex digits. */
export type RepositoryId = Hex<"repository">;

/** Keyed BLAKE3 of a blob's plaintext, 32 bytes. */
export type BlobId = Uint8Array;

export const idBytes = 32;
/** Of a blob id, what the cache keeps of it (docs/decisions/0004-short-ids-in-the-cache.md). */
export const shortIdBytes = 16;
export const randomIdBytes = 16;

const patterns = { 32: /^[0-9a-f]{32}$/, 64: /^[0-9a-f]{64}$/ } as const;

/** Whether `text` is `digits` lowercase hex digits. */
export function isHex(text: string, digits: 32 | 64): boolean {
  return patterns[digits].test(text);
}

function parse<T>(text: string, digits: 32 | 64, what: string): T {
  if (!isHex(text, digits)) {
    throw new VarveError("object-damaged", `"${text.slice(0, 80)}" is not a ${what} id.`, {
      hint: "Run `varve check`.",
    });
  }
  return text as T;
}

export const packId = (text: string): PackId => parse(text, 64, "pack");
export const indexId = (text: string): IndexId => parse(text, 64, "index");
export const snapshotId = (text: string): SnapshotId => parse(text, 64, "snapshot");
export const sessionId = (text: string): SessionId => parse(text, 32, "session");
export const tombstoneId = (text: string): TombstoneId => parse(text, 32, "tombstone");
export const keySlotId = (text: string): KeySlotId => parse(text, 32, "key slot");
export const repositoryId = (text: string): RepositoryId => parse(text, 32, "repository");

/** Lowercase hex of any bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** The bytes of lowercase hex that was checked before. */
export function fromHex(hex: string): Uint8Array {
  return Buffer.from(hex, "hex");
}
