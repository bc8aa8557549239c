/** A repository as `varve init` makes it, for a pass; packs that were put go away at once. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Random, systemClock, systemRandom } from "../../src/base/clock.ts";
import { streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import { packBytesDefault } from "../../src/cli/create-repository.ts";
import { initRepository, type Repository } from "../../src/repo/repository.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import type { StoreCallOptions } from "../../src/repo/store/store.ts";
import type { Meter } from "./meter.ts";

const host = {
  hostname: "bench",
  user: "bench",
  pid: process.pid,
  bootId: "bench",
  isProcessGone: () => false,
};

/** Measures what a put costs, and makes room for the next pack. */
class MeteredStore extends LocalStore {
  readonly #meter: Meter;

  constructor(root: string, meter: Meter) {
    super(root, { create: true });
    this.#meter = meter;
  }

  override async put(name: string, data: Uint8Array, options?: StoreCallOptions): Promise<void> {
    await this.#meter.wait("put", () => super.put(name, data, options));
    if (name.startsWith("packs/")) await this.#meter.wait("bench", () => this.delete(name));
  }
}

/** Also in `src/cli/create-repository.ts`, where it asks the same of the machine. */
function hasAes(): boolean {
  if (!existsSync("/proc/cpuinfo")) return true;
  return /^(?:flags|Features)\s*:.*\saes(\s|$)/m.test(readFileSync("/proc/cpuinfo", "latin1"));
}

/** In `folder`, which is emptied first. `random` makes the keys, and so the cuts. */
export function benchRepository(
  folder: string,
  meter: Meter,
  random: Random = systemRandom,
): Promise<Repository> {
  rmSync(folder, { recursive: true, force: true });
  return initRepository({
    store: new MeteredStore(join(folder, "repository"), meter),
    cacheDir: join(folder, "cache"),
    clock: systemClock,
    random,
    host,
    secret: { kind: "key", bytes: random(32) },
    label: "bench",
    settings: {
      cipher: hasAes() ? "aes-256-gcm" : "chacha20-poly1305",
      chunkers: { tree: treeProfile, stream: streamProfile },
      pack: { bytes: packBytesDefault, padding: false },
    },
  });
}
