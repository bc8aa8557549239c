/** Copies of one repository at several places, used at once with one cache folder. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { forgetSnapshots } from "../../../src/engine/forget.ts";
import type { Repository } from "../../../src/repo/repository.ts";
import { LocalStore } from "../../../src/repo/store/local-store.ts";
import { takeLight } from "../../helpers/crash-light-writer.ts";
import { pruneAll } from "../../helpers/crash-scenes.ts";
import { noise } from "../../helpers/file-fixtures.ts";
import { withPlace } from "../../helpers/snapshot-place.ts";

const treeOf = (n: number) => new Map([[`file-${n}`, noise(2000, n)]]);

async function living(repo: Repository): Promise<string[]> {
  await repo.loadIndex();
  return [...repo.index.livingPacks()].map(({ pack }) => pack).sort();
}

const generation = (repo: Repository) =>
  repo.cache.db.prepare("SELECT value FROM setting WHERE name = 'generation'").pluck().get();

test("each has a cache, which the other's prunes do not empty", async () => {
  await withPlace(async (place) => {
    const [here, there] = ["here", "there"].map((name) => join(place.folder, name));
    assert.ok(here !== undefined && there !== undefined);
    const one = await place.init({ store: new LocalStore(here, { create: true }) });
    const id = await takeLight(one, "old", treeOf(1));
    const packs = await living(one);
    fs.cpSync(here, there, { recursive: true });
    const other = await place.open({ store: new LocalStore(there) });
    await takeLight(other, "new", treeOf(2));
    await forgetSnapshots(other, [id]);
    await pruneAll(other);
    const left = await living(other);
    assert.notDeepEqual(left, packs);
    const before = generation(other);
    for (let turn = 0; turn < 2; turn++) {
      assert.deepEqual(await living(one), packs, "here");
      assert.deepEqual(await living(other), left, "there");
    }
    assert.equal(generation(other), before, "it was not emptied");
    assert.notEqual(one.cache.folder, other.cache.folder);
    for (const repo of [one, other]) await repo.close();
  });
});

test("a repository that was moved is read at its new place", async () => {
  await withPlace(async (place) => {
    const [here, there] = [join(place.folder, "here"), join(place.folder, "there")];
    const repo = await place.init({ store: new LocalStore(here, { create: true }) });
    await takeLight(repo, "light", treeOf(1));
    const packs = await living(repo);
    await repo.close();
    fs.renameSync(here, there);
    const moved = await place.open({ store: new LocalStore(there) });
    assert.deepEqual(await living(moved), packs);
    assert.equal((await moved.snapshots()).length, 1);
    await moved.close();
  });
});
