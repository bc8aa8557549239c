/** The published fixtures, and copies of them to work on. */
import { cpSync, readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import { parseSecret, type Secret } from "../../src/repo/crypto/kek.ts";
import { openRepository, type Repository } from "../../src/repo/repository.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { removeTree } from "../helpers/file-fixtures.ts";
import { testHost } from "../helpers/test-repository.ts";
import { checkout } from "../tidy/source-text.ts";
import type { JsonObject } from "./reader-bytes.ts";

const fixtures = join(checkout(), "test/fixtures");
export const goldenFolder = join(fixtures, "format-v1");
export const damagedFolder = join(fixtures, "damaged-v1");
export const goldenNames = ["aes-256-gcm", "chacha20-poly1305"] as const;
export type GoldenName = (typeof goldenNames)[number];

const line = (name: string) => readFileSync(join(goldenFolder, name), "utf8").trim();
export const goldenPassphrase = line("passphrase.txt");
/** A key file's line, which a password field takes as well. */
export const goldenKey = line("key-file.txt");

export function expectedOf(name: GoldenName): JsonObject {
  const text = readFileSync(join(goldenFolder, name, "expected.json"), "utf8");
  return JSON.parse(text) as JsonObject;
}

export const originalOf = (name: GoldenName) => join(goldenFolder, name, "repository");

/** A copy of a golden repository, and a folder for what else a test makes. */
export async function withGolden<T>(
  name: GoldenName,
  use: (repository: string, work: string) => Promise<T>,
): Promise<T> {
  const work = await mkdtemp(join(tmpdir(), "varve-golden-"));
  try {
    const repository = join(work, "repository");
    cpSync(originalOf(name), repository, { recursive: true });
    return await use(repository, work);
  } finally {
    removeTree(work);
  }
}

export function openGolden(
  repository: string,
  work: string,
  secret: Secret = parseSecret(goldenKey),
): Promise<Repository> {
  return openRepository({
    store: new LocalStore(repository),
    cacheDir: join(work, "cache"),
    clock: systemClock,
    random: systemRandom,
    host: testHost,
    secret,
  });
}
