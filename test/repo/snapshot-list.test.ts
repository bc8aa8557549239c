/** Listing snapshots: what the cache keeps of them changes nothing but what it costs. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type SnapshotId, sessionId, toHex } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import type { Snapshot } from "../../src/repo/format/snapshot.ts";
import { sealSnapshot } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

/** A manifest with a bit of everything, different for each number. */
function manifest(repo: Repository, at: number, previous: SnapshotId | null): Snapshot {
  const timeNs = 1_700_000_000_123_456_789n + BigInt((at * 7) % 1000) * 1_000_000_001n;
  const path = `/srv/${at % 3 === 0 ? "k\xe4se \xff" : "plain"}` as RawPath;
  return {
    version: 1,
    timeNs,
    startedNs: timeNs - BigInt(at),
    endedNs: timeNs + 5n,
    host: `secret-host-${at % 4}`,
    user: at % 2 === 0 ? "ä" : "",
    series: "series",
    seriesParts: at % 5 === 0 ? { host: "h", name: "n" } : { host: "h", paths: [path] },
    tags: at % 3 === 0 ? ["one", "two"] : [],
    paths: [path],
    root: repo.random(32),
    totals: { entries: at, files: at * 2, folders: 1, bytes: 2 ** 40 + at },
    added: { blobs: at, bytes: 3, rawBytes: 2 ** 35 },
    previous: at % 2 === 0 ? previous : null,
    session: sessionId(toHex(repo.random(16))),
    sources: [{ kind: "files", note: { deep: [at % 2] } }],
    program: "varve test",
    problems: at % 2,
    ...(at % 7 === 0 ? { extra: { later: ["x", at % 14] } } : {}),
  };
}

async function addSnapshots(repo: Repository, from: number, count: number): Promise<void> {
  let previous: SnapshotId | null = null;
  for (let at = from; at < from + count; at++) {
    const { id, bytes } = sealSnapshot(repo.keys, manifest(repo, at, previous), repo.random);
    await repo.store.put(`snapshots/${id}`, bytes);
    previous = id;
  }
}

/** As plain values, whatever classes hold the bytes. */
async function listed(repo: Repository): Promise<unknown[]> {
  const { records, damaged } = await repo.listSnapshots();
  assert.deepEqual(damaged, []);
  return records.map(({ id, snapshot }) => ({ id, ...snapshot, root: toHex(snapshot.root) }));
}

function rowsIn(repo: Repository, table: string): number {
  return repo.cache.db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
}

function groupBytes(repo: Repository): number {
  const sum = repo.cache.db.prepare("SELECT sum(length(sealed)) FROM snapshot_group");
  return sum.pluck().get() as number;
}

async function withSnapshots(
  count: number,
  use: (repo: Repository, store: FaultStore, folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const store = new FaultStore(new MemoryStore());
    const repo = await makeRepository(folder, { store });
    await addSnapshots(repo, 0, count);
    await use(repo, store, folder);
    await repo.close();
  });
}

/** What a repository without a cache says. */
async function truth(folder: string, store: FaultStore): Promise<unknown[]> {
  const repo = await reopenRepository(folder, { store, freshCache: true });
  const all = await listed(repo);
  repo.cache.db.close();
  return all;
}

test("many snapshots are listed alike from the store and, with no fetch, from groups", async () => {
  await withSnapshots(200, async (repo, store, folder) => {
    const first = await listed(repo);
    assert.equal(first.length, 200);
    assert.deepEqual([rowsIn(repo, "snapshot_group"), rowsIn(repo, "snapshot")], [1, 0]);
    store.reset();
    assert.deepEqual(await listed(repo), first);
    assert.equal(store.counts.get, 0);
    assert.deepEqual(await truth(folder, store), first);
  });
});

test("few snapshots are in no group", async () => {
  await withSnapshots(63, async (repo) => {
    await listed(repo);
    assert.deepEqual([rowsIn(repo, "snapshot_group"), rowsIn(repo, "snapshot")], [0, 63]);
    await addSnapshots(repo, 63, 1);
    await listed(repo);
    assert.deepEqual([rowsIn(repo, "snapshot_group"), rowsIn(repo, "snapshot")], [1, 0]);
  });
});

test("what comes and goes is seen, and groups stay few", async () => {
  await withSnapshots(100, async (repo, store, folder) => {
    for (let round = 1; round <= 6; round++) {
      await addSnapshots(repo, round * 100, 70);
      const records = await repo.snapshots();
      await forgetSnapshots(
        repo,
        records.filter((_, at) => at % 3 === 0).map(({ id }) => id),
      );
      assert.deepEqual(await listed(repo), await truth(folder, store));
      assert.ok(rowsIn(repo, "snapshot_group") <= 2, `${rowsIn(repo, "snapshot_group")} groups`);
    }
    // More is gone than left: the group is written anew, though nothing came.
    const records = await repo.snapshots();
    await forgetSnapshots(
      repo,
      records.slice(10).map(({ id }) => id),
    );
    const before = groupBytes(repo);
    assert.equal((await listed(repo)).length, 10);
    assert.ok(groupBytes(repo) < before / 5);
    assert.deepEqual(await listed(repo), await truth(folder, store));
  });
});

test("a group that was changed on the disk is not believed", async () => {
  await withSnapshots(80, async (repo) => {
    const first = await listed(repo);
    const { db } = repo.cache;
    const sealed = db.prepare("SELECT sealed FROM snapshot_group").pluck().get() as Buffer;
    const flipped = Buffer.from(sealed);
    flipped[200] = (flipped[200] ?? 0) ^ 1;
    for (const wrong of [flipped, sealed.subarray(0, 40), Buffer.alloc(0)]) {
      // As another row: what this process has read it does not read again.
      db.prepare("UPDATE snapshot_group SET sealed = ?, no = no + 1").run(wrong);
      assert.deepEqual(await listed(repo), first);
      assert.deepEqual([rowsIn(repo, "snapshot_group"), rowsIn(repo, "snapshot")], [1, 0]);
    }
  });
});

test("a snapshot that two groups hold is listed once, and loses the second place", async () => {
  await withSnapshots(80, async (repo, store, folder) => {
    const first = await listed(repo);
    repo.cache.db.exec("INSERT INTO snapshot_group (sealed) SELECT sealed FROM snapshot_group");
    assert.deepEqual(await listed(repo), first);
    await addSnapshots(repo, 80, 70);
    assert.deepEqual(await listed(repo), await truth(folder, store));
    assert.equal(rowsIn(repo, "snapshot_group"), 1);
    const bytes = groupBytes(repo);
    repo.cache.db.exec("DELETE FROM snapshot_group");
    await listed(repo);
    assert.equal(bytes, groupBytes(repo));
  });
});

test("the cache holds nothing of a manifest that can be read", async () => {
  await withSnapshots(100, async (repo) => {
    await listed(repo);
    repo.cache.db.pragma("wal_checkpoint(TRUNCATE)");
    const bytes = readFileSync(join(repo.cache.folder, "cache.db"), "latin1");
    assert.ok(bytes.length > 20_000);
    for (const text of ["secret-host", "varve test", "/srv"]) assert.ok(!bytes.includes(text));
  });
});
