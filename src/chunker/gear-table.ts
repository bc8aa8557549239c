/**
 * The gear table: a secret 64-bit value for each byte value.
 *
 * The hash before position p is the sum over i = 1..64 of gear[byte p-i] << (i-1), modulo 2^64:
 * shift left by one and add for each byte, so a byte is gone after 64 more. Which chunk lengths a
 * file gets depends on the table, so an observer of stored sizes cannot recognise known files
 * without the chunker secret. (Lengths still leak something: docs on the threat model say what.)
 *
 * This module does no cryptography: the caller expands the chunker secret.
 */
import { invariant } from "../base/errors.ts";

declare const brand: unique symbol;
/** 256 little-endian 64-bit values. A secret. */
export type GearTable = Uint8Array & { readonly [brand]: "gear-table" };

export const gearTableBytes = 2048;

/**
 * `material`: 2048 pseudorandom bytes that depend on the chunker secret only: the 32-byte blocks
 * i = 0..63 of keyed BLAKE3(chunker secret, "varve v1 gear <i>"), made by repo/crypto. Copied.
 */
export function gearTableFromBytes(material: Uint8Array): GearTable {
  invariant(material.length === gearTableBytes, `gear material of ${material.length} bytes`);
  return Uint8Array.from(material) as GearTable;
}
