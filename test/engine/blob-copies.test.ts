/** A blob with several copies is there as long as one of them is: for readers, and for check. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { PackId } from "../../src/base/ids.ts";
import { type CatalogKey, type RawPath, rawPathFromText } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { dumpFile } from "../../src/engine/dump.ts";
import { prune } from "../../src/engine/prune.ts";
import { repairPacks } from "../../src/engine/repair-packs.ts";
import { repairSnapshots } from "../../src/engine/repair-snapshots.ts";
import { type RestoreProblem, restoreSnapshot } from "../../src/engine/restore.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { copyPack, cutPack, damageBlobs, idOf, livingPacks } from "../helpers/pack-copies.ts";
import { noise, plainTree, readTree, smallTree, storeTree } from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

/** Files of one task, and one that spans tasks. */
const tree = {
  ...smallTree(1),
  "home/wide": Array.from({ length: 200 }, (_, at) => noise(60_000, at + 500)),
};

interface Place {
  readonly folder: string;
  readonly store: MemoryStore;
  /** The store as it was without copies. */
  readonly bare: MemoryStore;
  /** Each pack with its copy; which of the two readers meet first is left to chance. */
  readonly pairs: readonly (readonly [PackId, PackId])[];
}

type Loss = (repo: Repository, store: MemoryStore, pack: PackId) => Promise<void>;

const losses: Record<string, Loss> = {
  damaged: damageBlobs,
  "cut short": (_, store, pack) => cutPack(store, pack),
  gone: (_, store, pack) => store.delete(packObject(pack)),
};

async function withCopies(use: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 1024 * 1024 });
    await storeTree(repo, tree);
    const packs = livingPacks(repo);
    assert.ok(packs.length > 8);
    const bare = store.fork();
    const pairs: [PackId, PackId][] = [];
    for (const pack of packs) pairs.push([pack, await copyPack(repo, pack)]);
    await repo.close();
    await use({ folder, store, bare, pairs });
  });
}

async function opened<T>(
  { folder, store }: Pick<Place, "folder"> & { readonly store: MemoryStore | FaultStore },
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

/** Of each pair one: an original, or a copy. */
const oneOfEach = ({ pairs }: Place) => pairs.map((pair, at) => pair[at % 3 === 1 ? 1 : 0]);

async function dumped(repo: Repository, path: string): Promise<Buffer> {
  const [record] = await repo.snapshots();
  assert.ok(record !== undefined);
  const pieces: Buffer[] = [];
  const write = async (bytes: Uint8Array) => {
    pieces.push(Buffer.from(bytes));
  };
  const key = path.slice(1).replaceAll("/", "\0") as CatalogKey;
  await dumpFile(repo, record, key, write, { threads: 2 });
  return Buffer.concat(pieces);
}

for (const [title, loss] of Object.entries(losses)) {
  test(`one copy of each blob is ${title}: all is read, dumped and restored`, async () => {
    await withCopies(async (place) => {
      await opened(place, async (repo) => {
        for (const pack of oneOfEach(place)) await loss(repo, place.store, pack);
      });
      await opened(place, async (repo) => {
        const [record] = await repo.snapshots();
        assert.ok(record !== undefined);
        assert.deepEqual(await readTree(repo, record.snapshot.root), plainTree(tree));
        for (const path of ["/home/wide", "/home/list"] as RawPath[]) {
          assert.ok((await dumped(repo, path)).equals(plainTree(tree).get(path) as Buffer));
        }
        const problems: RestoreProblem[] = [];
        const target = rawPathFromText(join(place.folder, "target"));
        const onProblem = (problem: RestoreProblem) => problems.push(problem);
        const options = { target, threads: 2, verify: true, onProblem };
        const result = await restoreSnapshot(repo, record, options);
        assert.deepEqual(
          problems.filter(({ operation }) => operation === "read" || operation === "verify"),
          [],
        );
        assert.equal(result.failed, 0);
        const files = [...plainTree(tree).values()].filter((bytes) => bytes !== null);
        assert.equal(result.verified, files.length);
      });
    });
  });
}

test("without damage, second copies cost no read", async () => {
  await withCopies(async (place) => {
    const count = async (inner: MemoryStore, name: string) => {
      let reads = 0;
      const beforeOperation = (kind: string, object: string) => {
        if (kind === "getRange" && object.startsWith("packs/")) reads++;
      };
      const store = new FaultStore(inner, { beforeOperation });
      await opened({ ...place, store }, async (repo) => {
        const [record] = await repo.snapshots();
        assert.ok(record !== undefined);
        await readTree(repo, record.snapshot.root);
        const target = rawPathFromText(join(place.folder, name));
        await restoreSnapshot(repo, record, { target, threads: 2 });
      });
      return reads;
    };
    const reads = await count(place.bare, "bare");
    assert.ok(reads > 100);
    assert.equal(await count(place.store, "copied"), reads);
  });
});

test("check names a pack whose blobs have other copies, and that it hurts nothing", async () => {
  await withCopies(async (place) => {
    const pack = place.pairs[0]?.[0];
    assert.ok(pack !== undefined);
    await opened(place, (repo) => damageBlobs(repo, place.store, pack));
    const report = await opened(place, (repo) => checkRepository(repo, { readData: true }));
    assert.deepEqual(
      report.damage.map(({ object, entriesHurt }) => [object, entriesHurt]),
      [[packObject(pack), 0]],
    );
    assert.deepEqual(report.hurtSnapshots, []);
    await opened(place, (repo) => repairPacks(repo, { packs: [pack] }));
    const { repaired, whole } = await opened(place, (repo) => repairSnapshots(repo));
    assert.deepEqual([repaired.length, whole], [0, 1]);
    const after = await opened(place, (repo) => checkRepository(repo, { readData: true }));
    assert.deepEqual(after.damage, []);
    await opened(place, (repo) => prune(repo));
    await opened(place, async (repo) => {
      const [record] = await repo.snapshots();
      assert.deepEqual(
        await readTree(repo, record?.snapshot.root ?? idOf(repo, "")),
        plainTree(tree),
      );
    });
  });
});

test("a catalog that is damaged in one copy is noticed by a check of the structure", async () => {
  await withCopies(async (place) => {
    await opened(place, async (repo) => {
      const [record] = await repo.snapshots();
      const found = repo.index.find(BlobKind.catalog, record?.snapshot.root ?? idOf(repo, ""));
      assert.ok(found !== undefined);
      const { pack } = repo.index.packInfo(found.packNo);
      await damageBlobs(repo, place.store, pack);
      const { damage, hurtSnapshots } = await opened(place, (again) => checkRepository(again));
      assert.deepEqual(
        damage.map(({ kind, object }) => [kind, object]),
        [["pack", packObject(pack)]],
      );
      assert.deepEqual(hurtSnapshots, []);
    });
  });
});

test("a blob is hurt when all its copies are", async () => {
  await withCopies(async (place) => {
    const { folder, store } = place;
    await opened(place, async (repo) => {
      for (const pack of livingPacks(repo)) await damageBlobs(repo, store, pack);
    });
    const report = await opened({ folder, store }, (repo) =>
      checkRepository(repo, { readData: true }),
    );
    assert.equal(report.isClean, false);
    assert.equal(report.hurtSnapshots.length, 1);
    assert.ok((report.hurtSnapshots[0]?.entriesHurt ?? 0) > 80);
  });
});
