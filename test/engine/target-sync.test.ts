/** When restored bytes are brought to the disk, and what is told of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawPath } from "../../src/base/raw-path.ts";
import { TargetSync } from "../../src/engine/restore/target-sync.ts";
import { makeTarget, TargetTree } from "../../src/sources/target/target-tree.ts";
import { withFolder } from "../helpers/test-repository.ts";

const mib = 1024 * 1024;

test("it syncs by the way, one at a time, and at the end in any case", async () => {
  await withFolder(async (folder) => {
    makeTarget(folder as RawPath);
    const tree = TargetTree.open(folder as RawPath, { readOnly: false });
    const ends: ((error?: Error) => void)[] = [];
    const faults: unknown[] = [];
    const sync = new TargetSync({
      tree,
      syncTarget: () =>
        new Promise((resolve, reject) => {
          ends.push((error) => (error === undefined ? resolve() : reject(error)));
        }),
      onFault: (error) => faults.push(error),
    });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    sync.note(191 * mib);
    assert.equal(ends.length, 0, "too little yet");
    sync.note(192 * mib);
    sync.note(600 * mib);
    assert.equal(ends.length, 1, "one runs already");
    const delayed = new Error("a write that failed later");
    ends[0]?.(delayed);
    await turn();
    assert.deepEqual(faults, [delayed]);
    sync.note(601 * mib);
    assert.equal(ends.length, 2);
    let isDone = false;
    const done = sync.finish().then(() => {
      isDone = true;
    });
    await turn();
    assert.equal(ends.length, 2, "the end waits for the one that runs");
    ends[1]?.();
    await turn();
    assert.equal(ends.length, 3, "and then syncs once more");
    assert.equal(isDone, false);
    ends[2]?.();
    await done;
    await sync.settle();
    tree.close();
  });
});
