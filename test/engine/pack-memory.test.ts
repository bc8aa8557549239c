/** `check --read-data` reads packs into a few buffers that come back, not into ever new memory. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { PackMemory } from "../../src/engine/check/pack-memory.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import type { StoreGetOptions } from "../../src/repo/store/store.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { withPlace } from "../helpers/snapshot-place.ts";
import { takeSnapshot } from "../helpers/snapshot-runs.ts";

const MiB = 1024 * 1024;

/** Counts the buffers that it is given to read packs into: each new one is all zeros. */
class CountingStore extends LocalStore {
  buffers = 0;
  reads = 0;

  override async get(name: string, options: StoreGetOptions = {}): Promise<Uint8Array> {
    const { into } = options;
    if (into !== undefined) {
      this.reads++;
      const bytes = new Uint8Array(into);
      if (bytes.every((byte) => byte === 0)) this.buffers++;
    }
    const found = await super.get(name, options);
    if (into !== undefined) assert.equal(found.buffer, into, "it lies in the memory given");
    return found;
  }
}

test("a check reads many packs into a few buffers, and finds them sound", async () => {
  await withPlace(async (place) => {
    const store = new CountingStore(join(place.folder, "repository"), { create: true });
    const repo = await place.init({ store });
    place.write("file", noise(12 * MiB, 1));
    await takeSnapshot(repo, place.root);
    const { damage, data } = await checkRepository(repo, { readData: true, threads: 1 });
    await repo.close();
    assert.deepEqual(damage, []);
    assert.ok(data !== undefined && data.packs >= 6, `${data?.packs} packs`);
    assert.equal(store.reads, data.packs);
    assert.ok(store.buffers >= 1 && store.buffers <= 2, `${store.buffers} buffers`);
  });
});

test("memory that was given back is taken again; other memory, and too much, is not kept", () => {
  const memory = new PackMemory(100, 1);
  assert.equal(memory.take(101), undefined);
  const first = memory.take(100);
  const second = memory.take(1);
  assert.equal(first?.byteLength, 100);
  for (const back of [undefined, new ArrayBuffer(99), new SharedArrayBuffer(100), first, second]) {
    memory.giveBack(back);
  }
  assert.equal(memory.take(50), first);
  assert.notEqual(memory.take(50), second, "one was kept");
});

test("a store leaves memory alone that is too small", async () => {
  await withPlace(async ({ folder }) => {
    const store = new LocalStore(folder, { create: true });
    const whole = Uint8Array.of(1, 2, 3);
    await store.put("varve.json", whole);
    for (const bytes of [2, 3, 10]) {
      const into = new ArrayBuffer(bytes);
      const found = await store.get("varve.json", { into });
      assert.deepEqual(found, whole);
      assert.equal(found.buffer === into, bytes >= 3);
    }
  });
});
