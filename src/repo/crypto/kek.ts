/**
 * From what a user holds to the key that opens a key slot (format.md, "Key slots"): a passphrase
 * goes through Argon2id (RFC 9106), a key file's 256 random bits need only a keyed hash.
 * Whoever calls bounds the Argon2id parameters first: they come from the store.
 */
import { asBuffer, bytesEqual } from "../../base/bytes.ts";
import type { Random } from "../../base/clock.ts";
import { VarveError } from "../../base/errors.ts";
import { fromHex, toHex } from "../../base/ids.ts";
import { blake3, KeyedHash } from "./hash.ts";

/** What unlocks a key slot. */
export type Secret =
  | { readonly kind: "passphrase"; readonly text: string }
  /** The 32 bytes of a key file. */
  | { readonly kind: "key"; readonly bytes: Uint8Array };

export interface KdfParameters {
  readonly memoryKib: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** Second choice of RFC 9106 (64 MiB, 3 passes), with one lane: WebAssembly has one thread. */
export const kdfDefaults: KdfParameters = { memoryKib: 64 * 1024, passes: 3, parallelism: 1 };

/** Bytes of a key file's secret, and of a slot's salt. */
export const keyFileBytes = 32;
export const saltBytes = 32;

/**
 * 32 bytes from the passphrase's UTF-8 in normal form C, so that all keyboards spell it alike.
 * `password-missing` when it is empty.
 */
export async function passphraseKek(
  text: string,
  salt: Uint8Array,
  parameters: KdfParameters,
): Promise<Uint8Array> {
  if (text === "") {
    throw new VarveError("password-missing", "An empty password opens nothing.", {
      hint: "Give a password or a key file.",
    });
  }
  // Key files do without it, and it takes longer to load than a short command takes to run.
  const { argon2id } = await import("hash-wasm");
  return argon2id({
    password: Buffer.from(text.normalize("NFC"), "utf8"),
    salt,
    memorySize: parameters.memoryKib,
    iterations: parameters.passes,
    parallelism: parameters.parallelism,
    hashLength: 32,
    outputType: "binary",
  });
}

/** 32 bytes: keyed BLAKE3 of the salt under the key file's secret. */
export function keyFileKek(secret: Uint8Array, salt: Uint8Array): Uint8Array {
  return new KeyedHash(secret).digest(salt);
}

const keyFilePattern = /^varve-key-v1:([0-9a-f]{64}):([0-9a-f]{8})$/;

function checkOf(secret: Uint8Array): Uint8Array {
  return blake3(secret).subarray(0, 4);
}

export function newKeyFileSecret(random: Random): Secret {
  return { kind: "key", bytes: random(keyFileBytes) };
}

/** The one line of a key file, without its line end. `secret`: 32 bytes. */
export function formatKeyFile(secret: Uint8Array): string {
  return `varve-key-v1:${toHex(secret)}:${toHex(checkOf(secret))}`;
}

/**
 * A password as the user gave it, wherever it came from; a text that looks like a key file's line
 * is one. `password-wrong` when such a line was misspelt.
 */
export function parseSecret(text: string): Secret {
  const match = keyFilePattern.exec(text.trim());
  if (match === null) return { kind: "passphrase", text };
  const bytes = asBuffer(fromHex(match[1] as string));
  if (bytesEqual(checkOf(bytes), fromHex(match[2] as string))) return { kind: "key", bytes };
  throw new VarveError("password-wrong", "The key's check digits do not fit: it was changed.", {
    hint: "Copy the key file again, whole.",
  });
}
