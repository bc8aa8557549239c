/**
 * A large index goes into an empty cache range by range: what is there in the end is what groups
 * bring, whatever happens on the way.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { syntheticPack } from "../../bench/scale/many-blobs.ts";
import { BlobIndex } from "../../src/repo/blob-index.ts";
import {
  type Database,
  openCacheDatabase,
  openTemporaryDatabase,
} from "../../src/repo/cache/cache-database.ts";
import { encodePack, type IndexPack } from "../../src/repo/format/index-object.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";
import { type LoadContext, loadIndex } from "../../src/repo/index-loader.ts";
import { sealIndexObject } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

interface Place {
  readonly repo: Repository;
  readonly folder: string;
  /** Puts an index object and gives its name. */
  put(...packs: IndexPack[]): Promise<string>;
  load(db: Database, more?: Partial<LoadContext>): Promise<BlobIndex>;
}

async function withPlace(work: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (top) => {
    const repo = await makeRepository(top);
    const folder = join(top, "caches");
    mkdirSync(folder);
    const { store, keys, cipher, random } = repo;
    const put = async (...packs: IndexPack[]) => {
      const encoded = packs.map(encodePack);
      const sealed = sealIndexObject(keys, cipher, { replaces: [], packs: encoded }, random);
      await store.put(`index/${sealed.id}`, sealed.bytes);
      return `index/${sealed.id}`;
    };
    const load = async (db: Database, more: Partial<LoadContext> = {}) => {
      const index = new BlobIndex(db);
      await loadIndex({ store, keys, db, index, bulk: { folder, bytesMin: 0 }, ...more });
      return index;
    };
    await work({ repo, folder, put, load });
    await repo.close();
  });
}

const rowCount = (db: Database) => db.prepare("SELECT count(*) FROM blob").pluck().get();

function assertFound(index: BlobIndex, pack: IndexPack): void {
  for (const [ordinal, blob] of pack.blobs.entries()) {
    const { id, offset, length, rawLength, baseId, generation } = blob;
    const copies = index.copies(BlobKind.data, id);
    assert.equal(copies.length, 1);
    const place = copies[0];
    assert.ok(place !== undefined);
    const { packNo, ...found } = place;
    assert.equal(index.packInfo(packNo).pack, pack.pack);
    assert.deepEqual([found.ordinal, found.offset, found.length], [ordinal, offset, length]);
    assert.equal(found.rawLength, rawLength);
    assert.deepEqual(found.baseId && Buffer.from(found.baseId), baseId && Buffer.from(baseId));
    assert.equal(found.generation, generation);
  }
}

function onBase(pack: IndexPack, base: IndexPack): IndexPack {
  const baseId = base.blobs[0]?.id as Uint8Array;
  return {
    ...pack,
    blobs: pack.blobs.map((b) => ({ ...b, encoding: Encoding.zstdOnBase, baseId, generation: 3 })),
  };
}

/** Enough rows that a range's buffer is written to the file many times. */
function manyPacks(): IndexPack[] {
  const plain = Array.from({ length: 8 }, () => syntheticPack(2000));
  return [...plain, onBase(syntheticPack(1500), plain[0] as IndexPack)];
}

test("all blobs are found, with bases, and a pack that two objects name once", () =>
  withPlace(async ({ folder, put, load }) => {
    const packs = manyPacks();
    for (let i = 0; i < packs.length; i += 3) await put(...packs.slice(i, i + 4));
    const dbs = [openCacheDatabase(join(folder, "lasting")), openTemporaryDatabase()];
    for (const db of dbs) {
      const index = await load(db);
      assert.equal(rowCount(db), 17_500);
      for (const pack of packs) assertFound(index, pack);
    }
    packs.push(syntheticPack(30));
    await put(packs.at(-1) as IndexPack);
    for (const db of dbs) {
      const index = await load(db);
      for (const pack of packs) assertFound(index, pack);
      db.close();
    }
    assert.deepEqual(readdirSync(folder), ["lasting"], "no temporary file is left");
  }));

test("of a damaged object nothing stays, and what it shares with others is there", () =>
  withPlace(async ({ repo, folder, put, load }) => {
    const [shared, lost, other] = [syntheticPack(40), syntheticPack(40), syntheticPack(40)];
    // The second pack's record says less than its blobs take: found after the first was taken in.
    const putBad = () => put(shared, { ...lost, size: 100 });
    await put(other);
    const good = await put(shared);
    // They are read in the order of their names, which are random: the damaged one comes first.
    let bad = await putBad();
    for (; bad > good; bad = await putBad()) await repo.store.delete(bad);
    const db = openCacheDatabase(join(folder, "cache"));
    const told: string[] = [];
    const index = await load(db, { onDamaged: ({ name }) => told.push(name) });
    assert.deepEqual(told, [bad]);
    for (const pack of [shared, other]) assertFound(index, pack);
    assert.equal(index.packNumber(lost.pack), undefined);
    assert.equal(rowCount(db), 80);
    await assert.rejects(load(openTemporaryDatabase()), { code: "object-damaged" });
    await repo.store.delete(bad);
    const whole = await load(openTemporaryDatabase());
    assert.equal(whole.has(BlobKind.data, other.blobs[3]?.id as Uint8Array), true);
    db.close();
  }));

/** What happens when the first of two index objects was taken in, in a load by ranges. */
async function interrupted(
  happens: (place: Place, db: Database) => void | Promise<void>,
): Promise<void> {
  await withPlace(async (place) => {
    const packs = [syntheticPack(500), syntheticPack(500)];
    for (const pack of packs) await place.put(pack);
    const db = openCacheDatabase(join(place.folder, "cache"));
    let happened = false;
    const { store } = place.repo;
    const get = async (...args: Parameters<typeof store.get>) => {
      const bytes = await store.get(...args);
      if (!happened) {
        happened = true;
        await happens(place, openCacheDatabase(join(place.folder, "cache")));
      }
      return bytes;
    };
    const slow = new Proxy(store, {
      get: (target, name) => (name === "get" ? get : bound(target, name)),
    });
    const index = await place.load(db, { store: slow });
    for (const pack of packs) assertFound(index, pack);
    assert.equal(rowCount(db), 1000, "no row is there twice");
    const fresh = await place.load(db);
    for (const pack of packs) assertFound(fresh, pack);
    db.close();
  });
}

function bound(target: object, name: string | symbol): unknown {
  const value = Reflect.get(target, name, target) as unknown;
  return typeof value === "function" ? value.bind(target) : value;
}

test("another process fills the cache meanwhile", () =>
  interrupted(async ({ load }, db) => {
    await load(db);
    db.close();
  }));

test("another process begins to fill the cache, and dies", () =>
  interrupted(async ({ repo, load }, db) => {
    const failing = { ...repo.store, list: repo.store.list.bind(repo.store) };
    const get = () => Promise.reject(new Error("killed"));
    await assert.rejects(load(db, { store: { ...failing, get } as unknown as typeof repo.store }));
    db.close();
  }));

test("another process finds the store set back, and empties the cache", () =>
  interrupted((_, db) => {
    db.exec(`
      DELETE FROM blob WHERE pack NOT IN (SELECT no FROM pack);
      UPDATE setting SET value = value + 1 WHERE name = 'generation';
    `);
    db.close();
  }));

test("rows that a killed load left are gone after the next", () =>
  withPlace(async ({ folder, put, load }) => {
    const pack = syntheticPack(100);
    await put(pack);
    const db = openCacheDatabase(join(folder, "cache"));
    const left = new BlobIndex(db);
    left.insert(syntheticPack(70), 0, null);
    db.exec("DELETE FROM pack");
    assertFound(await load(db), pack);
    assert.equal(rowCount(db), 100);
    db.close();
  }));
