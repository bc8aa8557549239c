import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../src/base/ids.ts";
import { type CheckOptions, checkRepository } from "../../src/engine/check.ts";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import { prune } from "../../src/engine/prune.ts";
import { BlobHasher } from "../../src/repo/blob-codec.ts";
import { withBlobWriter } from "../../src/repo/blob-writer.ts";
import { encodePack } from "../../src/repo/format/index-object.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import { writeIndexObject } from "../../src/repo/index-writer.ts";
import { descriptionName, type Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import type { Store } from "../../src/repo/store/store.ts";
import { hourNs, noise, smallTree, storeTree } from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

const firstNs = 1_700_000_000_000_000_000n;

async function withRepository(
  use: (place: { folder: string; store: MemoryStore; repo: Repository }) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    await use({ folder, store, repo });
    repo.cache.db.close();
  });
}

async function check(folder: string, store: Store, options: CheckOptions = {}) {
  const repo = await reopenRepository(folder, { store, freshCache: true });
  try {
    return await checkRepository(repo, options);
  } finally {
    repo.cache.db.close();
  }
}

/** Many packs of about 64 KiB. */
const wide = { home: null, "home/file": Array.from({ length: 40 }, (_, at) => noise(30_000, at)) };

test("what was verified is remembered: age, budget, and what was never read first", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    await storeTree(repo, wide);
    const first = await check(folder, store, { budgetBytes: 200_000 });
    const { packs = 0, packsAll = 0 } = first.data ?? {};
    assert.ok(packs >= 2 && packs < packsAll, `${packs} of ${packsAll}`);
    let read = packs;
    for (let runs = 0; read < packsAll && runs < 50; runs++) {
      const next = await check(folder, store, { budgetBytes: 200_000, maxAgeMs: 86_400_000 });
      assert.ok((next.data?.packs ?? 0) > 0, "each run reads some");
      read += next.data?.packs ?? 0;
    }
    assert.equal(read, packsAll, "no pack twice, none left out");
    const after = await check(folder, store, { maxAgeMs: 86_400_000 });
    assert.equal(after.data?.packs, 0, "nothing is due");
    const all = await check(folder, store, { maxAgeMs: 0 });
    assert.equal(all.data?.packs, packsAll);
  });
});

test("what was verified in one place is not verified in a copy", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    await storeTree(repo, wide);
    const copy = new MemoryStore("memory:copy");
    await copy.put(descriptionName, await store.get(descriptionName));
    for (const place of ["keys", "index", "snapshots", "packs"]) {
      for await (const { name } of store.list(place)) await copy.put(name, await store.get(name));
    }
    const due = { maxAgeMs: 86_400_000 };
    const first = await check(folder, store, due);
    assert.ok((first.data?.packs ?? 0) > 2);
    assert.equal((await check(folder, copy, due)).data?.packs, first.data?.packs);
    for (const each of [store, copy]) {
      assert.equal((await check(folder, each, due)).data?.packs, 0, "nothing is due");
    }
  });
});

test("parts of a whole: seven sevenths read every pack once", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    await storeTree(repo, wide);
    let read = 0;
    for (let part = 1; part <= 7; part++) {
      const subset = { kind: "part", part, parts: 7 } as const;
      read += (await check(folder, store, { readDataSubset: subset })).data?.packs ?? 0;
    }
    assert.equal(read, store.names("packs").length);
  });
});

test("a snapshot forgotten and pruned while the check goes on is no damage", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    const first = await storeTree(repo, { ...wide, ...smallTree(1) });
    await storeTree(repo, smallTree(2), { timeNs: firstNs + hourNs, previous: first });
    let isDone = false;
    // Just when the packs are listed, all that only the first snapshot needs goes.
    const meddled = new FaultStore(store, {
      beforeOperation: async (kind, name) => {
        if (isDone || kind !== "list" || name !== "packs") return;
        isDone = true;
        await forgetSnapshots(repo, [first]);
        const { sweep } = await prune(repo);
        assert.ok((sweep?.deletedPacks ?? 0) > 5, "the prune removed packs");
      },
    });
    const report = await check(folder, meddled, { readData: true });
    assert.ok(isDone);
    assert.deepEqual(report.damage, []);
    assert.equal(report.snapshots, 1, "it looked again");
  });
});

test("a snapshot made while the check goes on is no damage", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    const first = await storeTree(repo, smallTree(1));
    for (const folderName of ["snapshots", "index", "packs"]) {
      let isDone = false;
      const meddled = new FaultStore(store, {
        beforeOperation: async (kind, name) => {
          if (isDone || kind !== "list" || name !== folderName) return;
          isDone = true;
          await storeTree(repo, { ...smallTree(2), [`home/new-${folderName}`]: [noise(9000, 77)] });
        },
      });
      const report = await check(folder, meddled, { readData: true });
      assert.ok(isDone);
      assert.deepEqual(report.damage, []);
    }
    await forgetSnapshots(repo, [first]);
  });
});

test("packs that no index object names are noted, and are no damage", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    await storeTree(repo, smallTree(1));
    const before = new Set(store.names("packs"));
    await storeTree(repo, { home: null, "home/x": [noise(5000, 5)] });
    for (const name of store.names("snapshots").slice(1)) await store.delete(name);
    for (const name of store.names("index").slice(2)) await store.delete(name);
    const orphans = store.names("packs").filter((name) => !before.has(name));
    const report = await check(folder, store, { readData: true });
    assert.deepEqual(report.damage, []);
    assert.equal(report.orphanPacks, orphans.length);
    const note = report.notes.find(({ kind }) => kind === "orphan-packs");
    assert.deepEqual([...(note?.objects ?? [])].sort(), [...orphans].sort());
  });
});

test("the previous snapshot of a series that was forgotten is only noted", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    const first = await storeTree(repo, smallTree(1));
    await storeTree(repo, smallTree(2), { timeNs: firstNs + hourNs, previous: first });
    await forgetSnapshots(repo, [first]);
    const report = await check(folder, store);
    assert.equal(report.isClean, true);
    assert.deepEqual(
      report.notes.map(({ kind }) => kind),
      ["previous-absent"],
    );
  });
});

test("an index object that lies about a pack is found when the pack is read", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    await storeTree(repo, smallTree(1));
    const session = await Session.begin(repo, "test");
    const hasher = new BlobHasher(repo.keys);
    await withBlobWriter(repo, session, async (writer) => {
      const bytes = noise(1000, 9);
      writer.putClaimed(BlobKind.data, hasher.id(BlobKind.data, bytes), bytes);
    });
    await session.end();
    const [last] = store.names("index").slice(-1);
    await store.delete(last ?? "");
    const [info] = [...repo.index.livingPacks()].slice(-1);
    assert.ok(info !== undefined);
    const id = hasher.id(BlobKind.data, noise(1000, 10));
    const blob = { kind: 1, encoding: 0, id, rawLength: 1000, length: 1016, offset: 84 } as const;
    await writeIndexObject(repo, [encodePack({ ...info, blobs: [blob] })], []);
    assert.equal((await check(folder, store)).isClean, true, `${toHex(id)} is in no snapshot`);
    const { damage } = await check(folder, store, { readData: true });
    assert.deepEqual(
      damage.map(({ kind, object }) => [kind, object]),
      [["pack", `packs/${info.pack.slice(0, 2)}/${info.pack}`]],
    );
  });
});

test("a stray object among the packs is named", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    await storeTree(repo, smallTree(1));
    await store.put("packs/ab/not-a-pack", Buffer.from("x"));
    const { damage } = await check(folder, store);
    assert.deepEqual(
      damage.map(({ object }) => object),
      ["packs/ab/not-a-pack"],
    );
  });
});

test("a check can be stopped, also while it reads data", async () => {
  await withRepository(async ({ folder, store, repo }) => {
    await storeTree(repo, wide);
    for (const phase of ["objects", "packs", "data", "catalogs"]) {
      const controller = new AbortController();
      const options: CheckOptions = {
        readData: true,
        signal: controller.signal,
        onProgress: (progress) => {
          if (progress.phase === phase) controller.abort(new Error("stop"));
        },
      };
      await assert.rejects(check(folder, store, options), /stop/);
    }
  });
});

test("worker threads find the same as no threads", async () => {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 1024 * 1024 });
    const pieces = Array.from({ length: 180 }, (_, at) => noise(60_000, at));
    await storeTree(repo, { home: null, "home/big": pieces, "home/small": ["x"] });
    const sound = await check(folder, store, { readData: true, threads: 2 });
    assert.deepEqual(sound.damage, []);
    assert.ok((sound.data?.bytes ?? 0) > 9_000_000, "enough for threads");
    const name = store.names("packs").at(3) ?? "";
    const bytes = await store.get(name);
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    await store.put(name, bytes);
    const report = await check(folder, store, { readData: true, threads: 2 });
    const [damage, ...others] = report.damage;
    assert.deepEqual(others, []);
    assert.equal(damage?.object, name);
    assert.deepEqual(
      damage?.paths.map(({ path }) => path),
      ["/home/big"],
    );
    assert.deepEqual(
      report.hurtSnapshots.map(({ entriesHurt }) => entriesHurt),
      [1],
    );
    repo.cache.db.close();
  });
});
