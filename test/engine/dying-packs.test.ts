/**
 * Snapshots that need what only dying packs have, as after a writer that died before its rescue: no
 * damage while the packs are whole, and never a reason to drop a file.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PackId } from "../../src/base/ids.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { prune } from "../../src/engine/prune.ts";
import { repairPacks } from "../../src/engine/repair-packs.ts";
import { repairSnapshots } from "../../src/engine/repair-snapshots.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { buryPacks, listTombstones, markSwept } from "../../src/repo/tombstones.ts";
import { cutPack, damageBlobs, livingPacks } from "../helpers/pack-copies.ts";
import { hourNs, plainTree, readTree, smallTree, storeTree } from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

interface Place {
  readonly folder: string;
  readonly store: MemoryStore;
}

async function fresh<T>(place: Place, use: (repo: Repository) => Promise<T>): Promise<T> {
  const repo = await reopenRepository(place.folder, { store: place.store, freshCache: true });
  try {
    return await use(repo);
  } finally {
    await repo.close();
  }
}

/** Two snapshots, and every pack that they need is buried; those of `kept` are not. */
async function withBuried(
  use: (place: Place, packs: readonly PackId[]) => Promise<void>,
  isKept: (at: number) => boolean = () => false,
): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    const first = await storeTree(repo, smallTree(1));
    const timeNs = 1_700_000_000_000_000_000n + hourNs;
    await storeTree(repo, smallTree(2), { timeNs, previous: first });
    const packs = livingPacks(repo).filter((_, at) => !isKept(at));
    await buryPacks(repo, packs);
    await repo.close();
    await use({ folder, store }, packs);
  });
}

const check = (place: Place, readData = false) =>
  fresh(place, (repo) => checkRepository(repo, { readData }));

const assertReads = (place: Place) =>
  fresh(place, async (repo) => {
    await repo.loadIndex();
    const records = await repo.snapshots();
    assert.equal(records.length, 2);
    for (const [at, { snapshot }] of records.entries()) {
      assert.deepEqual(await readTree(repo, snapshot.root), plainTree(smallTree(at + 1)));
    }
  });

test("check: what the next prune rescues is noted, and is no damage", async () => {
  for (const isKept of [() => false, (at: number) => at % 2 === 0, (at: number) => at % 2 === 1]) {
    await withBuried(async (place, packs) => {
      for (const readData of [false, true]) {
        const report = await check(place, readData);
        assert.deepEqual(report.damage, []);
        assert.deepEqual(report.hurtSnapshots, []);
        assert.equal(report.dyingPacks, packs.length);
        const note = report.notes.find(({ kind }) => kind === "dying-packs-needed");
        assert.deepEqual([...(note?.objects ?? [])].sort(), packs.map(packObject).sort());
        assert.equal(note?.count, packs.length);
      }
      await fresh(place, (repo) => prune(repo));
      const after = await check(place, true);
      assert.deepEqual([after.damage, after.notes, after.dyingPacks], [[], [], 0]);
      await assertReads(place);
    }, isKept);
  }
});

test("check: dying packs that nobody needs are not noted", async () => {
  await withBuried(async (place) => {
    await fresh(place, (repo) => storeTree(repo, smallTree(1)));
    await fresh(place, (repo) => storeTree(repo, smallTree(2)));
    const report = await check(place);
    assert.deepEqual(report.damage, []);
    assert.ok(report.dyingPacks > 0);
    assert.ok(report.notes.every(({ kind }) => kind !== "dying-packs-needed"));
  });
});

test("check: a dying pack that is damaged, cut, gone or swept saves nobody", async () => {
  for (const how of ["damaged", "cut", "gone", "swept"] as const) {
    await withBuried(async (place, packs) => {
      const { store } = place;
      await fresh(place, async (repo) => {
        for (const pack of packs) {
          if (how === "damaged") await damageBlobs(repo, store, pack);
          if (how === "cut") await cutPack(store, pack);
          if (how === "gone") await store.delete(packObject(pack));
        }
        // As when a copy of the store brings deleted packs back.
        if (how === "swept")
          for (const each of await listTombstones(repo)) await markSwept(repo, each);
      });
      const report = await check(place);
      assert.equal(report.isClean, false, how);
      assert.equal(report.hurtSnapshots.length, 2, how);
      if (how !== "damaged") return;
      const objects = new Set(report.damage.map(({ object }) => object));
      assert.ok(
        packs.some((pack) => objects.has(packObject(pack))),
        "the buried pack is named",
      );
    });
  }
});

test("repair snapshots: what dying packs have is rescued, and no file is dropped", async () => {
  await withBuried(async (place) => {
    const { store } = place;
    const before = store.names("snapshots");
    const dry = await fresh(place, (repo) => repairSnapshots(repo, { dryRun: true, forget: true }));
    assert.deepEqual([dry.repaired.length, dry.whole], [0, 2]);
    const packs = store.names("packs");
    assert.deepEqual(store.names("sessions"), []);
    const done = await fresh(place, (repo) => repairSnapshots(repo, { forget: true }));
    assert.deepEqual([done.repaired.length, done.whole], [0, 2]);
    assert.deepEqual(store.names("snapshots"), before);
    assert.ok(store.names("packs").length > packs.length, "what is needed was copied");
    const report = await check(place, true);
    assert.deepEqual(report.damage, []);
    assert.ok(report.notes.every(({ kind }) => kind !== "dying-packs-needed"));
    await fresh(place, (repo) => prune(repo));
    await assertReads(place);
  });
});

test("repair snapshots: only what even dying packs have not is dropped", async () => {
  await withBuried(async (place, packs) => {
    await fresh(place, async (repo) => {
      // The one that only the second snapshot's new file is in is the smallest of data.
      await repo.loadIndex();
      for (const pack of packs) {
        const fork = { ...place, store: place.store.fork() };
        await damageBlobs(repo, fork.store, pack);
        const hurt = (await check(fork)).damage.flatMap(({ paths }) =>
          paths.map(({ path }) => path),
        );
        if (hurt.length !== 1 || hurt[0] !== "/home/version") continue;
        const done = await fresh(fork, (again) => repairSnapshots(again, { forget: true }));
        assert.deepEqual([done.repaired.length, done.whole], [1, 1]);
        assert.equal(done.repaired[0]?.droppedEntries, 1);
        await fresh(fork, (again) => prune(again));
        assert.deepEqual((await check(fork, true)).damage, []);
        return;
      }
      assert.fail("no such pack");
    });
  });
});

test("repair packs leaves dying packs alone", async () => {
  await withBuried(async (place, packs) => {
    assert.deepEqual(await fresh(place, (repo) => repairPacks(repo, { packs })), []);
    await fresh(place, (repo) => prune(repo));
    await assertReads(place);
  });
});
