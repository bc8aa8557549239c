/** Packs that cannot be put end a snapshot with the store's error, whoever waits for what. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "../../src/base/errors.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { withPlace } from "../helpers/snapshot-place.ts";
import { takeSnapshot } from "../helpers/snapshot-runs.ts";

/** Fails late, when both buffers of a worker are full and main waits for the worker. */
class FailingStore extends LocalStore {
  override async put(name: string, data: Uint8Array): Promise<void> {
    if (!name.startsWith("packs/")) return super.put(name, data);
    await sleep(100);
    throw new VarveError("store-unreachable", "The store is gone.");
  }
}

test("a large file whose packs all fail is no snapshot, and nothing waits for ever", {
  timeout: 60_000,
}, async () => {
  await withPlace(async (place) => {
    const store = new FailingStore(join(place.folder, "repository"), { create: true });
    const repo = await place.init({ store });
    place.write("file", noise(48 * 1024 * 1024, 1));
    for (const threads of [1, 2]) {
      await assert.rejects(takeSnapshot(repo, place.root, { threads }), {
        code: "store-unreachable",
      });
    }
    await repo.close();
  });
});
