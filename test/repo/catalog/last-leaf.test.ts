/** Looking up one entry after the other reads a leaf once while they lie in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyFromPath, type RawPath } from "../../../src/base/raw-path.ts";
import { FaultStore } from "../../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../../src/repo/store/memory-store.ts";
import { smallTree, storeTree } from "../../helpers/small-repository.ts";
import { newest, recording } from "../../helpers/snapshot-runs.ts";
import { makeRepository, withFolder } from "../../helpers/test-repository.ts";

test("an entry of the leaf that was read last costs nothing", () =>
  withFolder(async (folder) => {
    const log: string[] = [];
    const store = new FaultStore(new MemoryStore(), recording(log));
    const repo = await makeRepository(folder, { store });
    await storeTree(repo, smallTree(1));
    await repo.loadIndex();
    const catalog = repo.catalog(await newest(repo));
    const find = (path: string) => catalog.find(keyFromPath(path as RawPath));
    assert.ok((await find("/home/small-120")) !== undefined);
    log.length = 0;
    assert.ok((await find("/home/small-120")) !== undefined);
    assert.deepEqual(log, []);
    // Others are still found, there and back.
    assert.ok((await find("/home/small-179")) !== undefined);
    assert.ok((await find("/home/empty")) !== undefined);
    assert.ok((await find("/home/small-120")) !== undefined);
    assert.equal(await find("/home/small-12"), undefined);
    await repo.close();
  }));
