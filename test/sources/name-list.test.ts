/** Names come out as they went in, however many there are and whatever bytes they have. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NameList } from "../../src/sources/name-list.ts";

function takeAll(list: NameList): string[] {
  const taken: string[] = [];
  for (let name = list.take(); name !== undefined; name = list.take()) taken.push(name);
  assert.equal(list.take(), undefined);
  return taken;
}

/** All that a name may have: no NUL, no slash. */
const anyName = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).latin1Slice().replace(/[\0/]/g, "\n"));

test("at every length around a stretch", () => {
  for (const count of [0, 1, 2, 4095, 4096, 4097, 8191, 8192, 8193, 20_000]) {
    const names = Array.from({ length: count }, (_, i) => `name ${i}`);
    assert.deepEqual(takeAll(new NameList([...names])), names);
  }
});

test("any names, in any order, some of them twice", () => {
  fc.assert(
    fc.property(fc.array(anyName, { minLength: 1, maxLength: 50 }), (some) => {
      const names = Array.from({ length: 5000 }, (_, i) => some[i % some.length] as string);
      assert.deepEqual(takeAll(new NameList([...names])), names);
    }),
    { numRuns: 50 },
  );
});
