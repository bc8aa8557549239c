import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { choosePacks } from "../../src/engine/check/pack-choice.ts";

const nowMs = 1_000_000;
const packs = fc.array(
  fc.record({
    pack: fc.stringMatching(/^[0-9a-f]{12}$/),
    size: fc.integer({ min: 1, max: 1000 }),
    verifiedMs: fc.option(fc.integer({ min: 0, max: nowMs }), { nil: undefined }),
  }),
  { maxLength: 40 },
);

test("all are chosen when nothing narrows the choice", () => {
  fc.assert(
    fc.property(packs, (all) => {
      assert.deepEqual(choosePacks(all, {}, nowMs, Math.random), all);
    }),
  );
});

test("parts are a partition", () => {
  fc.assert(
    fc.property(packs, fc.integer({ min: 1, max: 12 }), (all, parts) => {
      const chosen = Array.from({ length: parts }, (_, at) =>
        choosePacks(all, { subset: { kind: "part", part: at + 1, parts } }, nowMs, Math.random),
      ).flat();
      assert.deepEqual(new Set(chosen), new Set(all));
      assert.equal(chosen.length, all.length);
    }),
  );
});

test("a budget is kept, oldest first, and lets one pack through", () => {
  fc.assert(
    fc.property(packs, fc.integer({ min: 1, max: 5000 }), (all, budgetBytes) => {
      const chosen = choosePacks(all, { budgetBytes }, nowMs, Math.random);
      const bytes = chosen.reduce((sum, { size }) => sum + size, 0);
      assert.ok(bytes <= budgetBytes || chosen.length === 1);
      assert.equal(chosen.length === 0, all.length === 0);
      const age = (one: { verifiedMs: number | undefined }) => one.verifiedMs ?? -1;
      const oldest = Math.max(...chosen.map(age));
      const rest = all.filter((one) => !chosen.includes(one));
      assert.ok(rest.every((one) => age(one) >= oldest || chosen.length === 0));
    }),
  );
});

test("what was verified lately is left out; a time in the future is not believed", () => {
  const all = [
    { pack: "a", size: 1, verifiedMs: nowMs - 10 },
    { pack: "b", size: 1, verifiedMs: nowMs - 1000 },
    { pack: "c", size: 1, verifiedMs: nowMs + 5 },
    { pack: "d", size: 1, verifiedMs: undefined },
  ];
  const chosen = choosePacks(all, { maxAgeMs: 100 }, nowMs, Math.random);
  assert.deepEqual(
    chosen.map(({ pack }) => pack),
    ["c", "d", "b"],
  );
});

test("a percentage is of the bytes, and by chance", () => {
  const all = Array.from({ length: 100 }, (_, at) => ({
    pack: String(at),
    size: 10,
    verifiedMs: undefined,
  }));
  const choose = () =>
    choosePacks(all, { subset: { kind: "percent", percent: 20 } }, nowMs, Math.random);
  const [one, other] = [choose(), choose()];
  assert.equal(one.length, 20);
  assert.equal(new Set(one).size, 20);
  assert.notDeepEqual(one, other, "equal once in 10^20 runs");
});
