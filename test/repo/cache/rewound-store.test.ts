/** An older copy of a repository, opened with the cache of the newer one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forgetSnapshots } from "../../../src/engine/forget.ts";
import { descriptionName, type Repository } from "../../../src/repo/repository.ts";
import { MemoryStore } from "../../../src/repo/store/memory-store.ts";
import type { Store } from "../../../src/repo/store/store.ts";
import { takeLight } from "../../helpers/crash-light-writer.ts";
import { pruneAll } from "../../helpers/crash-scenes.ts";
import { noise } from "../../helpers/file-fixtures.ts";
import { withPlace } from "../../helpers/snapshot-place.ts";

async function copyOf(store: Store): Promise<Store> {
  const copy = new MemoryStore();
  await copy.put(descriptionName, await store.get(descriptionName));
  for (const folder of ["keys", "snapshots", "index", "packs", "tombstones"]) {
    for await (const { name } of store.list(folder)) await copy.put(name, await store.get(name));
  }
  return copy;
}

const treeOf = (n: number) => new Map([[`file-${n}`, noise(2000, n)]]);

const living = (repo: Repository) => [...repo.index.livingPacks()].map(({ pack }) => pack).sort();

const verified = (repo: Repository) =>
  repo.cache.db.prepare("SELECT count(*) FROM verified_pack").pluck().get();

test("what only the newer one buried is there in the older one", async () => {
  await withPlace(async (place) => {
    const repo = await place.init();
    const id = await takeLight(repo, "old", treeOf(1));
    const older = await copyOf(place.store);
    const packs = living(repo);
    await takeLight(repo, "new", treeOf(2));
    await forgetSnapshots(repo, [id]);
    await pruneAll(repo);
    const newer = living(repo);
    repo.cache.db.prepare("INSERT INTO verified_pack VALUES (zeroblob(32), 1)").run();
    await repo.close();

    const rewound = await place.open({ store: older });
    await rewound.loadIndex();
    assert.deepEqual(living(rewound), packs);
    assert.equal(verified(rewound), 0, "what was verified was another copy");
    const strange = await place.open({ store: older, cache: "empty" });
    await strange.loadIndex();
    assert.deepEqual(living(strange), packs);
    for (const one of [rewound, strange]) await one.close();

    const again = await place.open();
    await again.loadIndex();
    assert.deepEqual(living(again), newer);
    await again.close();
  });
});

test("a merge of tombstones is not taken for it", async () => {
  await withPlace(async (place) => {
    const repo = await place.init();
    const onlooker = await place.open({ cache: "onlooker" });
    await takeLight(repo, "steady", treeOf(0));
    onlooker.cache.db.prepare("INSERT INTO verified_pack VALUES (zeroblob(32), 1)").run();
    let merges = 0;
    let before: string[] = [];
    for (let round = 1; round <= 12; round++) {
      const id = await takeLight(repo, "brief", treeOf(round));
      await forgetSnapshots(repo, [id]);
      await pruneAll(repo);
      await onlooker.loadIndex();
      const names: string[] = [];
      for await (const { name } of place.store.list("tombstones")) names.push(name);
      if (before.some((name) => !names.includes(name))) merges++;
      before = names;
      assert.equal(verified(onlooker), 1, `round ${round}`);
    }
    assert.ok(merges > 0);
    const known = onlooker.cache.db.prepare("SELECT count(*) FROM tombstone").pluck().get();
    assert.equal(known, before.length, "merged ones are dropped");
    for (const one of [repo, onlooker]) await one.close();
  });
});
