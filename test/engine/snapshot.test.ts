/** Snapshots of real trees: what they show, what they store, and what they ask of the store. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { packId } from "../../src/base/ids.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { buryPacks } from "../../src/repo/tombstones.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { type Place, withRepository } from "../helpers/snapshot-place.ts";
import {
  assertClean,
  assertNewestShows,
  bytesIn,
  namesIn,
  newest,
  objectsIn,
  recording,
  runsLong,
  takeSnapshot,
} from "../helpers/snapshot-runs.ts";
import { entriesOf, shownOnDisk } from "../helpers/snapshot-shown.ts";

/** A few folders, text that compresses, noise that does not, and empty things. */
function makeTree(place: Place): void {
  for (let i = 0; i < 30; i++) place.write(`docs/${i % 3}/note-${i}`, `note ${i}\n`.repeat(i * 40));
  place.write("noise/small", noise(20_000, 3));
  place.write("noise/large", noise(3_000_000, 4));
  place.write("empty-file", "");
  fs.mkdirSync(place.at("empty-folder"));
  fs.symlinkSync("docs/0/note-0", place.at("link"));
  fs.chmodSync(place.at("docs/1/note-1"), 0o4751);
  fs.utimesSync(place.at("docs/2"), 1, 1);
}

const sortedCounts = (log: readonly string[]) => {
  const counts: Record<string, number> = {};
  for (const line of [...log].sort()) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
};

test("a first snapshot shows the tree", async () => {
  await withRepository(async (repo, place) => {
    makeTree(place);
    const result = await takeSnapshot(repo, place.root, { tags: ["one"] });
    const { snapshot } = result;
    const shown = shownOnDisk(place.root);
    assert.equal(result.unchanged, false);
    assert.equal(result.parent, undefined);
    assert.equal(snapshot.problems, 0);
    assert.equal(snapshot.previous, null);
    assert.deepEqual(snapshot.tags, ["one"]);
    // The folders above the root are entries as well.
    const above = place.root.split("/").length - 2;
    assert.equal(Number(snapshot.totals.entries), Object.keys(shown).length + above);
    assert.equal(Number(snapshot.totals.files), 33);
    const bytes = fs
      .readdirSync(place.root, { recursive: true, encoding: "utf8" })
      .map((path) => fs.lstatSync(place.at(path)))
      .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
    assert.equal(Number(snapshot.totals.bytes), bytes);
    assert.ok(snapshot.added.blobs > 30 && snapshot.added.rawBytes >= bytes);
    await assertNewestShows(repo, place.root, shown);
    await assertClean(repo);
  });
});

test("progress says from its first word on what the snapshot before held", async () => {
  await withRepository(async (repo, place) => {
    makeTree(place);
    const expected: (number | undefined)[] = [];
    const onProgress = (now: { expectedBytes: number | undefined }) =>
      expected.push(now.expectedBytes);
    const { snapshot } = await takeSnapshot(repo, place.root, { onProgress });
    assert.deepEqual([...new Set(expected.splice(0))], [undefined]);
    await takeSnapshot(repo, place.root, { onProgress });
    assert.deepEqual([...new Set(expected)], [Number(snapshot.totals.bytes)]);
  });
});

test("a snapshot of an unchanged tree stores one object and asks little", async () => {
  const log: string[] = [];
  const store = new FaultStore(new MemoryStore());
  const use = async (repo: Repository, place: Place) => {
    // So few entries are always one leaf, whatever the folder's random name does to the cuts.
    for (let i = 0; i < 8; i++) place.write(`folder/file-${i}`, noise(1000, i));
    const first = await takeSnapshot(repo, place.root);
    const before = await bytesIn(store, "snapshots");
    store.reset(recording(log));
    const second = await takeSnapshot(repo, place.root);
    store.reset();
    assert.equal(second.unchanged, true);
    assert.equal(second.parent, first.id);
    assert.deepEqual(second.snapshot.root, first.snapshot.root);
    assert.deepEqual(second.snapshot.added, { blobs: 0, bytes: 0, rawBytes: 0 });
    assert.equal(second.progress.readBytes, 0);
    // Whether packs are lost costs nothing here: one listing for each folder that has some.
    const { "list packs": listings = 0, ...counts } = sortedCounts(log);
    assert.ok(listings >= 1 && listings <= 2);
    assert.deepEqual(counts, {
      "delete sessions": 1,
      // The first snapshot's manifest, which this cache has not seen yet.
      "get snapshots": 1,
      // The catalog's one leaf.
      "getRange packs": 1,
      "list fences": 3,
      "list index": 1,
      "list snapshots": 1,
      "list tombstones": 2,
      "put sessions": 1,
      "put snapshots": 1,
    });
    assert.ok((await bytesIn(store, "snapshots")) - before < 2000);
    assert.equal((await namesIn(store, "sessions")).length, 0);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
  };
  await withRepository(use, { store });
});

test("a changed, an added and a removed file, and a renamed folder", async () => {
  await withRepository(async (repo, place) => {
    makeTree(place);
    await takeSnapshot(repo, place.root);

    place.write("docs/0/note-0", "changed");
    const changed = await takeSnapshot(repo, place.root);
    assert.equal(changed.progress.changedFiles, 1);
    assert.equal(changed.progress.newFiles, 0);
    assert.equal(changed.progress.readBytes, 7);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));

    place.write("docs/0/added", "added");
    fs.unlinkSync(place.at("noise/large"));
    const moved = await takeSnapshot(repo, place.root);
    assert.equal(moved.progress.newFiles, 1);
    assert.equal(moved.progress.changedFiles, 0);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));

    fs.renameSync(place.at("docs"), place.at("papers"));
    const renamed = await takeSnapshot(repo, place.root);
    assert.equal(renamed.progress.newFiles, 31);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    const { added } = renamed.snapshot;
    assert.ok(added.blobs <= 4, `${added.blobs} blobs: only catalog nodes are new`);
    await assertClean(repo);
  });
});

test("hard links are read once and shown as one file", async () => {
  await withRepository(async (repo, place) => {
    place.write("one/a", noise(50_000, 5));
    place.write("large/a", noise(5_000_000, 6));
    fs.mkdirSync(place.at("two"));
    fs.linkSync(place.at("one/a"), place.at("two/b"));
    fs.linkSync(place.at("large/a"), place.at("two/c"));
    fs.symlinkSync("x", place.at("one/link"));
    fs.linkSync(place.at("one/link"), place.at("two/link"));
    const { progress } = await takeSnapshot(repo, place.root);
    assert.equal(progress.readBytes, 5_050_000);
    await repo.loadIndex();
    const entries = await entriesOf(repo, await newest(repo), place.root);
    const linked = entries.filter((entry) => entry.hardLink !== undefined);
    assert.equal(linked.length, 6);
    assert.equal(new Set(linked.map(({ hardLink, inode }) => `${hardLink} ${inode}`)).size, 3);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));

    // One name goes: the others stay one file, and nothing is read for it but metadata.
    fs.unlinkSync(place.at("one/a"));
    const second = await takeSnapshot(repo, place.root);
    assert.equal(second.snapshot.added.rawBytes < 50_000, true);
    await repo.loadIndex();
    const after = await entriesOf(repo, await newest(repo), place.root);
    assert.equal(after.filter((entry) => entry.hardLink !== undefined).length, 4);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
  });
});

test("force reads everything again and stores nothing", async () => {
  await withRepository(async (repo, place) => {
    makeTree(place);
    const first = await takeSnapshot(repo, place.root);
    const forced = await takeSnapshot(repo, place.root, { force: true });
    assert.equal(forced.progress.readBytes, first.progress.readBytes);
    assert.equal(forced.snapshot.added.blobs, 0);
    assert.equal(forced.unchanged, true);
  });
});

test("a new change time alone means reading, unless it is to be ignored", async () => {
  await withRepository(async (repo, place) => {
    place.write("file", noise(10_000, 8));
    place.write("other", noise(10_000, 9));
    await takeSnapshot(repo, place.root);
    fs.chmodSync(place.at("file"), 0o600);
    const ignoring = await takeSnapshot(repo, place.root, { ignoreCtime: true });
    assert.equal(ignoring.progress.readBytes, 0);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    fs.chmodSync(place.at("file"), 0o640);
    const reading = await takeSnapshot(repo, place.root);
    assert.equal(reading.progress.readBytes, 10_000);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
  });
});

test("a dry run writes nothing and tells what it would add", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      makeTree(place);
      store.reset();
      const first = await takeSnapshot(repo, place.root, { dryRun: true });
      assert.equal(store.mutations, 0);
      assert.equal(first.id, undefined);
      const real = await takeSnapshot(repo, place.root);
      assert.deepEqual(first.progress, real.progress);
      assert.deepEqual(first.snapshot.root, real.snapshot.root);
      store.reset();
      place.write("new", noise(1000, 10));
      const second = await takeSnapshot(repo, place.root, { dryRun: true });
      assert.equal(store.mutations, 0);
      assert.equal(second.snapshot.added.rawBytes, 1000);
      // Nothing of it may be taken for stored later.
      await takeSnapshot(repo, place.root);
      await assertNewestShows(repo, place.root, shownOnDisk(place.root));
      await assertClean(repo);
    },
    { store },
  );
});

test("skipIfUnchanged makes no snapshot of an unchanged tree", async () => {
  const store = new FaultStore(new MemoryStore());
  const use = async (repo: Repository, place: Place) => {
    makeTree(place);
    await takeSnapshot(repo, place.root, { skipIfUnchanged: true });
    store.reset();
    const again = await takeSnapshot(repo, place.root, { skipIfUnchanged: true });
    assert.equal(again.id, undefined);
    assert.equal(again.unchanged, true);
    assert.deepEqual([store.counts.put, store.counts.delete], [1, 1]);
    assert.equal((await namesIn(store, "snapshots")).length, 1);
    fs.chmodSync(place.at("empty-file"), 0o600);
    const changed = await takeSnapshot(repo, place.root, { skipIfUnchanged: true });
    assert.notEqual(changed.id, undefined);
  };
  await withRepository(use, { store });
});

test("many small snapshots leave few index objects", async () => {
  await withRepository(async (repo, place) => {
    const count = runsLong ? 100 : 24;
    for (let i = 0; i < count; i++) {
      place.write("file", `${i}`);
      await takeSnapshot(repo, place.root);
    }
    const objects = (await namesIn(place.store, "index")).length;
    assert.ok(objects < 10, `${objects} index objects of ${count} snapshots`);
    const stranger = await place.open({ freshCache: true });
    await assertNewestShows(stranger, place.root, shownOnDisk(place.root));
    await assertClean(stranger);
    await stranger.close();
  });
});

/** Takes packs away as a prune does; what only they had is lost. */
async function losePacks(place: Place, names: readonly string[]): Promise<void> {
  const other = await place.open({ cache: "elsewhere" });
  await buryPacks(
    other,
    names.map((name) => packId(name.slice(-64))),
  );
  for (const name of names) await place.store.delete(name);
  await other.close();
}

test("once packs died, the next snapshot looks everything up and heals what is lost", async () => {
  await withRepository(async (repo, place) => {
    makeTree(place);
    await takeSnapshot(repo, place.root);
    const old = await namesIn(place.store, "packs");
    place.write("docs/added", "added");
    await takeSnapshot(repo, place.root);
    const calm = await takeSnapshot(repo, place.root);
    assert.equal(calm.progress.readBytes, 0);
    // All of the first snapshot is gone: data and most of the catalog.
    await losePacks(place, old);
    const healing = await takeSnapshot(repo, place.root);
    assert.ok(healing.progress.readBytes > 3_000_000, "lost files are read again");
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    const after = await takeSnapshot(repo, place.root);
    assert.equal(after.progress.readBytes, 0);
    assert.equal(after.snapshot.added.blobs, 0);
  });
});

test("only what was lost is read and stored again", async () => {
  await withRepository(async (repo, place) => {
    place.write("a", noise(200_000, 11));
    await takeSnapshot(repo, place.root);
    const first = await namesIn(place.store, "packs");
    place.write("b", noise(300_000, 12));
    await takeSnapshot(repo, place.root);
    const second = await objectsIn(place.store, "packs");
    const data = second.filter(({ name, size }) => !first.includes(name) && size > 200_000);
    assert.equal(data.length, 1);
    await losePacks(
      place,
      data.map(({ name }) => name),
    );
    const healing = await takeSnapshot(repo, place.root);
    assert.equal(healing.progress.readBytes, 300_000);
    assert.ok(healing.snapshot.added.rawBytes < 310_000);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    await assertClean(repo);
  });
});

test("a parent whose catalog is lost is no hindrance", async () => {
  await withRepository(async (repo, place) => {
    for (let i = 0; i < 3; i++) place.write(`file-${i}`, noise(50_000, 20 + i));
    await takeSnapshot(repo, place.root);
    const packs = await objectsIn(place.store, "packs");
    const catalog = packs.filter(({ size }) => size < 50_000).map(({ name }) => name);
    assert.equal(catalog.length, 1);
    await losePacks(place, catalog);
    const healing = await takeSnapshot(repo, place.root);
    assert.equal(healing.progress.readBytes, 150_000);
    assert.ok(healing.snapshot.added.rawBytes < 10_000, "only the catalog is stored again");
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
  });
});
