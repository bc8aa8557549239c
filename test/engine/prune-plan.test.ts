/** What a prune decides for each pack, and that it keeps to its limits whatever the packs are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { packId } from "../../src/base/ids.ts";
import {
  type PackToPlan,
  type PlanOptions,
  planPacks,
  type UnusedLimit,
} from "../../src/engine/prune-plan.ts";
import { packBlobsFull } from "../../src/repo/blob-codec.ts";
import type { PackInfo } from "../../src/repo/blob-index.ts";

const MiB = 1024 * 1024;
const headBytes = 100;

let lastNo = 0;

/** A pack with blobs of so many bytes each, the first `used` of which are needed. */
function pack(blobs: number, used: number, blobBytes = MiB): PackToPlan {
  const packNo = ++lastNo;
  const info: PackInfo = {
    packNo,
    pack: packId(packNo.toString(16).padStart(64, "0")),
    size: headBytes + blobs * blobBytes,
    cipher: 1,
    wrapMethod: 1,
    wrap: new Uint8Array(72),
    blobCount: blobs,
  };
  return { info, usage: { blobs: used, bytes: used * blobBytes } };
}

const percent = (value: number): UnusedLimit => ({ kind: "percent", percent: value });
const options = (more: Partial<PlanOptions> = {}): PlanOptions => ({
  maxUnused: percent(5),
  maxRepackBytes: Number.POSITIVE_INFINITY,
  packBytes: 16 * MiB,
  ...more,
});

const numbers = (packs: readonly { packNo: number }[]) =>
  packs.map(({ packNo }) => packNo).sort((a, b) => a - b);
const noOf = (...packs: readonly PackToPlan[]) => numbers(packs.map(({ info }) => info));

test("packs that nothing needs are dropped, whole ones stay", () => {
  const unneeded = pack(16, 0);
  const whole = pack(16, 16);
  const plan = planPacks([unneeded, whole], options());
  assert.deepEqual(numbers(plan.drop), noOf(unneeded));
  assert.deepEqual(plan.rewrite, []);
  assert.equal(plan.keptPacks, 1);
  assert.equal(plan.usedBytes, 16 * MiB);
  assert.equal(plan.freedBytes, unneeded.info.size);
  assert.equal(plan.unusedBytes, 0);
});

test("those with the most waste are rewritten until the rest is below the limit", () => {
  const worst = pack(16, 2);
  const bad = pack(16, 8);
  const slight = pack(16, 15);
  const whole = Array.from({ length: 4 }, () => pack(16, 16));
  const plan = planPacks([slight, bad, worst, ...whole], options());
  assert.deepEqual(numbers(plan.rewrite), noOf(worst, bad));
  assert.equal(plan.unusedBytes, MiB + headBytes);
  assert.equal(plan.freedBytes, 22 * MiB + 2 * headBytes);
  const strict = planPacks([slight, bad, worst, ...whole], options({ maxUnused: percent(0) }));
  assert.deepEqual(numbers(strict.rewrite), noOf(worst, bad, slight));
});

test("the limit can be bytes, or none", () => {
  const packs = [pack(16, 8), pack(16, 10)];
  const bytes = (count: number) =>
    planPacks(packs, options({ maxUnused: { kind: "bytes", bytes: count } }));
  assert.equal(bytes(0).rewrite.length, 2);
  assert.equal(bytes(7 * MiB).rewrite.length, 1);
  assert.equal(bytes(15 * MiB).rewrite.length, 0);
  const none = planPacks(packs, options({ maxUnused: { kind: "unlimited" } }));
  assert.equal(none.rewrite.length, 0);
});

test("no more is rewritten in one run than allowed", () => {
  const packs = Array.from({ length: 6 }, () => pack(16, 4));
  const plan = planPacks(packs, options({ maxRepackBytes: 40 * MiB }));
  assert.equal(plan.rewrite.length, 2);
  assert.ok(plan.rewrittenBytes <= 40 * MiB);
});

test("ten small packs are joined, nine are not", () => {
  const small = (count: number) => Array.from({ length: count }, () => pack(2, 2));
  assert.equal(planPacks(small(9), options()).rewrite.length, 0);
  assert.equal(planPacks(small(10), options()).rewrite.length, 10);
  // Whole packs of the right size have no part in that.
  assert.equal(planPacks([...small(10), pack(16, 16)], options()).rewrite.length, 10);
});

test("packs that are full of tiny blobs are not joined: they would be as they were", () => {
  const full = Array.from({ length: 30 }, () => pack(packBlobsFull, packBlobsFull, 60));
  assert.deepEqual(planPacks(full, options()).rewrite, []);
  const few = packBlobsFull / 4 - 1;
  const small = Array.from({ length: 30 }, () => pack(few, few, 60));
  assert.deepEqual(numbers(planPacks([...full, ...small], options()).rewrite), noOf(...small));
});

test("an empty repository is nothing to do", () => {
  const plan = planPacks([], options());
  assert.deepEqual([plan.drop, plan.rewrite, plan.keptPacks, plan.freedBytes], [[], [], 0, 0]);
});

const anyPack = fc
  .tuple(
    fc.integer({ min: 1, max: 40 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 1, max: 3 * MiB }),
  )
  .map(([blobs, share, bytes]) => pack(blobs, Math.round(blobs * share), bytes));

test("whatever the packs: every pack has one fate, and the limits hold", () => {
  const anyLimit = fc.oneof(
    fc.integer({ min: 0, max: 100 }).map(percent),
    fc.integer({ min: 0, max: 200 * MiB }).map((bytes): UnusedLimit => ({ kind: "bytes", bytes })),
    fc.constant<UnusedLimit>({ kind: "unlimited" }),
  );
  const anyRepack = fc.option(fc.integer({ min: 0, max: 300 * MiB }), {
    nil: Number.POSITIVE_INFINITY,
  });
  fc.assert(
    fc.property(
      fc.array(anyPack, { maxLength: 40 }),
      anyLimit,
      anyRepack,
      (packs, maxUnused, maxRepackBytes) => {
        const plan = planPacks(packs, options({ maxUnused, maxRepackBytes }));
        const unneeded = packs.filter(({ usage }) => usage.blobs === 0);
        assert.deepEqual(numbers(plan.drop), noOf(...unneeded));
        const rewritten = new Set(numbers(plan.rewrite));
        assert.equal(rewritten.size, plan.rewrite.length);
        assert.ok(unneeded.every(({ info }) => !rewritten.has(info.packNo)));
        assert.equal(plan.keptPacks, packs.length - unneeded.length - rewritten.size);
        assert.ok(plan.rewrittenBytes <= maxRepackBytes);
        const kept = packs.filter(
          ({ info, usage }) => usage.blobs > 0 && !rewritten.has(info.packNo),
        );
        const unused = kept
          .filter(({ info, usage }) => usage.blobs < info.blobCount)
          .reduce((sum, { info, usage }) => sum + info.size - usage.bytes, 0);
        assert.equal(plan.unusedBytes, unused);
        const limit =
          maxUnused.kind === "percent"
            ? (plan.usedBytes * maxUnused.percent) / 100
            : maxUnused.kind === "bytes"
              ? maxUnused.bytes
              : Number.POSITIVE_INFINITY;
        if (maxRepackBytes === Number.POSITIVE_INFINITY) assert.ok(unused <= limit);
        assert.ok(plan.freedBytes >= 0);
      },
    ),
  );
});
