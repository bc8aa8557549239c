import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError } from "../../src/base/errors.ts";
import { packId } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { prune } from "../../src/engine/prune.ts";
import { repairIndex } from "../../src/engine/repair-index.ts";
import { repairPacks } from "../../src/engine/repair-packs.ts";
import { repairSnapshots } from "../../src/engine/repair-snapshots.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore, SimulatedCrash } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import type { Store } from "../../src/repo/store/store.ts";
import {
  hourNs,
  plainTree,
  readTree,
  smallTree,
  storeTree,
  type Tree,
} from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

interface Place {
  readonly folder: string;
  readonly store: MemoryStore;
}

async function withTwoSnapshots(use: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    const first = await storeTree(repo, smallTree(1));
    const timeNs = 1_700_000_000_000_000_000n + hourNs;
    await storeTree(repo, smallTree(2), { timeNs, previous: first });
    repo.cache.db.close();
    await use({ folder, store });
  });
}

/** As the command line does: nothing is believed that earlier runs saw. */
async function fresh<T>(
  { folder, store }: { folder: string; store: Store },
  use: (repo: Repository) => Promise<T>,
): Promise<T> {
  const repo = await reopenRepository(folder, { store, freshCache: true });
  try {
    return await use(repo);
  } finally {
    repo.cache.db.close();
  }
}

const check = (place: { folder: string; store: Store }) =>
  fresh(place, (repo) => checkRepository(repo, { readData: true }));

/** All snapshots, oldest first, as trees. */
const readAll = (place: Place) =>
  fresh(place, async (repo) => {
    await repo.loadIndex();
    const trees: Map<RawPath, Buffer | null>[] = [];
    for (const { snapshot } of await repo.snapshots()) {
      trees.push(await readTree(repo, snapshot.root));
    }
    return trees;
  });

async function flip(store: MemoryStore, name: string, at: number): Promise<void> {
  const bytes = await store.get(name);
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  await store.put(name, bytes);
}

const without = (tree: Tree, ...paths: string[]) => {
  const left = plainTree(tree);
  for (const path of paths) left.delete(path as RawPath);
  return left;
};

test("the index is rebuilt from the packs when every index object is lost", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const sound = await readAll(place);
    for (const name of store.names("index")) await store.delete(name);
    assert.equal((await check(place)).isClean, false);
    const dry = await fresh(place, (repo) => repairIndex(repo, { dryRun: true }));
    assert.equal(dry.addedPacks, store.names("packs").length);
    assert.deepEqual(store.names("index"), [], "a dry run writes nothing");
    assert.deepEqual(store.names("sessions"), []);
    const done = await fresh(place, (repo) => repairIndex(repo));
    assert.equal(done.addedPacks, store.names("packs").length);
    assert.deepEqual(done.damagedPacks, []);
    assert.deepEqual((await check(place)).damage, []);
    assert.deepEqual(await readAll(place), sound);
  });
});

test("damaged index objects are replaced and removed", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const damaged = store.names("index").slice(1, 3);
    for (const name of damaged) await flip(store, name, 60);
    const done = await fresh(place, (repo) => repairIndex(repo));
    assert.deepEqual(done.damagedIndexObjects.map(({ object }) => object).sort(), damaged.sort());
    assert.equal(done.removedIndexObjects, 2);
    assert.deepEqual((await check(place)).damage, []);
    const again = await fresh(place, (repo) => repairIndex(repo));
    assert.deepEqual(
      [again.addedPacks, again.writtenIndexObjects],
      [0, 0],
      "nothing is left to do",
    );
  });
});

test("with all: every index object is replaced, also those that lie", async () => {
  await withTwoSnapshots(async (place) => {
    const before = place.store.names("index");
    const done = await fresh(place, (repo) => repairIndex(repo, { all: true }));
    assert.equal(done.addedPacks, 0);
    assert.equal(done.writtenIndexObjects, 1);
    assert.equal(done.removedIndexObjects, before.length);
    assert.deepEqual((await check(place)).damage, []);
  });
});

test("with all: the record of a pack that does not open is kept", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const sound = await readAll(place);
    const [pack] = store.names("packs");
    // The table: the blobs are still there for those who know where.
    await flip(store, pack ?? "", (await store.size(pack ?? "")) - 30);
    const done = await fresh(place, (repo) => repairIndex(repo, { all: true }));
    assert.deepEqual(
      done.damagedPacks.map(({ object }) => object),
      [pack],
    );
    assert.deepEqual(await readAll(place), sound);
  });
});

test("a rebuilt index does not bring dead packs back", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const before = new Map<string, Uint8Array>();
    for (const name of store.names("packs")) before.set(name, await store.get(name));
    const [oldest] = store.names("snapshots");
    await store.delete(oldest ?? "");
    await fresh(place, (repo) => prune(repo, { maxUnused: { kind: "bytes", bytes: 0 } }));
    const gone = [...before.keys()].filter((name) => !store.names("packs").includes(name));
    assert.ok(gone.length > 0, "the prune removed a pack");
    // A pack that comes back, from a copy of the store, stays dead.
    for (const name of gone) await store.put(name, before.get(name) ?? new Uint8Array());
    for (const name of store.names("index")) await store.delete(name);
    const done = await fresh(place, (repo) => repairIndex(repo));
    assert.equal(done.addedPacks, store.names("packs").length - gone.length);
    await fresh(place, async (repo) => {
      await repo.loadIndex();
      const living = new Set([...repo.index.livingPacks()].map(({ pack }) => pack));
      for (const name of gone) assert.ok(!living.has(packId(name.slice(-64))));
    });
    assert.deepEqual((await check(place)).damage, []);
  });
});

test("packs that do not open are named and left in place", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const [pack] = store.names("packs");
    await flip(store, pack ?? "", 20);
    for (const name of store.names("index")) await store.delete(name);
    const done = await fresh(place, (repo) => repairIndex(repo));
    assert.deepEqual(
      done.damagedPacks.map(({ object }) => object),
      [pack],
    );
    assert.ok(store.names("packs").includes(pack ?? ""));
  });
});

test("an unreadable tombstone goes when nobody else is at work", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    await store.put(`tombstones/${"a".repeat(32)}`, Buffer.from("no tombstone"));
    assert.deepEqual(
      (await check(place)).damage.map(({ kind }) => kind),
      ["tombstone"],
    );
    const done = await fresh(place, (repo) => repairIndex(repo));
    assert.deepEqual([done.damagedTombstones.length, done.tombstonesRemoved], [1, true]);
    assert.deepEqual((await check(place)).damage, []);
  });
});

test("a crash at any step of a rebuild hurts nothing, and the next one ends it", async () => {
  await withTwoSnapshots(async (place) => {
    const sound = await readAll(place);
    const [damaged] = place.store.names("index");
    await flip(place.store, damaged ?? "", 60);
    for (let at = 1; at < 20; at++) {
      const store = place.store.fork();
      const crashing = new FaultStore(store, { crash: { at, effect: "whole" } });
      const run = fresh({ ...place, store: crashing }, (repo) => repairIndex(repo));
      const crashed = await run.then(
        () => false,
        (error: unknown) => {
          assert.ok(error instanceof SimulatedCrash, String(error));
          return true;
        },
      );
      await fresh({ ...place, store }, (repo) => repairIndex(repo));
      assert.deepEqual((await check({ ...place, store })).damage, []);
      assert.deepEqual(await readAll({ ...place, store }), sound);
      if (!crashed) return;
    }
    assert.fail("it never ends");
  });
});

/** The pack with only the data that the second snapshot brought. */
async function packOfVersion(place: Place): Promise<string> {
  for (const name of place.store.names("packs")) {
    const store = place.store.fork();
    await store.delete(name);
    const { damage } = await fresh({ ...place, store }, (repo) => checkRepository(repo));
    const paths = damage.flatMap(({ paths: hurt }) => hurt.map(({ path }) => path));
    if (paths.length === 1 && paths[0] === "/home/version") return name;
  }
  return assert.fail("no such pack");
}

test("a lost pack: its paths are told; the next snapshot heals what the source has", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const pack = await packOfVersion(place);
    await store.delete(pack);
    const dry = await fresh(place, (repo) => repairPacks(repo, { dryRun: true }));
    assert.deepEqual(
      dry.map((one) => [one.pack, one.saved, one.lost > 0]),
      [[pack.slice(-64), 0, true]],
    );
    assert.deepEqual(store.names("tombstones"), []);
    const done = await fresh(place, (repo) => repairPacks(repo));
    assert.deepEqual(done, dry);
    const hurt = await check(place);
    assert.deepEqual(
      hurt.damage.map(({ kind }) => kind),
      ["blob"],
    );
    assert.deepEqual(
      hurt.damage[0]?.paths.map(({ path }) => path),
      ["/home/version"],
    );
    await fresh(place, (repo) =>
      storeTree(repo, smallTree(2), { timeNs: 1_800_000_000_000_000_000n }),
    );
    assert.deepEqual((await check(place)).damage, []);
    const trees = [smallTree(1), smallTree(2), smallTree(2)].map(plainTree);
    assert.deepEqual(await readAll(place), trees);
    assert.deepEqual(await fresh(place, (repo) => repairPacks(repo)), []);
  });
});

test("a damaged pack: what still opens is saved, the rest counts as absent", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const packs = store.names("packs");
    for (const name of packs) {
      const fork = store.fork();
      const here = { ...place, store: fork };
      await flip(fork, name, 150);
      const { damage } = await check(here);
      assert.deepEqual(
        damage.map(({ object }) => object),
        [name],
      );
      const done = await fresh(here, (repo) =>
        repairPacks(repo, { packs: [packId(name.slice(-64))] }),
      );
      assert.equal(done.length, 1);
      assert.equal(done[0]?.lost, 1, "one byte hurts one blob");
      assert.equal(done[0]?.saved, (done[0]?.blobs ?? 0) - 1);
      for (const version of [1, 2])
        await fresh(here, (repo) => storeTree(repo, smallTree(version)));
      assert.deepEqual((await check(here)).damage, [], "healed");
      await fresh(here, (repo) => prune(repo));
      assert.ok(!fork.names("packs").includes(name), "the damaged pack is gone");
      assert.deepEqual((await check(here)).damage, []);
    }
  });
});

test("snapshots: what is beyond repair is dropped, and named path by path", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const pack = await packOfVersion(place);
    await store.delete(pack);
    await assert.rejects(
      fresh(place, (repo) => repairSnapshots(repo)),
      (error) => error instanceof VarveError && error.code === "object-damaged",
      "lost packs come first",
    );
    await fresh(place, (repo) => repairPacks(repo));
    const dropped: string[] = [];
    const onDropped = ({ path }: { path: RawPath }) => dropped.push(path);
    const dry = await fresh(place, (repo) => repairSnapshots(repo, { dryRun: true, onDropped }));
    assert.deepEqual(dropped, ["/home/version"]);
    assert.equal(store.names("snapshots").length, 2);
    assert.deepEqual([dry.whole, dry.repaired.length], [1, 1]);
    const kept = await fresh(place, (repo) => repairSnapshots(repo));
    assert.equal(store.names("snapshots").length, 3, "the original stays");
    assert.notEqual(kept.repaired[0]?.replacement, undefined);
    const again = await fresh(place, (repo) => repairSnapshots(repo, { forget: true }));
    assert.equal(again.repaired[0]?.earlier, kept.repaired[0]?.replacement, "no second copy");
    assert.equal(store.names("snapshots").length, 2);
    assert.deepEqual((await check(place)).damage, []);
    const trees = await readAll(place);
    assert.deepEqual(trees, [plainTree(smallTree(1)), without(smallTree(2), "/home/version")]);
    await fresh(place, async (repo) => {
      const repaired = (await repo.snapshots()).at(-1)?.snapshot;
      assert.deepEqual(repaired?.tags, ["repaired"]);
      assert.equal(repaired?.problems, 1);
    });
    await fresh(place, (repo) => prune(repo));
    assert.deepEqual(await readAll(place), trees);
  });
});

test("snapshots: of a catalog that is lost in part the rest stays", async () => {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const place = { folder, store };
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    const tree: Record<string, string[] | null> = { top: null };
    for (let dir = 10; dir < 30; dir++) {
      tree[`top/${dir}`] = null;
      for (let at = 100; at < 140; at++) tree[`top/${dir}/${at}`] = [`${dir} ${at}`];
    }
    await storeTree(repo, tree);
    const [record] = await repo.snapshots();
    assert.ok(record !== undefined);
    const { children } = await repo.catalog(record).nodes.top();
    // How many there are, and of which level, depends on the repository's random keys.
    const lost = children[children.length >> 1];
    assert.ok(lost !== undefined);
    const place4 = repo.index.find(2, lost.id);
    assert.ok(place4 !== undefined);
    const pack = repo.index.packInfo(place4.packNo).pack;
    await flip(store, `packs/${pack.slice(0, 2)}/${pack}`, place4.offset + 3);
    repo.cache.db.close();
    const hurt = await check(place);
    const [stretch] = hurt.damage.flatMap(({ paths }) => paths);
    assert.equal(stretch?.lastPath, `/${lost.lastKey.replaceAll("\0", "/")}`);
    assert.equal(hurt.hurtSnapshots[0]?.entriesHurt, lost.entries);
    await fresh(place, (open) => repairPacks(open, { packs: [pack] }));
    const done = await fresh(place, (open) => repairSnapshots(open, { forget: true }));
    assert.equal(done.repaired[0]?.droppedEntries, lost.entries);
    assert.deepEqual((await check(place)).damage, []);
    const [left] = await readAll(place);
    const expected = plainTree(tree);
    let missing = 0;
    for (const [path, bytes] of expected) {
      if (left?.has(path)) assert.deepEqual(left.get(path), bytes);
      else missing++;
    }
    assert.equal(missing, lost.entries - (done.repaired[0]?.madeUpFolders ?? 0));
  });
});

test("snapshots: what cannot be read at all is removed only with forget", async () => {
  await withTwoSnapshots(async (place) => {
    const { store } = place;
    const [name] = store.names("snapshots");
    await flip(store, name ?? "", 50);
    const kept = await fresh(place, (repo) => repairSnapshots(repo));
    assert.deepEqual(
      kept.unreadable.map(({ object, forgotten }) => [object, forgotten]),
      [[name, false]],
    );
    assert.equal(store.names("snapshots").length, 2);
    await fresh(place, (repo) => repairSnapshots(repo, { forget: true }));
    assert.equal(store.names("snapshots").length, 1);
    assert.deepEqual((await check(place)).damage, []);
    assert.deepEqual(await readAll(place), [plainTree(smallTree(2))]);
  });
});

test("sound repositories are left as they are", async () => {
  await withTwoSnapshots(async (place) => {
    const before = place.store.names().sort();
    assert.equal((await fresh(place, (repo) => repairIndex(repo))).addedPacks, 0);
    assert.deepEqual(await fresh(place, (repo) => repairPacks(repo)), []);
    const { whole, repaired } = await fresh(place, (repo) => repairSnapshots(repo));
    assert.deepEqual([whole, repaired.length], [2, 0]);
    assert.deepEqual(place.store.names().sort(), before);
  });
});
