/** How many names `strip` may take from the paths of a restore. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { type CatalogKey, rawPathFromText } from "../../src/base/raw-path.ts";
import { type RestoreOptions, restoreSnapshot } from "../../src/engine/restore.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";
import { file, folder, makeSnapshot } from "./restore-snapshots.ts";

type Restore = (
  more: Partial<RestoreOptions>,
) => Promise<Awaited<ReturnType<typeof restoreSnapshot>>>;

/** Restores of a snapshot of /home/a/one, /home/top and the empty folder /home/b. */
async function inPlace(use: (restore: Restore, target: string) => Promise<void>): Promise<void> {
  await withFolder(async (top) => {
    const repo = await makeRepository(top);
    const target = path.join(top, "target");
    try {
      const made = [file("/home/a/one", "1"), file("/home/top", "2"), folder("/home/b")];
      const record = await makeSnapshot(repo, made);
      const options = { target: rawPathFromText(target), threads: 1 };
      await use((more) => restoreSnapshot(repo, record, { ...options, ...more }), target);
    } finally {
      await repo.close();
    }
  });
}

const keys = (...paths: string[]) => paths.map((text) => text.replaceAll("/", "\0") as CatalogKey);

test("what leaves nothing of any path is refused before anything is written", async () => {
  await inPlace(async (restore, target) => {
    for (const more of [
      { strip: 99 },
      { strip: 3 },
      { strip: 3, paths: keys("home/a/one") },
      { strip: 3, paths: keys("home/a") },
      { strip: 3, paths: keys("home/b", "home/top"), delete: true },
      { strip: 4, dryRun: true },
    ]) {
      await assert.rejects(restore(more), { code: "usage", message: /would leave nothing/ });
      assert.equal(fs.existsSync(target), false, JSON.stringify(more));
    }
    await assert.rejects(restore({ strip: 99 }), { hint: /3 names: strip at most 2\./ });
  });
});

test("what it leaves of some paths is restored, and the others are counted", async () => {
  await inPlace(async (restore, target) => {
    const { files, stripped } = await restore({ strip: 2 });
    assert.deepEqual([files, stripped], [1, 1]);
    assert.deepEqual(fs.readdirSync(target), ["one"]);
    assert.equal((await restore({ strip: 1, dryRun: true })).stripped, 0);
    assert.equal((await restore({ strip: 2, dryRun: true })).stripped, 1);
  });
});

test("an empty folder may stand for the target", async () => {
  await inPlace(async (restore, target) => {
    fs.mkdirSync(target);
    fs.writeFileSync(path.join(target, "old"), "");
    const { deleted } = await restore({ strip: 2, paths: keys("home/b"), delete: true });
    assert.equal(deleted, 1);
    assert.deepEqual(fs.readdirSync(target), []);
  });
});
