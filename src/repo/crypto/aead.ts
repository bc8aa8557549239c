/**
 * An AEAD under one key, as OpenSSL computes it; two neighbours do, with the same bytes: through
 * node:crypto (aead-node.ts), and by calling the OpenSSL that Node carries directly
 * (aead-openssl.ts; docs/decisions/0012-openssl-directly.md).
 */
import type { CipherSuite } from "../../base/cipher-suite.ts";
import { invariant } from "../../base/errors.ts";

const keyBytes = 32;
const nonceBytes = 12;

export interface Aead {
  /**
   * Writes ciphertext and tag into `target`, whose length is `plaintext.length + 16`; the
   * plaintext may lie at its very beginning, else not in it.
   */
  sealInto(target: Uint8Array, plaintext: Uint8Array, nonce: Uint8Array, aad: Uint8Array): void;
  /**
   * The plaintext as a new array on a buffer of its own; undefined when the tag, at the end of
   * `sealed`, is not that of the rest. It may instead lie at the beginning of `into`, which has
   * room for it; what `into` holds after a failure must not be used.
   */
  tryOpen(
    sealed: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    into?: Uint8Array,
  ): Uint8Array | undefined;
}

/** `key`: 32 bytes; copied. */
export type MakeAead = (suite: CipherSuite, key: Uint8Array) => Aead;

export function requireKey(key: Uint8Array): void {
  invariant(key.length === keyBytes, "a key of an AEAD has 32 bytes");
}

export function requireNonce(nonce: Uint8Array): void {
  invariant(nonce.length === nonceBytes, "a nonce of an AEAD has 12 bytes");
}
