/**
 * Bringing index objects into the cache: by groups, in the order of ids, and of a damaged object
 * nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addManyBlobs, syntheticPack } from "../../bench/scale/many-blobs.ts";
import { hasCode } from "../../src/base/errors.ts";
import { type IndexId, indexId } from "../../src/base/ids.ts";
import { BlobIndex } from "../../src/repo/blob-index.ts";
import { BlobRows } from "../../src/repo/cache/blob-rows.ts";
import { openTemporaryDatabase } from "../../src/repo/cache/cache-database.ts";
import { encodePack } from "../../src/repo/format/index-object.ts";
import { loadIndex } from "../../src/repo/index-loader.ts";
import { openIndexObject, sealIndexObject } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { namesIn } from "../helpers/snapshot-runs.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

const blobArbitrary = fc.record({
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  packNo: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  offset: fc.integer({ min: 0, max: 2 ** 30 }),
  length: fc.integer({ min: 16, max: 2 ** 24 }),
  rawLength: fc.integer({ min: 0, max: 2 ** 24 }),
  kind: fc.constantFrom(1, 2, 3),
  encoding: fc.constantFrom(0, 1, 2),
  // The base's id, and behind it the generation.
  base: fc.option(fc.uint8Array({ minLength: 33, maxLength: 33 }), { nil: undefined }),
});

type Row = readonly [Buffer, ...(number | Buffer | null)[]];

test("rows come out as they went in, whatever their order and however many fit", () => {
  const blobs = fc.array(blobArbitrary, { maxLength: 60 });
  type Added = typeof blobs extends fc.Arbitrary<infer T> ? T : never;
  const property = (added: Added, rowsMax: number) => {
    const db = openTemporaryDatabase();
    const rows = new BlobRows(db, rowsMax);
    for (const [ordinal, { id, packNo, base, ...blob }] of added.entries()) {
      const on = base && { baseId: base.subarray(0, 32), generation: base[32] ?? 0 };
      rows.add(id, packNo, ordinal, { ...blob, ...on });
      assert.ok(rows.count <= rowsMax);
    }
    rows.write();
    const columns = "id, pack, ordinal, offset, length, raw_length, kind, encoding, base";
    const found = db.prepare(`SELECT ${columns} FROM blob ORDER BY ordinal`).raw().all() as Row[];
    const expected = added.map(({ id, packNo, base, ...blob }, ordinal) => [
      Buffer.from(id.subarray(0, 16)),
      packNo,
      ordinal,
      blob.offset,
      blob.length,
      blob.rawLength,
      blob.kind,
      blob.encoding,
      base === undefined ? null : Buffer.from(base),
    ]);
    assert.deepEqual(found, expected);
    db.close();
  };
  fc.assert(fc.property(blobs, fc.integer({ min: 1, max: 70 }), property), { numRuns: 60 });
});

test("what is taken back is not written", () => {
  const db = openTemporaryDatabase();
  const rows = new BlobRows(db, 4);
  const blob = { offset: 0, length: 16, rawLength: 0, kind: 1, encoding: 0 };
  const add = (packNo: number) => rows.add(Buffer.alloc(32, packNo), packNo, 0, blob);
  for (const packNo of [3, 1, 2]) add(packNo);
  rows.makeRoom(1);
  assert.equal(rows.count, 3);
  rows.makeRoom(2);
  assert.equal(rows.count, 0);
  for (const packNo of [4, 5]) add(packNo);
  rows.rewind(1);
  rows.write();
  const found = db.prepare("SELECT pack FROM blob ORDER BY id").pluck().all();
  assert.deepEqual(found, [1, 2, 3, 4]);
  db.close();
});

async function idsIn(repo: Repository): Promise<IndexId[]> {
  return (await namesIn(repo.store, "index")).map((name) => indexId(name.slice(6)));
}

/** A load into a fresh cache, that is told of damage. */
async function loadFresh(repo: Repository) {
  const damaged: string[] = [];
  const packs = new Set<string>();
  const progress: [number, number][] = [];
  const db = openTemporaryDatabase();
  const { store, keys } = repo;
  const index = new BlobIndex(db);
  await loadIndex({
    store,
    keys,
    db,
    index,
    onDamaged: ({ name }) => damaged.push(name),
    onPack: ({ pack }) => packs.add(pack),
    onProgress: (done, total) => progress.push([done, total]),
  });
  const rows = db.prepare("SELECT count(*) FROM blob").pluck().get() as number;
  return { db, index, damaged, packs, progress, rows };
}

test("all blobs of all index objects are found, and progress ends where it should", () =>
  withFolder(async (folder) => {
    const repo = await makeRepository(folder);
    await addManyBlobs(repo, { blobs: 5000, packBlobs: 70, objectBlobs: 900 });
    const { index, progress, rows, db } = await loadFresh(repo);
    assert.equal(rows, 5000);
    for (const id of await idsIn(repo)) {
      const bytes = await repo.store.get(`index/${id}`);
      for (const { blobs, pack } of openIndexObject(repo.keys, id, bytes).packs) {
        for (const [ordinal, blob] of blobs.entries()) {
          const place = index.find(blob.kind, blob.id);
          assert.ok(place !== undefined);
          assert.equal(index.packInfo(place.packNo).pack, pack);
          assert.deepEqual([place.ordinal, place.offset], [ordinal, blob.offset]);
        }
      }
    }
    const [done, total] = progress.at(-1) ?? [0, 1];
    assert.equal(done, total);
    db.close();
    await repo.close();
  }));

test("of an index object that turns out damaged half way nothing stays, of others everything", () =>
  withFolder(async (folder) => {
    const repo = await makeRepository(folder);
    await addManyBlobs(repo, { blobs: 600, packBlobs: 50, objectBlobs: 200 });
    const good = await idsIn(repo);
    const [first, second] = [syntheticPack(40), { ...syntheticPack(40), size: 1000 }];
    const content = { replaces: [], packs: [first, second].map(encodePack) };
    const bad = sealIndexObject(repo.keys, repo.cipher, content, repo.random);
    await repo.store.put(`index/${bad.id}`, bad.bytes);
    const { db, index, damaged, rows } = await loadFresh(repo);
    assert.deepEqual(damaged, [`index/${bad.id}`]);
    assert.equal(rows, 600);
    assert.equal(index.packNumber(first.pack), undefined);
    const objects = db.prepare("SELECT count(*) FROM index_object").pluck().get();
    assert.equal(objects, good.length);
    db.close();
    const strict = loadIndex({
      store: repo.store,
      keys: repo.keys,
      db: repo.cache.db,
      index: repo.index,
    });
    await assert.rejects(strict, (error: unknown) => hasCode(error, "object-damaged"));
    await repo.close();
  }));
