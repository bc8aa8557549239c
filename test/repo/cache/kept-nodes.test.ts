/** Catalog nodes that the local cache keeps of stores that are far. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { packId } from "../../../src/base/ids.ts";
import { openTemporaryDatabase } from "../../../src/repo/cache/cache-database.ts";
import { KeptNodes } from "../../../src/repo/cache/kept-nodes.ts";
import type { Repository } from "../../../src/repo/repository.ts";
import { FaultStore } from "../../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../../src/repo/store/memory-store.ts";
import { plainTree, smallTree, storeTree } from "../../helpers/small-repository.ts";
import { newest, recording } from "../../helpers/snapshot-runs.ts";
import { makeRepository, reopenRepository, withFolder } from "../../helpers/test-repository.ts";

const packOf = (at: number) => packId(at.toString(16).padStart(2, "0").repeat(32));
const nodeOf = (at: number, length = 100) => ({
  pack: packOf(at),
  ordinal: at,
  sealed: new Uint8Array(length).fill(at),
});

test("what was kept is had back, and goes when there is no room, the oldest first", () => {
  const db = openTemporaryDatabase();
  const kept = new KeptNodes(db, 1000);
  kept.keep([nodeOf(1), nodeOf(2)]);
  // The same once more takes no room.
  for (let times = 0; times < 20; times++) kept.keep([nodeOf(2)]);
  assert.deepEqual(kept.get(nodeOf(1)), Buffer.from(nodeOf(1).sealed));
  assert.equal(kept.get({ pack: packOf(1), ordinal: 2 }), undefined);
  kept.keep([nodeOf(3, 800)]);
  assert.ok(kept.get(nodeOf(1)) !== undefined);
  kept.keep([nodeOf(4)]);
  assert.equal(kept.get(nodeOf(1)), undefined);
  for (const at of [2, 3, 4]) assert.ok(kept.get(nodeOf(at)) !== undefined, `${at} stays`);
  // Another process counts on.
  new KeptNodes(db, 1000).keep([nodeOf(5)]);
  assert.equal(kept.get(nodeOf(2)), undefined);
  kept.keep([nodeOf(6, 5000)]);
  assert.equal(db.prepare("SELECT count(*) FROM kept_node").pluck().get(), 0);
  db.close();
});

/** A store that says it is far, and writes down what is asked of it. */
class FarStore extends FaultStore {
  override readonly isNear = false;
}

async function pathsOf(repo: Repository): Promise<number> {
  await repo.loadIndex();
  const { snapshot } = await newest(repo);
  let entries = 0;
  for await (const leaf of repo.keptCatalogAt(snapshot.root).leaves())
    entries += leaf.entries.length;
  return entries;
}

test("nodes that this host wrote or read are not fetched; others, and wrong ones, are", () =>
  withFolder(async (folder) => {
    const log: string[] = [];
    const memory = new MemoryStore();
    const store = () => new FarStore(memory, recording(log));
    const ranges = () => log.filter((each) => each === "getRange packs").length;
    const writer = await makeRepository(folder, { store: store() });
    const tree = smallTree(1);
    await storeTree(writer, tree);
    const entries = plainTree(tree).size;
    log.length = 0;
    assert.equal(await pathsOf(writer), entries);
    assert.equal(ranges(), 0, "what was written is known");
    assert.ok(!log.includes("get snapshots"), "and the manifest");

    const reader = await reopenRepository(join(folder, "other"), { store: store() });
    assert.equal(await pathsOf(reader), entries);
    assert.ok(ranges() > 0, "another host reads");
    log.length = 0;
    assert.equal(await pathsOf(reader), entries);
    assert.equal(ranges(), 0, "once");

    reader.cache.db.exec("UPDATE kept_node SET sealed = zeroblob(length(sealed))");
    assert.equal(await pathsOf(reader), entries);
    assert.ok(ranges() > 0, "what does not open is read from the store");
    await writer.close();
    await reader.close();
  }));
