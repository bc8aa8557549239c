/** A table of ids that were looked up lately: it may forget, and never makes anything up. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { BlobId } from "../../src/base/ids.ts";
import { RecentIds } from "../../src/engine/recent-ids.ts";

/** Few distinct bytes, so that ids share slots and parts of each other. */
const idArbitrary = fc
  .array(fc.integer({ min: 0, max: 2 }), { minLength: 16, maxLength: 16 })
  .map(
    (bytes) => Buffer.concat([Uint8Array.from(bytes), Buffer.alloc(16, 7)]) as unknown as BlobId,
  );

test("what it has was added, with that number", () => {
  const chunk = fc.record({ id: idArbitrary, length: fc.integer({ min: 0, max: 3 }) });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 40 }), fc.array(chunk), (added, asked) => {
      const sound = new RecentIds();
      const known = new Set<string>();
      for (const { id, length } of added) {
        sound.add(id, length);
        known.add(`${id} ${length}`);
        assert.ok(sound.has(id, length), "the newest is there");
      }
      for (const { id, length } of [...asked, ...added]) {
        if (sound.has(id, length)) assert.ok(known.has(`${id} ${length}`));
      }
    }),
    { numRuns: 30 },
  );
});

test("an empty table has nothing, not even an id of zeros; the largest length is one", () => {
  const sound = new RecentIds();
  const zeros = new Uint8Array(32) as BlobId;
  assert.equal(sound.has(zeros, 0), false);
  sound.add(zeros, 2 ** 31 - 2);
  assert.equal(sound.has(zeros, 2 ** 31 - 2), true);
  assert.equal(sound.has(zeros, 0), false);
  // What a damaged catalog may say.
  sound.add(zeros, 9);
  assert.equal(sound.has(zeros, 2 ** 32 + 9), false);
});

test("of three in one slot the newest two are kept", () => {
  const recent = new RecentIds();
  const [oldest, older, newest] = [1, 2, 3].map((last) => {
    const id = new Uint8Array(32).fill(1);
    id[15] = last;
    return id as BlobId;
  }) as [BlobId, BlobId, BlobId];
  for (const id of [oldest, older]) recent.add(id, 10);
  assert.ok(recent.has(oldest, 10) && recent.has(older, 10));
  recent.add(newest, 10);
  assert.deepEqual(
    [oldest, older, newest].map((id) => recent.has(id, 10)),
    [false, true, true],
  );
});

test("it grows with what is added, keeps most of it, and makes nothing up", () => {
  const sound = new RecentIds();
  const ids = Array.from({ length: 40_000 }, (_, i) => {
    return createHash("sha256").update(`${i}`).digest() as Uint8Array as BlobId;
  });
  for (const [i, id] of ids.entries()) {
    sound.add(id, i);
    assert.ok(sound.has(id, i), "the newest is there");
  }
  const kept = ids.filter((id, i) => sound.has(id, i)).length;
  assert.ok(kept > 0.98 * ids.length, `kept ${kept} of ${ids.length}`);
  assert.ok(!ids.some((id, i) => sound.has(id, i + 1)));
  const others = ids.map((id) => Buffer.from(id).reverse() as Uint8Array as BlobId);
  assert.ok(!others.some((id, i) => sound.has(id, i)));
});
