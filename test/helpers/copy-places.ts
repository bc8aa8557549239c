/** Two repositories on stores that can fail, for tests of copying. */
import assert from "node:assert/strict";
import { streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { idsRootOf, type RepositorySecrets } from "../../src/repo/crypto/keys.ts";
import { initRepository, openRepository, type Repository } from "../../src/repo/repository.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { readTree } from "./small-repository.ts";
import { Place } from "./snapshot-place.ts";
import { testHost, testSecret, withFolder } from "./test-repository.ts";

/** What the two have in common: the keys of ids and cuts, cuts alone, or nothing. */
export type Shared = "ids" | "cuts" | "nothing";

export class TwoPlaces {
  readonly place: Place;
  readonly from = new FaultStore(new MemoryStore());
  readonly to = new FaultStore(new MemoryStore());
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.place = new Place(folder, { store: this.from });
  }

  #context(store: FaultStore, cache: string) {
    const { clock } = this.place;
    const cacheDir = `${this.#folder}/${cache}`;
    const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
    return { store, cacheDir, clock, random, host: testHost, secret: testSecret };
  }

  init(side: "from" | "to", shared: Partial<RepositorySecrets> = {}): Promise<Repository> {
    const { chunkerSecret, idsRoot } = shared;
    return initRepository({
      ...this.#context(this[side], side),
      label: "test",
      ...(chunkerSecret === undefined ? {} : { chunkerSecret }),
      ...(idsRoot === undefined ? {} : { idsRoot }),
      settings: {
        cipher: side === "from" ? "aes-256-gcm" : "chacha20-poly1305",
        chunkers: { tree: treeProfile, stream: streamProfile },
        pack: { bytes: side === "from" ? 64 * 1024 : 96 * 1024, padding: false },
      },
    });
  }

  /** Another process; `cache`: of its own, when it is another machine. */
  open(side: "from" | "to", cache: string = side, host = testHost): Promise<Repository> {
    return openRepository({ ...this.#context(this[side], cache), host });
  }
}

export function withTwo<T>(
  shared: Shared,
  use: (source: Repository, target: Repository, places: TwoPlaces) => Promise<T>,
): Promise<T> {
  return withFolder(async (folder) => {
    const places = new TwoPlaces(folder);
    const source = await places.init("from");
    const { chunkerSecret } = source.bundle;
    const cuts = shared === "nothing" ? {} : { chunkerSecret };
    const ids = shared === "ids" ? { idsRoot: idsRootOf(source.bundle) } : {};
    const target = await places.init("to", { ...cuts, ...ids });
    try {
      return await use(source, target, places);
    } finally {
      await source.close();
      await target.close();
    }
  });
}

/** Every snapshot of the source is at the target, shows the same, and all there is sound. */
export async function assertCopied(source: Repository, target: Repository): Promise<void> {
  const report = await checkRepository(target, { readData: true, threads: 1 });
  assert.deepEqual(report.damage, []);
  await source.loadIndex();
  await target.loadIndex();
  const copies = await target.snapshots();
  for (const { id, snapshot } of await source.snapshots()) {
    const copy = copies.find((one) => one.snapshot.original?.snapshot === id);
    assert.ok(copy !== undefined, `${id.slice(0, 8)} was copied`);
    const { root, previous, session, original, ...facts } = copy.snapshot;
    const { root: rootBefore, previous: _p, session: _s, ...factsBefore } = snapshot;
    assert.deepEqual(facts, factsBefore);
    assert.notEqual(session, _s, "fences of the source do not speak of it");
    assert.equal(original?.repository, source.description.id);
    const shown = await readTree(target, root);
    assert.deepEqual(shown, await readTree(source, rootBefore));
  }
}
