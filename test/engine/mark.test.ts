/** The mark of a prune names what readers of whole catalogs would ask for, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Content } from "../../src/base/entry.ts";
import { toHex } from "../../src/base/ids.ts";
import { markSnapshots } from "../../src/engine/mark.ts";
import { decodeList } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { noise, storeTree, type Tree } from "../helpers/small-repository.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

/** Places of all blobs that the catalogs name, as their entries' decoder sees them. */
async function needed(repo: Repository, records: readonly SnapshotRecord[]): Promise<Set<string>> {
  const places = new Set<string>();
  const add = (kind: BlobKind, id: Uint8Array) => {
    const place = repo.index.find(kind, id);
    assert.ok(place !== undefined);
    places.add(`${place.packNo} ${place.ordinal}`);
  };
  const addContent = async ({ depth, items }: Content) => {
    for (const { id } of items) {
      if (id === null) continue;
      add(depth === 0 ? BlobKind.data : BlobKind.list, id);
      if (depth > 0) await addContent(decodeList(await repo.blobs.read(BlobKind.list, id)));
    }
  };
  for (const record of records) {
    await repo.catalog(record).walkNodes({
      enter: (id) => {
        add(BlobKind.catalog, id);
        return true;
      },
      leaf: async ({ entries }) => {
        for (const { content } of entries) if (content !== undefined) await addContent(content);
      },
    });
  }
  return places;
}

/** Snapshots of one tree in which one file after the other changes. */
async function storeSeries(repo: Repository, count: number): Promise<SnapshotRecord[]> {
  const long = Array.from({ length: 150 }, (_, at) => `piece ${at} of a file with lists`);
  const tree: Record<string, Tree[string]> = { home: null, "home/long": long };
  for (let at = 0; at < 200; at++) tree[`home/${at}`] = [`content ${at}`];
  for (let at = 0; at < count; at++) {
    tree[`home/${(at * 37) % 200}`] = [noise(50 + (at % 7), at), "shared"];
    if (at % 50 === 0) long[at] = `version ${at}`;
    await storeTree(repo, tree, { timeNs: 1_700_000_000_000_000_000n + BigInt(at) });
  }
  return repo.snapshots();
}

test("of more snapshots than are read at once every blob is marked, and no other", async () => {
  await withFolder(async (folder) => {
    const repo = await makeRepository(folder, { store: new MemoryStore() });
    const all = await storeSeries(repo, 150);
    for (const records of [all, all.slice(0, 70), all.slice(-1), []]) {
      const reported: number[] = [];
      const used = await markSnapshots(repo, records, {
        onAbsent: (_, id) => assert.fail(toHex(id)),
        onSnapshot: (done, total) => {
          assert.equal(total, records.length);
          reported.push(done);
        },
      });
      const places = await needed(repo, records);
      assert.equal(used.blobs, places.size);
      for (const { packNo, blobCount } of repo.index.livingPacks()) {
        for (let ordinal = 0; ordinal < blobCount; ordinal++) {
          assert.equal(used.isUsed(packNo, ordinal), places.has(`${packNo} ${ordinal}`));
        }
      }
      assert.equal(reported.at(-1), records.length);
      assert.deepEqual(
        reported,
        reported.toSorted((a, b) => a - b),
      );
    }
    repo.cache.db.close();
  });
});
