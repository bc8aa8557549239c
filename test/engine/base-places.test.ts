/** Which of the parent's chunks is found in the place of a chunk, by lengths and offsets alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BasePlaces } from "../../src/engine/snapshot/base-places.ts";
import { BaseJudge } from "../../src/engine/workers/base-judge.ts";
import { Seeded } from "../../src/repo/store/seeded.ts";

interface Chunk {
  readonly name: number;
  readonly length: number;
}

const idOf = (name: number) => {
  const id = new Uint8Array(32);
  new DataView(id.buffer).setUint32(0, name);
  return id;
};

function chunks(count: number, seed: number, firstName = 0): Chunk[] {
  const seeded = new Seeded(seed);
  const length = () => 20_000 + seeded.below(100_000);
  return Array.from({ length: count }, (_, i) => ({ name: firstName + i, length: length() }));
}

/** Names of what is found for each chunk of `now`, asked for in runs of seven. */
async function found(before: readonly Chunk[], now: readonly Chunk[], reading = false) {
  const items = before.map(({ name, length }) => ({ id: idOf(name), length }));
  const places = reading ? BasePlaces.reading(runsOf(items)) : BasePlaces.of(items);
  const names: (number | undefined)[] = [];
  let offset = 0;
  for (let from = 0; from < now.length; from += 7) {
    const some = now.slice(from, from + 7);
    await places.prepare(some.reduce((end, { length }) => end + length, offset));
    for (const { length } of some) {
      const id = places.find(offset, length);
      names.push(id === undefined ? undefined : new DataView(id.buffer).getUint32(0));
      offset += length;
    }
  }
  return names;
}

async function* runsOf(items: readonly { id: Uint8Array; length: number }[]) {
  let fileOffset = 0;
  for (let from = 0; from < items.length; from += 100) {
    yield items.slice(from, from + 100).map((item) => {
      const placed = { ...item, fileOffset };
      fileOffset += item.length;
      return placed;
    });
  }
}

/** How many of `now` found the chunk that they came from. */
async function rightOnes(before: readonly Chunk[], now: readonly Chunk[], reading = false) {
  const names = await found(before, now, reading);
  return names.filter((name, i) => name === now[i]?.name).length;
}

test("each chunk of a file that changed in place is found, its lists read as it goes", async () => {
  const before = chunks(5000, 1);
  const seeded = new Seeded(2);
  const now = before.map(({ name, length }) => ({ name, length: length + seeded.below(41) - 20 }));
  assert.equal(await rightOnes(before, now), 5000);
  assert.equal(await rightOnes(before, now, true), 5000);
  // All grow: at the end the content has shifted by two chunks.
  const grown = before.map(({ name, length }) => ({ name, length: length + 30 }));
  assert.ok((await rightOnes(before, grown, true)) > 4950);
});

test("rows that go here and come there move everything, and lose no place", async () => {
  const before = chunks(3000, 9);
  const seeded = new Seeded(10);
  const thinner = before.map(({ name, length }) => ({
    name,
    length: Math.round(length * (0.98 + seeded.below(100) / 10_000)),
  }));
  assert.ok((await rightOnes(before, [...thinner, ...chunks(30, 11, 10_000)], true)) > 2990);
});

test("two chunks that became one, or one that became two, leave the others alone", async () => {
  const before = chunks(300, 5);
  const [a, b, c] = [before[100], before[101], before[102]] as [Chunk, Chunk, Chunk];
  const joined = { name: a.length > b.length ? a.name : b.name, length: a.length + b.length };
  const merged = [...before.slice(0, 100), joined, ...before.slice(102)];
  assert.equal(await rightOnes(before, merged), merged.length);
  const halves = [0.4, 0.6].map((part) => ({ name: c.name, length: Math.round(c.length * part) }));
  const split = [...before.slice(0, 102), ...halves, ...before.slice(103)];
  assert.equal(await rightOnes(before, split), split.length);
});

test("there is nothing before an empty file, behind the end, and in place of a hole", async () => {
  assert.deepEqual(await found([], chunks(3, 6)), [undefined, undefined, undefined]);
  const before = chunks(3, 7);
  assert.deepEqual((await found(before, chunks(40, 8))).slice(-10), new Array(10).fill(undefined));
  const places = BasePlaces.of([
    { id: null, length: 1_000_000 },
    { id: idOf(1), length: 50_000 },
  ]);
  assert.equal(places.find(300_000, 60_000), undefined);
  assert.deepEqual(places.find(1_000_000, 50_010), idOf(1));
});

test("tries that fail become rare, and common again when they succeed", () => {
  const judge = new BaseJudge();
  const tries = (success: boolean) => {
    let count = 0;
    for (let i = 0; i < 800; i++) {
      if (!judge.shouldTry(100_000)) continue;
      count++;
      judge.told(success);
    }
    return count;
  };
  assert.equal(tries(true), 800);
  const failed = tries(false);
  assert.ok(failed > 80 && failed < 200, `${failed} tries of 800`);
  assert.ok(tries(true) > 700);
  assert.equal(judge.shouldTry(100), false);
  // What hardly takes room alone is not worth a record more.
  assert.ok(judge.limits(50_000, { length: 100, rawLength: 50_000 }, 1).newRow <= 0);
  const of = (generation: number) =>
    judge.limits(50_000, { length: 25_000, rawLength: 50_000 }, generation);
  assert.ok(of(1).newRow > 18_000 && of(1).newRow < 25_000);
  const inRow = [1, 2, 4, 8, 16, 32].map((generation) => of(generation).inRow);
  assert.deepEqual(
    inRow,
    inRow.toSorted((a, b) => a - b),
    "the further off, the more",
  );
  assert.ok(of(31).inRow === of(1).inRow && of(1).inRow > 2500 && of(32).inRow < 13_000);
});
