/** The kernel makes the cuts that its twin defines, whatever data, place and slicing are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Cutter, createCutter } from "../../src/chunker/cutter.ts";
import { lengthsMax } from "../../src/chunker/kernel-memory.ts";
import { type ChunkProfile, cutBits } from "../../src/chunker/profiles.ts";
import { twinCut } from "../../src/chunker/twin.ts";
import {
  anyData,
  anySeed,
  anySmallProfile,
  dataOf,
  randomBytesOf,
  smallProfile,
  tableOf,
} from "./sample-data.ts";

const table = tableOf(1);

function cutAll(cutter: Cutter, data: Uint8Array, at = 0): number[] {
  cutter.buffer.set(data, at);
  return [...cutter.cut(at, at + data.length, true)];
}

function total(lengths: Iterable<number>): number {
  return [...lengths].reduce((sum, length) => sum + length, 0);
}

test("kernel and twin cut alike", () => {
  fc.assert(
    fc.property(
      anySmallProfile,
      anySeed,
      anyData,
      fc.integer({ min: 0, max: 100 }),
      (profile, seed, data, at) => {
        const options = { profile, table: tableOf(seed) };
        const cutter = createCutter(options, 70_000);
        cutter.buffer.fill(0xa5);
        assert.deepEqual(cutAll(cutter, data, at), twinCut(options.table, profile, data));
      },
    ),
  );
});

test("cuts are where the formula has them", () => {
  const profile = { ...smallProfile, minBytes: 64, normalization: 1 };
  const data = randomBytesOf(7, 12_000);
  const view = new DataView(table.buffer, table.byteOffset);
  const gear = (byte: number) => view.getBigUint64(byte * 8, true);
  /** The sum over i = 1..64 of gear[byte end-i] << (i-1), modulo 2^64. */
  const hashBefore = (end: number) => {
    let hash = 0n;
    for (let i = 1; i <= 64; i++) hash += gear(data[end - i] ?? 0) << BigInt(i - 1);
    return BigInt.asUintN(64, hash);
  };
  const lengths: number[] = [];
  for (let start = 0, end = 1; end <= data.length; end++) {
    const length = end - start;
    const zeroBits = length < 1024 ? 11n : 9n;
    const byContent = length >= 64 && hashBefore(end) >> (64n - zeroBits) === 0n;
    if (!byContent && length < 4096 && end < data.length) continue;
    lengths.push(length);
    start = end;
  }
  assert.ok(lengths.length > 5);
  assert.deepEqual(twinCut(table, profile, data), lengths);
});

test("cuts never change: repositories deduplicate by them", () => {
  const lengths = twinCut(table, smallProfile, randomBytesOf(7, 10_000));
  assert.deepEqual(lengths, [461, 998, 1069, 1041, 1589, 1320, 1310, 1367, 845]);
});

test("lengths keep to the profile and add up to the data", () => {
  fc.assert(
    fc.property(anySmallProfile, anyData, (profile, data) => {
      const lengths = cutAll(createCutter({ profile, table }, 65_536), data);
      assert.equal(total(lengths), data.length);
      assert.ok(lengths.every((length) => length > 0 && length <= profile.maxBytes));
      assert.ok(lengths.slice(0, -1).every((length) => length >= profile.minBytes));
    }),
  );
});

test("more chunks than one call of the kernel returns", () => {
  const profile = { minBytes: 64, averageBytes: 128, maxBytes: 256, normalization: 0 };
  const data = randomBytesOf(3, 300 * lengthsMax);
  const lengths = cutAll(createCutter({ profile, table }, data.length), data);
  assert.ok(lengths.length > lengthsMax);
  assert.deepEqual(lengths, twinCut(table, profile, data));
});

test("a call that goes on behind what was scanned cuts as one call does", () => {
  const cutter = createCutter({ profile: smallProfile, table }, 65_536);
  fc.assert(
    fc.property(anyData, fc.array(fc.integer({ min: 0, max: 5000 })), (data, steps) => {
      cutter.buffer.set(data);
      const lengths: number[] = [];
      let start = 0;
      let scanned = 0;
      for (const step of steps) {
        const end = Math.min(scanned + step, data.length);
        const some = cutter.cut(start, end, false, scanned);
        lengths.push(...some);
        start += total(some);
        scanned = end;
      }
      lengths.push(...cutter.cut(start, data.length, true, scanned));
      assert.deepEqual(lengths, twinCut(table, smallProfile, data));
    }),
  );
});

test("a scan can stop and go on at every place", () => {
  const cutter = createCutter({ profile: smallProfile, table }, 65_536);
  const data = randomBytesOf(9, 12_000);
  cutter.buffer.set(data);
  const whole = twinCut(table, smallProfile, data);
  for (let stop = 0; stop <= data.length; stop++) {
    const first = [...cutter.cut(0, stop, false)];
    const rest = cutter.cut(total(first), data.length, true, stop);
    assert.deepEqual([...first, ...rest], whole);
  }
});

test("without the end, less than a longest chunk is left over", () => {
  const cutter = createCutter({ profile: smallProfile, table }, 65_536);
  fc.assert(
    fc.property(anyData, (data) => {
      const whole = cutAll(cutter, data);
      const complete = [...cutter.cut(0, data.length, false)];
      assert.ok(data.length - total(complete) < smallProfile.maxBytes);
      assert.deepEqual(complete, whole.slice(0, complete.length));
    }),
  );
});

test("nothing is no chunk; a short file is one", () => {
  const cutter = createCutter({ profile: smallProfile, table }, 1024);
  assert.deepEqual([...cutter.cut(5, 5, true)], []);
  assert.deepEqual([...cutter.cut(5, 5, false)], []);
  assert.deepEqual([...cutter.cut(5, 6, true)], [1]);
  assert.deepEqual([...cutter.cut(0, 256, true)], [256]);
});

test("ranges outside the buffer are refused", () => {
  const cutter = createCutter({ profile: smallProfile, table }, 65_536);
  assert.equal(cutter.buffer.length, 65_536);
  for (const [start, end] of [
    [-1, 5],
    [6, 5],
    [0, 65_537],
  ] as const) {
    assert.throws(() => cutter.cut(start, end, true), { code: "internal" });
  }
});

test("an edit changes only the chunks around it", () => {
  const cutter = createCutter({ profile: smallProfile, table }, 1_100_000);
  const data = randomBytesOf(11, 1_000_000);
  const before = cutAll(cutter, data);
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: data.length }),
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 300 }),
      (at, inserted, removed) => {
        const rest = data.subarray(Math.min(at + removed, data.length));
        const edited = Buffer.concat([data.subarray(0, at), inserted, rest]);
        const after = cutAll(cutter, edited);
        let same = 0;
        while (same < before.length && before[same] === after[same]) same++;
        assert.ok(total(before.slice(0, same + 1)) >= at, "chunks before the edit stay");
        let sameEnd = 0;
        while (sameEnd < before.length - same && before.at(-1 - sameEnd) === after.at(-1 - sameEnd))
          sameEnd++;
        assert.ok(
          before.length - same - sameEnd <= 16,
          `${before.length - same - sameEnd} changed`,
        );
      },
    ),
    { numRuns: 50 },
  );
});

test("another secret cuts elsewhere", () => {
  const data = dataOf("text", 5, 100_000);
  const ends = (lengths: number[]) => {
    let end = 0;
    return new Set(lengths.map((length) => (end += length)));
  };
  const one = ends(twinCut(tableOf(1), smallProfile, data));
  const other = ends(twinCut(tableOf(2), smallProfile, data));
  const shared = [...one].filter((end) => other.has(end) && end !== data.length);
  assert.ok(one.size > 50 && shared.length < one.size / 10, `${shared.length} of ${one.size}`);
});

/** The mean chunk length on random data, from the definition of the two conditions. */
function expectedMean(profile: ChunkProfile): number {
  const { strictBits, looseBits } = cutBits(profile);
  let alive = 1;
  let mean = profile.minBytes;
  for (let length = profile.minBytes; length < profile.maxBytes; length++) {
    alive *= 1 - 2 ** -(length < profile.averageBytes ? strictBits : looseBits);
    mean += alive;
  }
  return mean;
}

test("lengths on random data are distributed as the profile promises", () => {
  const data = randomBytesOf(23, 16 * 1024 * 1024);
  for (const normalization of [0, 1, 2, 3]) {
    const profile = { ...smallProfile, normalization };
    const lengths = cutAll(createCutter({ profile, table }, data.length), data);
    const mean = total(lengths) / lengths.length;
    const expected = expectedMean(profile);
    assert.ok(Math.abs(mean / expected - 1) < 0.02, `${normalization}: ${mean}, not ${expected}`);
    const belowAverage = lengths.filter((length) => length < profile.averageBytes).length;
    const { strictBits } = cutBits(profile);
    const share = 1 - (1 - 2 ** -strictBits) ** (profile.averageBytes - profile.minBytes);
    assert.ok(Math.abs(belowAverage / lengths.length - share) < 0.02, `${normalization}: share`);
  }
});
