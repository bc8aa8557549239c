import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError } from "../../src/base/errors.ts";
import { sessionId } from "../../src/base/ids.ts";
import { copySnapshots } from "../../src/engine/copy.ts";
import { prune } from "../../src/engine/prune.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import { sealFence } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { listSessions } from "../../src/repo/session.ts";
import { assertCopied, type Shared, withTwo } from "../helpers/copy-places.ts";
import { idOf, storePack } from "../helpers/pack-copies.ts";
import {
  hourNs,
  noise,
  plainTree,
  readTree,
  smallTree,
  storeTree,
} from "../helpers/small-repository.ts";
import { hostOf } from "../helpers/snapshot-place.ts";

/** Who comes after the process that died. */
const afterDeath = hostOf(2000, () => true);
const firstNs = 1_700_000_000_000_000_000n;
const kinds: readonly Shared[] = ["ids", "cuts", "nothing"];

/** Snapshots of a tree in which one small file changes. */
async function storeVersions(repo: Repository, count: number): Promise<void> {
  let previous = null;
  for (let version = 0; version < count; version++) {
    const timeNs = firstNs + BigInt(version) * hourNs;
    previous = await storeTree(repo, smallTree(version), { timeNs, previous });
  }
}

for (const shared of kinds) {
  test(`snapshots are copied to where ${shared} are shared, and stay what they are`, () =>
    withTwo(shared, async (source, target) => {
      await storeVersions(source, 3);
      const result = await copySnapshots(source, target);
      assert.equal(result.copied.length, 3);
      assert.deepEqual(result.failed, []);
      await assertCopied(source, target);
      const [first, second, third] = await target.snapshots();
      assert.equal(first?.snapshot.previous, null);
      assert.equal(second?.snapshot.previous, first?.id);
      assert.equal(third?.snapshot.previous, second?.id);
      const roots = (await source.snapshots()).map(({ snapshot }) => snapshot.root);
      if (shared === "ids") assert.deepEqual(third?.snapshot.root, roots[2]);
      else assert.notDeepEqual(third?.snapshot.root, roots[2]);
    }));

  test(`a second copy costs next to nothing where ${shared} are shared`, () =>
    withTwo(shared, async (source, target, { from, to }) => {
      await storeVersions(source, 3);
      await copySnapshots(source, target);
      // Manifests are fetched once; then the cache has them.
      await target.snapshots();
      from.reset();
      to.reset();
      const result = await copySnapshots(source, target);
      assert.equal(result.copied.length, 0);
      assert.equal(result.present.length, 3);
      for (const store of [from, to]) {
        const { put, get, getRange, list } = store.counts;
        assert.deepEqual({ put, get, getRange }, { put: 0, get: 0, getRange: 0 });
        assert.ok(list <= 3, `${list} lists`);
      }
    }));

  test(`one more snapshot brings only what is new where ${shared} are shared`, () =>
    withTwo(shared, async (source, target, { from }) => {
      await storeVersions(source, 20);
      const first = await copySnapshots(source, target);
      const one = await sizeOfOne(source);
      // Twenty versions of a file of 530 bytes, and the nodes above it.
      assert.ok(first.added.rawBytes < 2 * one + 20 * 20_000, `${first.added.rawBytes} of ${one}`);
      await storeTree(source, smallTree(20), { timeNs: firstNs + 20n * hourNs });
      from.reset();
      const next = await copySnapshots(source, target);
      assert.equal(next.copied.length, 1);
      assert.ok(next.added.rawBytes < 20_000, `${next.added.rawBytes}`);
      await assertCopied(source, target);
    }));
}

async function sizeOfOne(repo: Repository): Promise<number> {
  const [record] = await repo.snapshots();
  return record?.snapshot.totals.bytes ?? 0;
}

test("chosen snapshots are copied, and the others later", () =>
  withTwo("ids", async (source, target) => {
    await storeVersions(source, 4);
    const choose = <T>(records: readonly T[]) => records.slice(1, 3);
    const result = await copySnapshots(source, target, { choose });
    assert.equal(result.copied.length, 2);
    assert.equal((await target.snapshots())[0]?.snapshot.previous, null);
    assert.equal((await copySnapshots(source, target)).copied.length, 2);
    await assertCopied(source, target);
  }));

test("copies of copies are known, also where they come from", () =>
  withTwo("nothing", async (source, target) => {
    await storeVersions(source, 2);
    await copySnapshots(source, target);
    const back = await copySnapshots(target, source);
    assert.equal(back.copied.length, 0);
    assert.equal(back.present.length, 2);
    await withTwo("nothing", async (_, third) => {
      await copySnapshots(target, third);
      const again = await copySnapshots(source, third);
      assert.equal(again.copied.length, 0);
      await assertCopied(source, third);
    });
  }));

test("a repository is not copied to itself", () =>
  withTwo("ids", async (source, _target, places) => {
    const same = await places.open("from", "elsewhere");
    await assert.rejects(copySnapshots(source, same), { code: "usage" });
    await same.close();
  }));

for (const shared of kinds) {
  test(`a dry run tells, and writes nothing, where ${shared} are shared`, () =>
    withTwo(shared, async (source, target, { from, to }) => {
      await storeVersions(source, 2);
      from.reset();
      to.reset();
      const { copied, added } = await copySnapshots(source, target, { dryRun: true });
      assert.equal(copied.length, 2);
      assert.ok(added.rawBytes > 5000 && added.blobs > 80);
      assert.equal(from.mutations + to.mutations, 0);
    }));

  test(`blobs that stand on bases, where ${shared} are shared`, () =>
    withTwo(shared, async (source, target) => {
      const base = noise(4000, 1);
      const near = Buffer.concat([noise(3990, 1), Buffer.from("other tail")]);
      const lonely = Buffer.concat([noise(3990, 5), Buffer.from("other tail")]);
      await storePack(source, [{ plaintext: base }, { plaintext: noise(4000, 5) }]);
      await storePack(source, [
        { plaintext: near, base },
        { plaintext: lonely, base: noise(4000, 5) },
      ]);
      // In one pass: the base may still be on its way.
      await storeTree(source, { a: [base], b: [near], c: [lonely] });
      await copySnapshots(source, target);
      await assertCopied(source, target);
      const place = (bytes: Buffer) => target.index.find(BlobKind.data, idOf(target, bytes));
      assert.deepEqual(place(near)?.baseId, idOf(target, base), "its base is needed anyway");
      assert.equal(place(lonely)?.baseId, undefined, "nobody needs its base");
    }));

  test(`damage is told with what it hurts, where ${shared} are shared`, () =>
    withTwo(shared, async (source, target, { from }) => {
      const sound = { a: ["first"], s: ["shared by all"] };
      const hurt = ["this chunk will be damaged"];
      await storeTree(source, sound, { timeNs: firstNs });
      await storeTree(source, { ...sound, b: hurt }, { timeNs: firstNs + hourNs });
      await storeTree(source, { ...sound, b: hurt, c: ["x"] }, { timeNs: firstNs + 2n * hourNs });
      await storeTree(source, { ...sound, d: ["last"] }, { timeNs: firstNs + 3n * hourNs });
      const id = idOf(source, hurt[0] ?? "");
      await source.loadIndex();
      const place = source.index.find(BlobKind.data, id);
      assert.ok(place !== undefined);
      const name = packObject(source.index.packInfo(place.packNo).pack);
      const bytes = Uint8Array.from(await from.get(name));
      bytes[place.offset] = (bytes[place.offset] ?? 0) ^ 1;
      await from.put(name, bytes);
      const { copied, failed } = await copySnapshots(source, target);
      assert.deepEqual(
        copied.map(({ record }) => record.snapshot.timeNs),
        [firstNs, firstNs + 3n * hourNs],
      );
      assert.equal(failed.length, 2);
      for (const { error } of failed) {
        assert.equal(error.code, "blob-damaged");
        assert.equal(error.context["blob"], Buffer.from(id).toString("hex"));
      }
      const trees = await Promise.all(
        (await target.snapshots()).map(({ snapshot }) => readTree(target, snapshot.root)),
      );
      assert.deepEqual(trees, [plainTree(sound), plainTree({ ...sound, d: ["last"] })]);
    }));

  test(`killed anywhere, and copied again, where ${shared} are shared`, () =>
    killedAnywhere(shared));
}

/** The target's store dies at its n-th put or delete, before or after it took effect. */
async function killedAnywhere(shared: Shared): Promise<void> {
  let isDone = false;
  for (let at = 1; !isDone; at++) {
    await withTwo(shared, async (source, target, places) => {
      await storeVersions(source, 2);
      places.to.reset({ crash: { at, effect: at % 2 === 0 ? "none" : "whole" } });
      isDone = await copySnapshots(source, target).then(
        () => true,
        () => false,
      );
      await places.to.idle();
      places.to.reset();
      places.from.reset();
      // The same machine, and another one that has no cache.
      const next = await places.open("to", at % 3 === 0 ? "stranger" : "to");
      await copySnapshots(source, next);
      await assertCopied(source, next);
      await next.close();
      assert.ok(at < 40, "it ends");
    });
  }
}

test("what a killed run had copied is not read again", () =>
  withTwo("nothing", async (source, target, places) => {
    await storeTree(source, {
      a: [noise(90_000, 1)],
      b: [noise(90_000, 2)],
      c: [noise(90_000, 3)],
    });
    // Two packs, and then it dies.
    places.to.reset({ crash: { at: 4, effect: "none" } });
    await assert.rejects(copySnapshots(source, target));
    await places.to.idle();
    places.to.reset();
    const next = await places.open("to", "to", afterDeath);
    const { readBytes } = await copySnapshots(source, next);
    assert.ok(readBytes < 100_000, `${readBytes}`);
    await assertCopied(source, next);
    await next.close();
  }));

test("a prune of the source takes nothing away from a copy", () =>
  withTwo("ids", async (source, target, places) => {
    await storeVersions(source, 3);
    const other = await places.open("from", "other");
    let isPruned = false;
    const ids = (await source.snapshots()).map(({ id }) => id);
    places.to.reset({
      beforeOperation: async (kind, name) => {
        if (isPruned || kind !== "put" || !name.startsWith("packs/")) return;
        isPruned = true;
        await prune(other, { forget: ids.slice(0, 2) });
      },
    });
    const { copied, failed } = await copySnapshots(source, target);
    assert.ok(isPruned);
    assert.deepEqual(failed, []);
    assert.equal(copied.length, 3);
    await assertCopied(source, target);
    await other.close();
  }));

test("a copy that a prune takes for dead starts again, and finds what it stored", () =>
  withTwo("ids", async (source, target, places) => {
    await storeVersions(source, 3);
    const fenced: string[] = [];
    places.to.reset({
      beforeOperation: async (kind, name) => {
        if (kind !== "put" || !name.startsWith("snapshots/") || fenced.length > 0) return;
        for (const { id } of await listSessions(target.store, target.keys)) {
          fenced.push(id);
          const fence = `${id}-${sessionId("2".repeat(32))}`;
          const bytes = sealFence(
            target.keys,
            fence,
            { listed: true, snapshots: [] },
            target.random,
          );
          await target.store.put(`fences/${fence}`, bytes);
        }
      },
    });
    const { copied, added } = await copySnapshots(source, target);
    assert.equal(fenced.length, 1);
    assert.equal(copied.length, 3);
    assert.ok(added.rawBytes < 20_000, "the first attempt had stored the rest");
    await assertCopied(source, target);
  }));

test("a prune of the target that buries what a copy counts on", () =>
  withTwo("ids", async (source, target, places) => {
    await storeVersions(source, 2);
    await copySnapshots(source, target);
    const other = await places.open("to", "other");
    for (const { id } of await target.snapshots()) await target.store.delete(`snapshots/${id}`);
    let isPruned = false;
    places.to.reset({
      beforeOperation: async (kind, name) => {
        if (isPruned || kind !== "put" || !name.startsWith("snapshots/")) return;
        isPruned = true;
        await prune(other);
      },
    });
    const { copied } = await copySnapshots(source, target);
    assert.ok(isPruned);
    assert.equal(copied.length, 2);
    await other.close();
    await assertCopied(source, target);
    // Nothing waits any more: now the packs are deleted.
    const later = await places.open("to", "later");
    await prune(later);
    await assertCopied(source, later);
    await later.close();
  }));

test("a node that is at the target proves nothing of what is below it", () =>
  withTwo("ids", async (source, target) => {
    await storeVersions(source, 1);
    const [record] = await source.snapshots();
    await source.loadIndex();
    const root = record?.snapshot.root as Uint8Array;
    await storePack(target, [
      { kind: BlobKind.catalog, plaintext: await source.blobs.read(BlobKind.catalog, root) },
    ]);
    await copySnapshots(source, target);
    await assertCopied(source, target);
  }));

test("where nothing may be written at the source, it is read all the same", () =>
  withTwo("nothing", async (source, target, { from }) => {
    await storeVersions(source, 2);
    from.reset({
      beforeOperation: (kind) => {
        if (kind === "put") throw new VarveError("store-denied", "Read-only.");
      },
    });
    assert.equal((await copySnapshots(source, target)).copied.length, 2);
    from.reset();
    await assertCopied(source, target);
  }));
