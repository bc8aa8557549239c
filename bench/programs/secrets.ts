/** The secrets of all programs, in the work folder: a key file in varve's form, a passphrase. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blake3 } from "hash-wasm";

export interface Secrets {
  readonly keyFile: string;
  readonly passphraseFile: string;
  readonly passphrase: string;
}

export async function writeSecrets(folder: string): Promise<Secrets> {
  const keyFile = join(folder, "data/key-file");
  const passphraseFile = join(folder, "data/passphrase");
  if (!existsSync(keyFile)) {
    const key = randomBytes(32);
    const check = (await blake3(key)).slice(0, 8);
    const phrase = createHash("sha256").update(key).digest("base64");
    writeFileSync(passphraseFile, `${phrase}\n`, { mode: 0o600 });
    writeFileSync(keyFile, `varve-key-v1:${key.toString("hex")}:${check}\n`, { mode: 0o600 });
  }
  return { keyFile, passphraseFile, passphrase: readFileSync(passphraseFile, "utf8").trim() };
}
