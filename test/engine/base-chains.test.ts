/** Bases of bases: who needs a blob needs all that it stands on, and nothing stands on itself. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { PackId } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { prune } from "../../src/engine/prune.ts";
import { repairPacks } from "../../src/engine/repair-packs.ts";
import { restoreSnapshot } from "../../src/engine/restore.ts";
import { basesOf, standingCopy } from "../../src/repo/blob-lookup.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { buryPacks } from "../../src/repo/tombstones.ts";
import { type BlobToStore, damageBlobs, idOf, storePack } from "../helpers/pack-copies.ts";
import { noise, plainTree, readTree, storeTree, type Tree } from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

interface Place {
  readonly folder: string;
  readonly store: MemoryStore;
  /** Of the chain, from the bottom up. */
  readonly packs: readonly PackId[];
}

/** Each stands on the one before. */
const chain = Array.from({ length: 5 }, (_, n) =>
  Buffer.concat([noise(20_000, 1), Buffer.from(`change ${n}`)]),
);
const generations = [0, 8, 12, 14, 15];
const [bottom, second, third, , top] = chain as [Buffer, Buffer, Buffer, Buffer, Buffer];
const tree: Tree = { home: null, "home/top": [top] };
const later = 1_800_000_000_000_000_000n;

const pruneAll = (repo: Repository) => prune(repo, { maxUnused: { kind: "bytes", bytes: 0 } });

function linkOf(n: number): BlobToStore {
  const plaintext = chain[n] as Buffer;
  const [base, generation] = [chain[n - 1], generations[n]];
  return base === undefined || generation === undefined
    ? { plaintext }
    : { plaintext, base, generation };
}

/** With `store`, and nothing that earlier runs saw. */
async function fresh<T>(
  { folder, store }: Pick<Place, "folder" | "store">,
  use: (repo: Repository) => Promise<T>,
): Promise<T> {
  const repo = await reopenRepository(folder, { store, freshCache: true });
  try {
    await repo.loadIndex();
    return await use(repo);
  } finally {
    await repo.close();
  }
}

async function withEmpty(use: (place: Place, repo: Repository) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    try {
      await use({ folder, store, packs: [] }, repo);
    } finally {
      await repo.close();
    }
  });
}

/** A snapshot of the top of the chain alone; beside each link lies what nobody needs. */
async function withChain(use: (place: Place) => Promise<void>): Promise<void> {
  await withEmpty(async (place, repo) => {
    const packs: PackId[] = [];
    for (const n of chain.keys()) {
      packs.push(await storePack(repo, [{ plaintext: noise(3000, 50 + n) }, linkOf(n)]));
    }
    await storeTree(repo, tree);
    const standing = standingCopy(repo.index, BlobKind.data, idOf(repo, top));
    assert.equal(standing && basesOf(standing).length, 4);
    await use({ ...place, packs });
  });
}

/** By the reader of the main thread, and by a restore's workers. */
async function assertReads(place: Place, expected: Tree = tree): Promise<void> {
  await fresh(place, async (repo) => {
    const record = (await repo.snapshots()).at(-1);
    assert.ok(record !== undefined);
    assert.deepEqual(await readTree(repo, record.snapshot.root), plainTree(expected));
    const target = join(place.folder, "target") as RawPath;
    const { failed } = await restoreSnapshot(repo, record, { target, threads: 1, verify: true });
    assert.equal(failed, 0);
    for (const [path, bytes] of plainTree(expected)) {
      if (bytes !== null) assert.ok(fs.readFileSync(target + path).equals(bytes), path);
    }
    fs.rmSync(target, { recursive: true });
  });
}

async function assertClean(place: Place): Promise<void> {
  const { damage } = await fresh(place, (repo) => checkRepository(repo, { readData: true }));
  assert.deepEqual(damage, []);
}

test("a prune keeps and rewrites all that a blob stands on", async () => {
  await withChain(async (place) => {
    const { sweep } = await fresh(place, pruneAll);
    assert.equal(sweep?.deletedPacks, 5, "each had something that nobody needed");
    await assertReads(place);
    await assertClean(place);
    await fresh(place, async (repo) => {
      const standing = standingCopy(repo.index, BlobKind.data, idOf(repo, top));
      assert.deepEqual(
        standing && [standing.place, ...basesOf(standing)].map((copy) => copy.generation ?? 0),
        generations.toReversed(),
        "as they were",
      );
    });
  });
});

test("whatever of a chain only dying packs have is rescued", async () => {
  for (let dying = 1; dying < 2 ** 5; dying++) {
    await withChain(async (place) => {
      const buried = place.packs.filter((_, n) => (dying & (1 << n)) !== 0);
      await fresh(place, (repo) => buryPacks(repo, buried));
      await fresh(place, pruneAll);
      for (const pack of buried) assert.ok(!place.store.names("packs").includes(packObject(pack)));
      await assertReads(place);
      await assertClean(place);
    });
  }
});

test("a dying copy is rescued although one of another depth stands on the same", async () => {
  await withChain(async (place) => {
    // The third link lives on, too deep for the fourth; the one that served is dying.
    const deeper = { plaintext: third, base: second, generation: 0b1110 };
    await fresh(place, async (repo) => {
      await storePack(repo, [deeper]);
      await buryPacks(repo, [place.packs[2] as PackId]);
    });
    await fresh(place, pruneAll);
    await assertReads(place);
    await assertClean(place);
  });
});

test("two hosts: a blob and its base that stand on each other hold nobody up", async () => {
  await withEmpty(async (place, repo) => {
    // One host stores A on R and B on A. The other, for which the pack of A is dead, has B as it
    // is, and stores A on B.
    const [r, a, b] = [bottom, second, third];
    const both: Tree = { home: null, "home/a": [a], "home/b": [b] };
    await storePack(repo, [{ plaintext: r }]);
    const first = await storePack(repo, [{ plaintext: a, base: r, generation: 2 }]);
    await storePack(repo, [{ plaintext: b, base: a, generation: 3 }]);
    const whole = await storePack(repo, [{ plaintext: b }]);
    await storePack(repo, [{ plaintext: a, base: b, generation: 1 }]);
    await storeTree(repo, both);
    await fresh(place, (other) => buryPacks(other, [first]));
    const bare = place.store.fork();
    await fresh(place, pruneAll);
    await assertReads(place, both);
    await assertClean(place);
    // Nothing but the two that stand on each other is left: that is damage, and told as such.
    const lost = { ...place, store: bare };
    await bare.delete(packObject(first));
    await bare.delete(packObject(whole));
    await fresh(lost, async (other) => {
      await buryPacks(other, [whole]);
      await other.loadIndex();
      assert.equal(other.index.copies(BlobKind.data, idOf(other, a)).length, 1);
      for (const each of [a, b]) {
        assert.equal(other.index.find(BlobKind.data, idOf(other, each)), undefined);
        await assert.rejects(other.blobs.read(BlobKind.data, idOf(other, each)), {
          code: "blob-absent",
        });
      }
      const report = await checkRepository(other, { readData: true });
      assert.equal(report.hurtSnapshots.length, 1);
      assert.equal(report.hurtSnapshots[0]?.entriesHurt, 2);
      await assert.rejects(pruneAll(other), { code: "blob-absent" });
    });
    await fresh(lost, (other) => storeTree(other, both, { timeNs: later }));
    await fresh(lost, pruneAll);
    await assertReads(lost, both);
    await assertClean(lost);
  });
});

test("a damaged link hurts what stands on it, and is named; another copy stands in", async () => {
  for (const n of chain.keys()) {
    await withChain(async (place) => {
      const pack = place.packs[n] as PackId;
      await fresh(place, (repo) => damageBlobs(repo, place.store, pack));
      const report = await fresh(place, (repo) => checkRepository(repo, { readData: true }));
      assert.deepEqual(
        report.damage.map(({ object, entriesHurt }) => [object, entriesHurt]),
        [[packObject(pack), 1]],
      );
      await fresh(place, async (repo) => {
        const reading = repo.blobs.read(BlobKind.data, idOf(repo, top));
        await assert.rejects(reading, { code: "blob-damaged" });
        // The same bytes in a pack of their own, behind the damaged ones.
        await storePack(repo, [linkOf(n)]);
      });
      await assertReads(place);
      await fresh(place, (repo) => repairPacks(repo, { packs: [pack] }));
      await fresh(place, pruneAll);
      await assertReads(place);
      await assertClean(place);
    });
  }
});

test("repair packs saves each link that opens, a snapshot brings one that is lost", async () => {
  await withChain(async (place) => {
    const { store, packs } = place;
    await fresh(place, async (repo) => {
      for (const pack of packs.slice(0, 4)) await damageBlobs(repo, store, pack, [0]);
      await store.delete(packObject(packs[4] as PackId));
      const done = await repairPacks(repo, { packs });
      assert.deepEqual(
        done.map(({ saved, lost }) => saved - lost).sort(),
        [-2, 0, 0, 0, 0],
        "of each pack but the last one is saved, and one lost",
      );
    });
    await fresh(place, (repo) => storeTree(repo, tree, { timeNs: later }));
    await fresh(place, pruneAll);
    await assertReads(place);
    await assertClean(place);
  });
});
