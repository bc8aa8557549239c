/**
 * Where a test of snapshots works: a temporary folder with a source tree and caches, beside any
 * store. Several processes and hosts are several `open`s, each with a host and a cache of its own
 * choice.
 */
import fs from "node:fs";
import { dirname, join } from "node:path";
import { type Clock, systemRandom } from "../../src/base/clock.ts";
import type { Host } from "../../src/base/host.ts";
import { streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import type { Secret } from "../../src/repo/crypto/kek.ts";
import { initRepository, openRepository, type Repository } from "../../src/repo/repository.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import type { Store } from "../../src/repo/store/store.ts";
import { TestClock } from "./snapshot-runs.ts";
import { standStillAbove } from "./still-folders.ts";
import { testHost, testSecret, withFolder } from "./test-repository.ts";

export interface PlaceOptions {
  readonly store?: Store;
  readonly packBytes?: number;
  /** Where chunks are cut; random when not given. */
  readonly chunkerSecret?: Uint8Array;
}

export interface ProcessOptions {
  readonly store?: Store;
  /** A name for a cache; the same name, the same cache. */
  readonly cache?: string;
  readonly host?: Host;
  readonly clock?: Clock;
  readonly secret?: Secret;
  readonly freshCache?: boolean;
}

/** A process of the test's machine; `isGone` says which others are no more. */
export function hostOf(pid: number, isGone: (pid: number) => boolean = () => false): Host {
  return { ...testHost, pid, isProcessGone: isGone };
}

export class Place {
  readonly folder: string;
  /** The source tree; the folders above it stand still (still-folders.ts). */
  readonly root: string;
  readonly store: Store;
  readonly clock = new TestClock();
  readonly #packBytes: number;
  readonly #chunkerSecret: Uint8Array | undefined;

  constructor(folder: string, options: PlaceOptions = {}) {
    this.folder = folder;
    this.root = join(folder, "source");
    this.store = options.store ?? new MemoryStore();
    this.#packBytes = options.packBytes ?? 1024 * 1024;
    this.#chunkerSecret = options.chunkerSecret;
    fs.mkdirSync(this.root);
    standStillAbove(this.root);
  }

  cacheDir(name = "cache"): string {
    return join(this.folder, name);
  }

  at(path: string): string {
    return join(this.root, path);
  }

  /** Writes a file of the source tree, and the folders above it. */
  write(path: string, content: string | Uint8Array): void {
    fs.mkdirSync(dirname(this.at(path)), { recursive: true });
    fs.writeFileSync(this.at(path), content);
  }

  #context(options: ProcessOptions) {
    return {
      store: options.store ?? this.store,
      cacheDir: this.cacheDir(options.cache),
      clock: options.clock ?? this.clock,
      random: systemRandom,
      host: options.host ?? testHost,
      secret: options.secret ?? testSecret,
    };
  }

  init(options: ProcessOptions = {}): Promise<Repository> {
    return initRepository({
      ...this.#context(options),
      label: "test",
      ...(this.#chunkerSecret === undefined ? {} : { chunkerSecret: this.#chunkerSecret }),
      settings: {
        cipher: "aes-256-gcm",
        chunkers: { tree: treeProfile, stream: streamProfile },
        pack: { bytes: this.#packBytes, padding: false },
      },
    });
  }

  open(options: ProcessOptions = {}): Promise<Repository> {
    const { freshCache = false } = options;
    return openRepository({ ...this.#context(options), freshCache });
  }
}

/** A place for as long as `use` runs. */
export function withPlace<T>(
  use: (place: Place) => Promise<T>,
  options: PlaceOptions = {},
): Promise<T> {
  return withFolder((folder) => use(new Place(folder, options)));
}

/** A place with a new repository, open. */
export function withRepository<T>(
  use: (repo: Repository, place: Place) => Promise<T>,
  options: PlaceOptions = {},
): Promise<T> {
  return withPlace(async (place) => {
    const repo = await place.init();
    try {
      return await use(repo, place);
    } finally {
      await repo.close();
    }
  }, options);
}
