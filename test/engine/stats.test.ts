import assert from "node:assert/strict";
import { test } from "node:test";
import { repositoryStats } from "../../src/engine/stats.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { noise, storeTree } from "../helpers/small-repository.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

test("sizes add up: restored, unique, stored", async () => {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    const shared = noise(20_000, 1);
    const tree = { home: null, "home/a": [shared], "home/b": [shared, 1000], "home/c": ["c"] };
    const first = await storeTree(repo, tree);
    const text = "a line that compresses well\n".repeat(1000);
    const second = await storeTree(repo, { ...tree, "home/d": [text] }, { previous: first });
    const stats = await repositoryStats(repo);
    const firstBytes = 20_000 + 21_000 + 1;
    const byId = new Map(stats.snapshots.map((each) => [each.id, each]));
    assert.equal(byId.get(first)?.restoreBytes, firstBytes);
    assert.equal(byId.get(second)?.restoreBytes, firstBytes + text.length);
    assert.equal(stats.logicalBytes, 2 * firstBytes + text.length);
    assert.equal(stats.entries, 4 + 5);
    // Three data blobs and two catalog nodes.
    assert.equal(stats.blobs, 5);
    const data = 20_000 + 1 + text.length;
    assert.equal(stats.uniqueBytes, data);
    assert.ok(stats.catalogBytes > 300 && stats.catalogBytes < 2000);
    assert.ok(stats.storedBytes > 20_000 && stats.storedBytes < 22_000);
    assert.equal(stats.deduplication, stats.logicalBytes / data);
    assert.equal(stats.compression, (data + stats.catalogBytes) / stats.storedBytes);
    assert.equal(stats.absentBlobs, 0);
    assert.equal(stats.objects, store.names().length);
    assert.equal(stats.packs, store.names("packs").length);
    const one = await repositoryStats(repo, { snapshots: [first] });
    assert.equal(one.logicalBytes, firstBytes);
    assert.equal(one.blobs, 3);
    repo.cache.db.close();
  });
});

test("little data under a large catalog is not duplicated less than once", async () => {
  await withFolder(async (folder) => {
    const repo = await makeRepository(folder, { store: new MemoryStore() });
    const tree: Record<string, string[] | null> = { home: null };
    for (let at = 100; at < 200; at++) tree[`home/${at}`] = [`${at}`];
    await storeTree(repo, tree);
    const stats = await repositoryStats(repo);
    assert.deepEqual([stats.logicalBytes, stats.uniqueBytes, stats.deduplication], [300, 300, 1]);
    assert.ok(stats.catalogBytes > 5000);
    repo.cache.db.close();
  });
});

test("an empty repository has stats too", async () => {
  await withFolder(async (folder) => {
    const repo = await makeRepository(folder, { store: new MemoryStore() });
    const stats = await repositoryStats(repo);
    assert.deepEqual([stats.logicalBytes, stats.deduplication, stats.compression], [0, 1, 1]);
    repo.cache.db.close();
  });
});
