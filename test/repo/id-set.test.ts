import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IdSet } from "../../src/repo/id-set.ts";

/** Few homes, at both ends of the places, so that ids collide and wrap around. */
const id = fc
  .tuple(fc.constantFrom(0, 1, 2, 1022, 1023, 1_000_000), fc.integer({ min: 0, max: 7 }))
  .map(([home, rest]) => {
    const bytes = Buffer.alloc(32, 0xee);
    bytes.writeUInt32LE(home, 0);
    bytes[15] = rest;
    return bytes;
  });
const step = fc.tuple(fc.constantFrom("add", "delete", "has"), id);

test("an IdSet says what a Set of strings says", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const set = new IdSet();
      const model = new Set<string>();
      for (const [what, bytes] of steps) {
        const key = bytes.toString("latin1");
        assert.equal(set.has(bytes), model.has(key));
        if (what === "add") {
          set.add(bytes);
          model.add(key);
        } else if (what === "delete") {
          set.delete(bytes);
          model.delete(key);
        }
        assert.equal(set.size, model.size);
      }
      for (const key of model) assert.ok(set.has(Buffer.from(key, "latin1")));
    }),
  );
});

test("an IdSet grows, and keeps what it has when ids around it go", () => {
  const set = new IdSet();
  const ids = Array.from({ length: 20_000 }, (_, i) => {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32LE((i * 2_654_435_761) >>> 0, 0);
    bytes.writeUInt32LE(i, 4);
    return bytes;
  });
  for (const bytes of ids) set.add(bytes);
  for (const bytes of ids) set.add(bytes);
  assert.equal(set.size, ids.length);
  for (const [i, bytes] of ids.entries()) if (i % 3 > 0) set.delete(bytes);
  for (const [i, bytes] of ids.entries()) assert.equal(set.has(bytes), i % 3 === 0, `id ${i}`);
});

test("an IdSet goes by the first 16 bytes of an id, all of them", () => {
  const set = new IdSet();
  const bytes = Buffer.alloc(32, 7);
  set.add(bytes);
  for (let at = 0; at < 32; at++) {
    const other = Buffer.from(bytes);
    other[at] = 8;
    assert.equal(set.has(other), at >= 16, `byte ${at}`);
  }
});
