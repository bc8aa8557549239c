/**
 * Sealing of blobs, pack tables and index objects with AES-256-GCM or ChaCha20-Poly1305 through
 * OpenSSL. The caller sees to it that a nonce is never used twice under a key; a pack does so with
 * a key of its own and the blob's offset (format.md, "Packs"). Works on views of shared memory.
 */
import { type CipherSuite, tagBytes } from "../../base/cipher-suite.ts";
import { invariant, VarveError } from "../../base/errors.ts";
import type { Aead, MakeAead } from "./aead.ts";
import { nodeAead } from "./aead-node.ts";
import { findDirectAead } from "./aead-openssl.ts";

export type AeadWay = "direct" | "node";

/** This thread's; looked for at first use, as a short command seals nothing with it. */
let makeAead: MakeAead | undefined;

/** Chooses the way for ciphers made from now on in this thread; for tests. */
export function chooseAead(way: AeadWay): void {
  const chosen = way === "node" ? nodeAead : findDirectAead();
  invariant(chosen !== undefined, "OpenSSL's own functions are not there");
  makeAead = chosen;
}

export class BulkCipher {
  readonly cipher: CipherSuite;
  readonly #aead: Aead;

  /** `key`: 32 bytes; copied. */
  constructor(cipher: CipherSuite, key: Uint8Array) {
    this.cipher = cipher;
    makeAead ??= findDirectAead() ?? nodeAead;
    this.#aead = makeAead(cipher, key);
  }

  /**
   * Writes ciphertext and tag into `target` at `at` and returns their length, that is
   * `plaintext.length + 16`. `plaintext` may lie in the very place that is written to.
   */
  sealInto(
    target: Uint8Array,
    at: number,
    plaintext: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
  ): number {
    const length = plaintext.length + tagBytes;
    invariant(at + length <= target.length, "there is room for what is sealed");
    this.#aead.sealInto(target.subarray(at, at + length), plaintext, nonce, aad);
    return length;
  }

  /** Ciphertext and tag as a new array. */
  seal(plaintext: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(plaintext.length + tagBytes);
    this.sealInto(sealed, 0, plaintext, nonce, aad);
    return sealed;
  }

  /**
   * The plaintext as a new array, or undefined when these do not belong together. It may instead
   * lie at the beginning of `into`, which has room for it.
   */
  tryOpen(
    sealed: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    into?: Uint8Array,
  ): Uint8Array | undefined {
    return sealed.length < tagBytes ? undefined : this.#aead.tryOpen(sealed, nonce, aad, into);
  }

  /** The plaintext as a new array; `blob-damaged` when it does not open. */
  open(sealed: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Uint8Array {
    const plaintext = this.tryOpen(sealed, nonce, aad);
    if (plaintext !== undefined) return plaintext;
    throw new VarveError("blob-damaged", "A blob does not open with its key.", {
      hint: "Run `varve check --read-data` to see what is hurt.",
    });
  }
}
