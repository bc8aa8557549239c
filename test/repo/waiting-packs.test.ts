/**
 * Packs of a run that wait for their place in the cache: found as if they were there, and there in
 * the end, together with the index objects that name them.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { syntheticPack } from "../../bench/scale/many-blobs.ts";
import { BlobIndex, PackState } from "../../src/repo/blob-index.ts";
import { type Database, openCacheDatabase } from "../../src/repo/cache/cache-database.ts";
import type { IndexPack } from "../../src/repo/format/index-object.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";
import { withFolder } from "../helpers/test-repository.ts";

const session = randomBytes(16);

/** A cache in which 4,000 blobs of others live, so that 500 of our own may wait. */
async function withIndex(
  work: (index: BlobIndex, db: Database, folder: string) => void,
): Promise<void> {
  await withFolder(async (folder) => {
    const db = openCacheDatabase(join(folder, "cache"));
    const index = new BlobIndex(db, 0);
    for (let i = 0; i < 4; i++) index.insert(syntheticPack(1000), PackState.living, null);
    index.refresh();
    work(index, db, join(folder, "cache"));
    db.close();
  });
}

const packCount = (db: Database) => db.prepare("SELECT count(*) FROM pack").pluck().get();
const rowCount = (db: Database) => db.prepare("SELECT count(*) FROM blob").pluck().get();

function assertFound(index: BlobIndex, pack: IndexPack): void {
  for (const [ordinal, { id, offset, length }] of pack.blobs.entries()) {
    const place = index.find(BlobKind.data, id);
    assert.ok(place !== undefined && index.counts(place.packNo));
    assert.deepEqual([place.ordinal, place.offset, place.length], [ordinal, offset, length]);
    assert.equal(index.packInfo(place.packNo).pack, pack.pack);
    assert.equal(index.find(BlobKind.list, id), undefined, "of another kind");
    assert.equal(index.copies(BlobKind.data, id).length, 1);
  }
}

test("what waits is found, and stays found when it was written", () =>
  withIndex((index, db) => {
    const packs = Array.from({ length: 9 }, () => syntheticPack(50));
    for (const pack of packs) index.addOwnPack(pack, session);
    assert.equal(packCount(db), 4, "all wait");
    for (const pack of packs) assertFound(index, pack);
    assert.equal([...index.livingPacks()].length, 13);
    index.writeOwn();
    assert.deepEqual([packCount(db), rowCount(db)], [13, 4450]);
    packs.push(syntheticPack(50));
    index.addOwnPack(packs[9] as IndexPack, session);
    for (const pack of packs) assertFound(index, pack);
    index.refresh();
    for (const pack of packs) assertFound(index, pack);
    assert.equal([...index.livingPacks()].length, 14);
  }));

test("more rows than may wait are written; a pack of many is not held at all", () =>
  withIndex((index, db) => {
    for (let i = 0; i < 3; i++) index.addOwnPack(syntheticPack(200), session);
    assert.deepEqual([packCount(db), rowCount(db)], [6, 4400]);
    index.addOwnPack(syntheticPack(3000), session);
    assert.deepEqual([packCount(db), rowCount(db)], [8, 7600]);
  }));

test("a copy on a base is found while it waits, with its base", () =>
  withIndex((index) => {
    const plain = syntheticPack(1);
    const baseId = plain.blobs[0]?.id as Uint8Array;
    const made = syntheticPack(1);
    const on = { encoding: Encoding.zstdOnBase, baseId, generation: 24 };
    const blobs = made.blobs.map((blob) => ({ ...blob, ...on }));
    const pack = { ...made, blobs };
    index.addOwnPack(pack, session);
    const id = pack.blobs[0]?.id as Uint8Array;
    assert.equal(index.find(BlobKind.data, id), undefined, "its base is nowhere");
    index.addOwnPack(plain, session);
    const look = () => {
      const found = index.find(BlobKind.data, id);
      return [Buffer.from(found?.baseId ?? []).toString("hex"), found?.generation];
    };
    assert.deepEqual(look(), [Buffer.from(baseId).toString("hex"), 24]);
    index.writeOwn();
    assert.deepEqual(look(), [Buffer.from(baseId).toString("hex"), 24]);
  }));

test("the cache hears of an index object after the packs that it names", () =>
  withIndex((index, db) => {
    const told: unknown[] = [];
    index.afterOwn(() => told.push(packCount(db)));
    index.addOwnPack(syntheticPack(10), session);
    index.afterOwn(() => told.push(packCount(db)));
    assert.deepEqual(told, [4]);
    index.refresh();
    assert.deepEqual(told, [4, 5]);
  }));

test("packs that another process brought into the cache meanwhile are used as they are", () =>
  withIndex((index, db, folder) => {
    const packs = [syntheticPack(20), syntheticPack(30)];
    const [first, second] = packs.map((pack) => index.addOwnPack(pack, session));
    const others = openCacheDatabase(folder);
    const theirs = new BlobIndex(others).insert(packs[0] as IndexPack, PackState.living, null);
    others.close();
    assert.equal(new Set([first, second, theirs]).size, 3, "no number is given twice");
    index.writeOwn();
    assert.deepEqual([packCount(db), rowCount(db)], [6, 4050]);
    for (const pack of packs) assertFound(index, pack);
    assert.equal(
      index.packInfo(first as number).pack,
      packs[0]?.pack,
      "who was told the old place",
    );
    assert.equal([...index.livingPacks()].length, 6);
  }));

test("when the cache fails nothing half-written is left, and nothing waits", () =>
  withIndex((index, db) => {
    const pack = syntheticPack(10);
    index.addOwnPack(pack, session);
    index.afterOwn(() => {
      throw new Error("the disk is full");
    });
    assert.throws(() => index.writeOwn(), /the disk is full/);
    assert.deepEqual([packCount(db), rowCount(db)], [4, 4000]);
    assert.equal(index.find(BlobKind.data, pack.blobs[0]?.id as Uint8Array), undefined);
    assert.equal(index.packNumber(pack.pack), undefined);
    index.writeOwn();
    assert.equal(packCount(db), 4);
  }));
