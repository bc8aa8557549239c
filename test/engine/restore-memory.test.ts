/** A restore reads ranges of packs into a few buffers that come back from the workers. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { RawPath } from "../../src/base/raw-path.ts";
import { restoreSnapshot } from "../../src/engine/restore.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import type { StoreGetOptions } from "../../src/repo/store/store.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { withPlace } from "../helpers/snapshot-place.ts";
import { takeSnapshot } from "../helpers/snapshot-runs.ts";

const MiB = 1024 * 1024;

/** Counts the buffers that it is given to read ranges into: each new one is all zeros. */
class CountingStore extends LocalStore {
  buffers = 0;
  reads = 0;

  override async getRange(
    name: string,
    offset: number,
    length: number,
    options: StoreGetOptions = {},
  ): Promise<Uint8Array> {
    const { into } = options;
    if (into !== undefined) {
      this.reads++;
      if (new Uint8Array(into).every((byte) => byte === 0)) this.buffers++;
    }
    const found = await super.getRange(name, offset, length, options);
    if (into !== undefined) assert.equal(found.buffer, into, "it lies in the memory given");
    return found;
  }
}

test("many ranges are read into a few buffers, and what is restored is right", async () => {
  await withPlace(async (place) => {
    const store = new CountingStore(join(place.folder, "repository"), { create: true });
    const repo = await place.init({ store });
    const files = Array.from({ length: 24 }, (_, n) => noise(MiB / 2, n + 1));
    for (const [n, bytes] of files.entries()) place.write(`file${n}`, bytes);
    await takeSnapshot(repo, place.root);
    const [record] = await repo.snapshots();
    assert.ok(record !== undefined);
    const target = join(place.folder, "target");
    const result = await restoreSnapshot(repo, record, { target: target as RawPath, threads: 1 });
    await repo.close();
    assert.equal(result.problems, 0);
    for (const [n, bytes] of files.entries()) {
      assert.deepEqual(fs.readFileSync(join(target, place.root, `file${n}`)), Buffer.from(bytes));
    }
    assert.ok(store.reads >= 10, `${store.reads} reads`);
    // Two with the worker, and the next two.
    assert.ok(store.buffers >= 1 && store.buffers <= 4, `${store.buffers} buffers`);
  });
});
