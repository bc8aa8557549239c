/** Prunes of repositories that nobody else uses: what goes, what stays, what is refused. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import type { SnapshotId } from "../../src/base/ids.ts";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import { type PrunePhase, prune } from "../../src/engine/prune.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { listTombstones } from "../../src/repo/tombstones.ts";
import { takeLight } from "../helpers/crash-light-writer.ts";
import { assertTidy } from "../helpers/crash-recovery.ts";
import { pruneAll } from "../helpers/crash-scenes.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { hostOf, type Place, withPlace, withRepository } from "../helpers/snapshot-place.ts";
import {
  assertClean,
  assertNewestShows,
  bytesIn,
  failsWith,
  namesIn,
  objectsIn,
  takeSnapshot,
} from "../helpers/snapshot-runs.ts";
import { shownOnDisk } from "../helpers/snapshot-shown.ts";

async function snapshotId(repo: Repository, place: Place): Promise<SnapshotId> {
  const { id } = await takeSnapshot(repo, place.root);
  assert.ok(id !== undefined);
  return id;
}

/** A snapshot whose pack is needed in part, one whose pack is not, and the newest. */
async function makeHistory(repo: Repository, place: Place): Promise<SnapshotId[]> {
  place.write("steady", noise(100_000, 1));
  place.write("gone", noise(150_000, 2));
  const first = await snapshotId(repo, place);
  fs.unlinkSync(place.at("gone"));
  place.write("brief", noise(120_000, 3));
  const second = await snapshotId(repo, place);
  fs.unlinkSync(place.at("brief"));
  place.write("late", noise(80_000, 4));
  await snapshotId(repo, place);
  return [first, second];
}

test("a prune gives back what forgotten snapshots alone needed", async () => {
  await withRepository(async (repo, place) => {
    const old = await makeHistory(repo, place);
    const before = await bytesIn(place.store, "packs");
    await forgetSnapshots(repo, old);
    const phases: PrunePhase[] = [];
    const { plan, orphans, sweep } = await prune(repo, {
      maxUnused: { kind: "bytes", bytes: 0 },
      onProgress: (phase) => {
        if (phases.at(-1) !== phase) phases.push(phase);
      },
    });
    const after = await bytesIn(place.store, "packs");
    assert.deepEqual(phases, ["mark", "rewrite", "bury", "sweep", "tidy"]);
    assert.deepEqual(orphans, { packs: 0, bytes: 0 });
    assert.ok(plan.drop.length >= 1 && plan.rewrite.length === 1);
    assert.equal(sweep?.deletedPacks, plan.drop.length + plan.rewrite.length);
    assert.equal(sweep?.deletedBytes, plan.droppedBytes + plan.rewrittenBytes);
    assert.ok(after < 185_000, `${after} of ${before} bytes`);
    // What is promised is what is freed, but for the heads of new packs.
    assert.ok(Math.abs(before - after - plan.freedBytes) < 1000);
    await assertTidy(repo);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    await assertClean(repo);
    const next = await takeSnapshot(repo, place.root);
    assert.equal(next.progress.readBytes, 0, "copies are found again");
  });
});

test("a prune with nothing to do changes nothing but its lease", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      await makeHistory(repo, place);
      const names = await namesIn(store, "packs");
      store.reset();
      await prune(repo);
      assert.equal(store.mutations, 2);
      assert.deepEqual(await namesIn(store, "packs"), names);
    },
    { store },
  );
});

test("a dry run writes nothing and plans what the real one does", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      const old = await makeHistory(repo, place);
      store.reset();
      const limits = { maxUnused: { kind: "bytes", bytes: 0 } } as const;
      const dry = await prune(repo, { ...limits, dryRun: true, forget: old });
      assert.equal(store.mutations, 0);
      assert.equal(dry.sweep, undefined);
      const real = await prune(repo, { ...limits, forget: old });
      assert.deepEqual(dry.plan, real.plan);
    },
    { store },
  );
});

test("a prune of nothing but forgotten snapshots leaves no pack", async () => {
  await withRepository(async (repo, place) => {
    const old = await makeHistory(repo, place);
    const records = await repo.snapshots();
    await forgetSnapshots(repo, [...old, ...records.map(({ id }) => id)]);
    await prune(repo);
    assert.deepEqual(await namesIn(place.store, "packs"), []);
    assert.deepEqual(await namesIn(place.store, "index"), []);
    await takeSnapshot(repo, place.root);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    await assertClean(repo);
  });
});

test("small packs are joined, and the joined ones stay", async () => {
  await withRepository(async (repo, place) => {
    for (let i = 0; i < 14; i++) {
      await takeLight(repo, `s${i}`, new Map([["file", noise(2000, i + 1)]]));
    }
    assert.equal((await namesIn(place.store, "packs")).length, 14);
    await prune(repo);
    const joined = await namesIn(place.store, "packs");
    assert.equal(joined.length, 2, "data, and the rest");
    await prune(repo);
    assert.deepEqual(await namesIn(place.store, "packs"), joined);
    await assertClean(repo);
  });
});

test("packs of a killed run are removed, unless somebody is at work", async () => {
  await withPlace(async (place) => {
    const repo = await place.init();
    place.write("file", noise(50_000, 1));
    await takeSnapshot(repo, place.root);
    // A run that died before its index object, and whose cache is lost.
    const store = new FaultStore(place.store, { crash: { at: 4, effect: "none" } });
    place.write("other", noise(60_000, 2));
    const dead = await place.open({ store, cache: "lost", host: hostOf(77) });
    await assert.rejects(takeSnapshot(dead, place.root), { name: "SimulatedCrash" });
    await dead.close();
    const busy = await prune(repo);
    assert.deepEqual(busy.orphans, { packs: 0, bytes: 0 }, "the dead one seems to be at work");
    await repo.close();
    const knowing = await place.open({ host: hostOf(78, (pid) => pid === 77) });
    const { orphans, sweep } = await prune(knowing);
    assert.ok(orphans.packs > 0 && orphans.bytes > 60_000);
    assert.equal(sweep?.deletedPacks, orphans.packs);
    assert.equal(sweep?.fencedSessions, 1);
    await assertTidy(knowing);
    await assertClean(knowing);
    await knowing.close();
  });
});

test("a session of another machine is given a lease period between two looks", async () => {
  await withPlace(async (place) => {
    const repo = await place.init();
    place.write("file", noise(50_000, 1));
    await takeSnapshot(repo, place.root);
    const store = new FaultStore(place.store, { crash: { at: 2, effect: "none" } });
    const dead = await place.open({
      store,
      cache: "lost",
      host: { ...hostOf(77), bootId: "other" },
    });
    place.write("file", noise(50_000, 2));
    await assert.rejects(takeSnapshot(dead, place.root), { name: "SimulatedCrash" });
    const leases = async () => (await namesIn(place.store, "sessions")).length;
    await prune(repo);
    assert.equal(await leases(), 1, "the first look only remembers");
    place.clock.pass(4 * 60_000);
    await prune(repo);
    assert.equal(await leases(), 1, "too soon");
    place.clock.pass(2 * 60_000);
    await prune(repo);
    assert.equal(await leases(), 0);
    await repo.close();
  });
});

test("many prunes leave few tombstones and index objects", async () => {
  await withRepository(async (repo, place) => {
    await takeLight(repo, "steady", new Map([["file", noise(3000, 1)]]));
    for (let i = 0; i < 30; i++) {
      const id = await takeLight(repo, "brief", new Map([["file", noise(3000, 10 + i)]]));
      await forgetSnapshots(repo, [id]);
      await pruneAll(repo);
    }
    assert.ok((await namesIn(place.store, "tombstones")).length <= 8);
    assert.ok((await namesIn(place.store, "index")).length <= 8);
    const buried = (await listTombstones(repo)).flatMap(({ tombstone }) => tombstone.packs);
    assert.ok(new Set(buried).size >= 30, "no death is forgotten");
    await assertTidy(repo);
    await assertClean(await place.open({ freshCache: true }));
  });
});

test("a prune is refused while a snapshot lacks data or a pack has changed", async () => {
  await withRepository(async (repo, place) => {
    const old = await makeHistory(repo, place);
    const packs = await objectsIn(place.store, "packs");
    const largest = packs.sort((a, b) => b.size - a.size)[0];
    assert.ok(largest !== undefined);
    const bytes = await place.store.get(largest.name);
    await forgetSnapshots(repo, old);
    const names = () => namesIn(place.store, "packs");

    await place.store.delete(largest.name);
    const left = await names();
    await failsWith("object-damaged", () => prune(repo));
    assert.deepEqual(await names(), left);

    await place.store.put(largest.name, bytes.subarray(0, 1000));
    await failsWith("object-damaged", () => prune(repo));

    await place.store.put(largest.name, bytes);
    const snapshot = (await objectsIn(place.store, "snapshots"))[0];
    assert.ok(snapshot !== undefined);
    const sealed = await place.store.get(snapshot.name);
    await place.store.put(
      snapshot.name,
      sealed.map((byte, at) => (at === 90 ? byte ^ 1 : byte)),
    );
    const stranger = await place.open({ freshCache: true });
    await failsWith("object-damaged", () => prune(stranger));
    await stranger.close();
    assert.equal((await names()).length, packs.length);
    assert.deepEqual(await namesIn(place.store, "sessions"), []);
  });
});

test("what a damaged repository was to forget stays, until it is repaired", async () => {
  await withRepository(async (repo, place) => {
    const old = await makeHistory(repo, place);
    const packs = await objectsIn(place.store, "packs");
    const largest = packs.sort((a, b) => b.size - a.size)[0];
    assert.ok(largest !== undefined);
    const bytes = await place.store.get(largest.name);
    await place.store.delete(largest.name);
    await failsWith("object-damaged", () => prune(repo, { forget: old }));
    assert.equal((await namesIn(place.store, "snapshots")).length, 3);
    await place.store.put(largest.name, bytes);
    await prune(repo, { forget: old });
    assert.equal((await namesIn(place.store, "snapshots")).length, 1);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    await assertClean(repo);
  });
});

test("damage met while copying stops the prune before anything is removed", async () => {
  await withRepository(async (repo, place) => {
    place.write("a-steady", noise(100_000, 1));
    place.write("b-gone", noise(150_000, 2));
    const id = await snapshotId(repo, place);
    fs.unlinkSync(place.at("b-gone"));
    await snapshotId(repo, place);
    const packs = await objectsIn(place.store, "packs");
    const largest = packs.sort((a, b) => b.size - a.size)[0];
    assert.ok(largest !== undefined);
    const bytes = await place.store.get(largest.name);
    const hurt = bytes.map((byte, at) => (at === 5000 ? byte ^ 1 : byte));
    await place.store.put(largest.name, hurt);
    await failsWith("blob-damaged", () => pruneAll(repo, [id]));
    assert.deepEqual(await namesIn(place.store, "tombstones"), []);
    assert.equal((await namesIn(place.store, "snapshots")).length, 2, "nothing was forgotten");
    assert.equal((await objectsIn(place.store, "packs")).length, packs.length);
    await place.store.put(largest.name, bytes);
    await pruneAll(repo, [id]);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
  });
});

test("an interrupted prune leaves nothing amiss, and the next goes on", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      const old = await makeHistory(repo, place);
      await forgetSnapshots(repo, old);
      for (const kind of ["getRange", "put", "delete"] as const) {
        const stop = new AbortController();
        store.reset({
          beforeOperation: (operation, name) => {
            if (operation === kind && name.startsWith("packs/")) stop.abort(new Error("stopped"));
          },
        });
        const options = { maxUnused: { kind: "bytes", bytes: 0 }, signal: stop.signal } as const;
        await prune(repo, options).catch((error: Error) => {
          if (error.message !== "stopped") throw error;
        });
        store.reset();
        assert.deepEqual(await namesIn(store, "sessions"), []);
        await assertNewestShows(repo, place.root, shownOnDisk(place.root));
        await assertClean(repo);
      }
      await pruneAll(repo);
      await assertTidy(repo);
    },
    { store },
  );
});

test("a prune in a folder removes stale temporary files", async () => {
  await withPlace(async (place) => {
    const folder = `${place.folder}/repository`;
    const store = new LocalStore(folder, { create: true });
    const repo = await place.init({ store });
    await takeSnapshot(repo, place.root);
    const stale = `${folder}/snapshots/.tmp-${"a".repeat(32)}`;
    const recent = `${folder}/snapshots/.tmp-${"b".repeat(32)}`;
    for (const path of [stale, recent]) fs.writeFileSync(path, "half");
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    fs.utimesSync(stale, twoDaysAgo, twoDaysAgo);
    await prune(repo);
    assert.deepEqual([fs.existsSync(stale), fs.existsSync(recent)], [false, true]);
    await repo.close();
  });
});
