/** Repositories for tests: quick to make (key file, no Argon2id), small packs, any store. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import type { Host } from "../../src/base/host.ts";
import { streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import type { Secret } from "../../src/repo/crypto/kek.ts";
import { initRepository, openRepository, type Repository } from "../../src/repo/repository.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import type { Store } from "../../src/repo/store/store.ts";

export const testSecret: Secret = { kind: "key", bytes: Buffer.alloc(32, 7) };

export const testHost: Host = {
  hostname: "testhost",
  user: "tester",
  pid: process.pid,
  bootId: "boot-1",
  isProcessGone: () => false,
};

export interface TestRepositoryOptions {
  readonly store?: Store;
  readonly packBytes?: number;
  readonly host?: Host;
  readonly chunkers?: { tree: typeof treeProfile; stream: typeof streamProfile };
}

/** A temporary folder that `use` works in; removed afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "varve-test-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function contextOf(folder: string, options: TestRepositoryOptions) {
  return {
    store: options.store ?? new LocalStore(join(folder, "repository"), { create: true }),
    cacheDir: join(folder, "cache"),
    clock: systemClock,
    random: systemRandom,
    host: options.host ?? testHost,
    secret: testSecret,
  };
}

export function makeRepository(
  folder: string,
  options: TestRepositoryOptions = {},
): Promise<Repository> {
  return initRepository({
    ...contextOf(folder, options),
    label: "test",
    settings: {
      cipher: "aes-256-gcm",
      chunkers: options.chunkers ?? { tree: treeProfile, stream: streamProfile },
      pack: { bytes: options.packBytes ?? 1024 * 1024, padding: false },
    },
  });
}

export function reopenRepository(
  folder: string,
  options: TestRepositoryOptions & { readonly freshCache?: boolean } = {},
): Promise<Repository> {
  const { freshCache = false } = options;
  return openRepository({ ...contextOf(folder, options), freshCache });
}
