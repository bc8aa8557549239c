/**
 * Sealing of small objects (key slots, pack key wraps, snapshots, leases) with XChaCha20-Poly1305:
 * its nonce of 24 bytes can be drawn at random for ever, so these need no counter.
 * Source: @noble/ciphers, draft-irtf-cfrg-xchacha.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { VarveError } from "../../base/errors.ts";

/** Bytes of the nonce. */
export const smallNonceBytes = 24;

/** Ciphertext and tag, a new array. `key`: 32 bytes; `nonce`: 24, never used twice. */
export function sealSmall(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  return xchacha20poly1305(key, nonce, aad).encrypt(plaintext);
}

/** The plaintext, or undefined when key, nonce, bytes or associated data do not belong together. */
export function tryOpenSmall(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, nonce, aad).decrypt(sealed);
  } catch {
    return undefined;
  }
}

/** The plaintext; `object-damaged` when it does not open. `what` names the object in the error. */
export function openSmall(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
  what = "sealed object",
): Uint8Array {
  const plaintext = tryOpenSmall(key, nonce, sealed, aad);
  if (plaintext !== undefined) return plaintext;
  throw new VarveError("object-damaged", `Damaged ${what}: it does not open with its key.`, {
    hint: "Run `varve check` to see which snapshots are hurt.",
  });
}
