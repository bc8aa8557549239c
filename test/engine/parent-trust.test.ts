/**
 * A snapshot must not trust its parent (docs/concurrency.md, "Writer", 3): that a listed snapshot
 * names a blob does not say that a living pack has it. Here the parent stands on a dying pack that
 * nobody waits for on the child's behalf: the tombstone is older than the child's lease.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SnapshotId } from "../../src/base/ids.ts";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore, SimulatedCrash } from "../../src/repo/store/fault-store.ts";
import type { Store } from "../../src/repo/store/store.ts";
import { pruneAll } from "../helpers/crash-scenes.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { type Place, withPlace } from "../helpers/snapshot-place.ts";
import {
  assertClean,
  assertNewestShows,
  namesIn,
  newest,
  takeSnapshot,
} from "../helpers/snapshot-runs.ts";
import { shownOnDisk } from "../helpers/snapshot-shown.ts";

async function as<T>(
  place: Place,
  cache: string,
  use: (repo: Repository) => Promise<T>,
  store: Store = place.store,
): Promise<T> {
  const repo = await place.open({ store, cache });
  try {
    return await use(repo);
  } finally {
    await repo.close();
  }
}

/** Calls `act` once, just before the first object of the folder is put. */
function beforePut(inner: Store, folder: string, act: () => Promise<void>): FaultStore {
  let isDone = false;
  return new FaultStore(inner, {
    beforeOperation: async (kind, name) => {
      if (isDone || kind !== "put" || !name.startsWith(`${folder}/`)) return;
      isDone = true;
      await act();
    },
  });
}

/** A snapshot whose content lies in a dying pack alone, since its writer died before its rescue. */
async function makeParentOnDyingPack(place: Place): Promise<SnapshotId> {
  await (await place.init({ cache: "init" })).close();
  await as(place, "other", async (repo) => {
    const { id } = await takeSnapshot(repo, place.root, { host: "other" });
    assert.ok(id !== undefined);
    await forgetSnapshots(repo, [id]);
  });
  // So that its catalog is another, which the child can read: it is stored after the burial.
  place.write("small", "small");
  const buried = beforePut(place.store, "packs", async () => {
    const { sweep } = await as(place, "pruner", pruneAll);
    assert.ok((sweep?.waitingPacks ?? 0) > 0 && sweep?.deletedPacks === 0);
  });
  let isCommitted = false;
  const dying = new FaultStore(buried, {
    beforeOperation: (kind, name) => {
      if (kind === "put" && name.startsWith("snapshots/")) isCommitted = true;
      const isRescue = isCommitted && kind === "list" && name === "tombstones";
      if (isRescue) throw new SimulatedCrash("after the commit, before the rescue");
    },
  });
  const write = (repo: Repository) => takeSnapshot(repo, place.root);
  await assert.rejects(as(place, "parent", write, dying), SimulatedCrash);
  return (await as(place, "pruner", newest)).id;
}

test("what only the parent says is there is stored again", async () => {
  await withPlace(async (place) => {
    place.write("file", noise(50_000, 1));
    const parent = await makeParentOnDyingPack(place);
    const packs = new Set(await namesIn(place.store, "packs"));
    const store = beforePut(place.store, "snapshots", async () => {
      // The parent goes, and with it the last who needed the dying pack, or was waited for.
      await as(place, "pruner", (repo) => forgetSnapshots(repo, [parent]));
      let deleted = 0;
      for (let i = 0; i < 3; i++) {
        place.clock.pass(3 * 60_000);
        const { sweep } = await as(place, "pruner", pruneAll);
        deleted += sweep?.deletedPacks ?? 0;
        if (deleted > 0) break;
      }
      assert.ok(deleted > 0, "the dying pack was deleted while the child was at work");
    });
    const write = (repo: Repository) => takeSnapshot(repo, place.root);
    const { snapshot } = await as(place, "child", write, store);
    assert.equal(snapshot.previous, parent);
    const left = await namesIn(place.store, "packs");
    assert.ok(left.filter((name) => packs.has(name)).length < packs.size);
    await as(place, "reader", async (repo) => {
      await assertNewestShows(repo, place.root, shownOnDisk(place.root));
      await assertClean(repo);
      await pruneAll(repo);
      await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    });
    assert.ok(snapshot.added.rawBytes >= 50_000, "the file was read again");
  });
});
