/** The local cache does not grow with what was pruned; numbers of packs are never used again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { type LightTree, takeLight } from "../helpers/crash-light-writer.ts";
import { pruneAll } from "../helpers/crash-scenes.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { withPlace } from "../helpers/snapshot-place.ts";

const treeOf = (...numbers: number[]): LightTree =>
  new Map(numbers.map((n) => [`file-${n}`, noise(2000, n)]));

const count = (repo: Repository, table: string) =>
  repo.cache.db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;

interface Onlookers {
  readonly pruner: Repository;
  /** Loads the index before and after each prune. */
  readonly steady: Repository;
  /** Loads the index while packs are buried and index objects still name them. */
  readonly brief: Repository;
}

/** Each round stores something that is pruned at once. */
async function rounds(from: number, { pruner, steady, brief }: Onlookers): Promise<void> {
  for (let round = from; round < from + 25; round++) {
    const id = await takeLight(pruner, "brief", treeOf(round));
    await steady.loadIndex();
    await forgetSnapshots(pruner, [id]);
    await pruneAll(pruner);
    for (const repo of [pruner, steady, brief]) await repo.loadIndex();
  }
}

test("rows of dead packs go, in the pruner's cache and in those of onlookers", async () => {
  await withPlace(async (place) => {
    await (await place.init()).close();
    const brief = await place.open({ cache: "brief" });
    const highest = () =>
      brief.cache.db.prepare("SELECT max(no) FROM pack").pluck().get() as number;
    let highestSeen = 0;
    const store = new FaultStore(place.store, {
      beforeOperation: async (kind, name) => {
        if (kind !== "delete" || !name.startsWith("packs/")) return;
        await brief.loadIndex();
        highestSeen = Math.max(highestSeen, highest());
      },
    });
    const pruner = await place.open({ cache: "pruner", store });
    const all = { pruner, steady: await place.open({ cache: "steady" }), brief };
    // Much that stays, so that what goes is never a large part of all.
    await takeLight(pruner, "steady", treeOf(...Array.from({ length: 120 }, (_, n) => n)));
    await rounds(1000, all);
    for (const [name, repo] of Object.entries(all)) {
      const living = [...repo.index.livingPacks()];
      const blobs = living.reduce((sum, { blobCount }) => sum + blobCount, 0);
      assert.ok(count(repo, "blob") * 3 <= blobs * 4, "a quarter of the blobs at most is dead");
      const withBlobs = "pack WHERE state = 2 AND blob_count > 0";
      assert.equal(count(repo, "pack"), living.length + count(repo, withBlobs), name);
    }
    assert.ok(highest() < highestSeen, "the last one seen is gone");
    const { pack } = await storeLate(pruner);
    await brief.loadIndex();
    assert.ok((brief.index.packNumber(pack) ?? 0) > highestSeen, "no number is used again");
    for (const repo of Object.values(all)) await repo.close();
  });
});

/** A pack that comes after all others. */
async function storeLate(repo: Repository) {
  const before = new Set([...repo.index.livingPacks()].map(({ pack }) => pack));
  await takeLight(repo, "late", treeOf(3000));
  const late = [...repo.index.livingPacks()].find(({ pack }) => !before.has(pack));
  assert.ok(late !== undefined);
  return late;
}

test("what was seen of sessions that have ended is forgotten", async () => {
  await withPlace(async (place) => {
    const repo = await place.init();
    for (let i = 0; i < 5; i++) {
      const other = await place.open({ cache: "other" });
      const session = await Session.begin(other, "snapshot");
      await pruneAll(repo);
      assert.equal(count(repo, "session_look"), 1);
      await session.end();
      await other.close();
    }
    await pruneAll(repo);
    assert.equal(count(repo, "session_look"), 0);
    await repo.close();
  });
});
