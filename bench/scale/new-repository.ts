/** A new repository in the work folder of a run, with a key file. */
import { writeFileSync } from "node:fs";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import { streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import { formatKeyFile } from "../../src/repo/crypto/kek.ts";
import { initRepository, type Repository } from "../../src/repo/repository.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import type { ScaleRun } from "./scale-run.ts";

/** Replaces the one that is there; the caller closes it. Its cache is one of its own. */
export async function newRepository(run: ScaleRun): Promise<Repository> {
  const secret = systemRandom(32);
  const host = { hostname: "bench", user: "", pid: process.pid, bootId: "" };
  run.emptyPath("cache");
  const repo = await initRepository({
    store: new LocalStore(run.emptyPath("repository"), { create: true }),
    cacheDir: run.emptyPath("cache-of-the-maker"),
    clock: systemClock,
    random: systemRandom,
    host: { ...host, isProcessGone: () => false },
    secret: { kind: "key", bytes: secret },
    label: "bench",
    settings: {
      cipher: "aes-256-gcm",
      chunkers: { tree: treeProfile, stream: streamProfile },
      pack: { bytes: 16 << 20, padding: false },
    },
  });
  writeFileSync(run.keyFile, `${formatKeyFile(secret)}\n`);
  return repo;
}
