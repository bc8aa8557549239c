/** Which of the parent's chunks is found by content, where lengths and offsets do not tell. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BasePlaces } from "../../src/engine/snapshot/base-places.ts";
import { BaseSearch } from "../../src/engine/snapshot/base-search.ts";
import { Seeded } from "../../src/repo/store/seeded.ts";
import { noise } from "../helpers/file-fixtures.ts";

interface Chunk {
  readonly name: number;
  readonly bytes: Buffer;
}

const idOf = (name: number) => {
  const id = new Uint8Array(32);
  new DataView(id.buffer).setUint32(0, name);
  return id;
};
const nameOf = (id: Uint8Array) => Buffer.from(id).readUInt32BE();

/** Lengths lie close together, as those of cut chunks do. */
function chunks(count: number, seed: number, firstName = 0): Chunk[] {
  const seeded = new Seeded(seed);
  return Array.from({ length: count }, (_, i) => ({
    name: firstName + i,
    bytes: noise(20_000 + seeded.below(6000), seed * 10_000 + i),
  }));
}

/** Each chunk without some of its bytes here and there. */
function thinned(all: readonly Chunk[]): Chunk[] {
  const seeded = new Seeded(77);
  const thin = (bytes: Buffer) => {
    const gone = seeded.below(bytes.length / 2);
    return Buffer.concat([bytes.subarray(0, gone), bytes.subarray(gone + 150 + seeded.below(100))]);
  };
  return all.map(({ name, bytes }) => ({ name, bytes: thin(bytes) }));
}

/** How many chunks of `now` found the one that they came from, and how many were opened for it. */
async function rightOnes(before: readonly Chunk[], now: readonly Chunk[]) {
  const known = new Map(before.map((chunk) => [chunk.name, chunk.bytes]));
  const places = BasePlaces.of(
    before.map(({ name, bytes }) => ({ id: idOf(name), length: bytes.length })),
  );
  let opened = 0;
  const search = new BaseSearch(places, async (id) => {
    opened++;
    return known.get(nameOf(id));
  });
  let [offset, right] = [0, 0];
  for (const { name, bytes } of now) {
    const id = await search.find(offset, bytes);
    if (id !== undefined && nameOf(id) === name) right++;
    offset += bytes.length;
  }
  return { right, opened };
}

test("behind what was inserted or removed each chunk is found again at once", async () => {
  const before = chunks(300, 3);
  const old = thinned(before);
  const inserted = [...old.slice(0, 100), ...chunks(6, 4, 10_000), ...old.slice(100)];
  assert.equal((await rightOnes(before, inserted)).right, 300, "inserted");
  const removed = [...old.slice(0, 100), ...old.slice(103)];
  assert.equal((await rightOnes(before, removed)).right, 297, "removed");
  const farOff = [...old.slice(0, 100), ...old.slice(180)];
  assert.ok((await rightOnes(before, farOff)).right >= 217, "many removed");
});

test("chunks whose cuts went are found by what is in them", async () => {
  const before = chunks(200, 5);
  const all = Buffer.concat(before.map(({ bytes }) => bytes));
  const starts = before.map((_, i) =>
    before.slice(0, i).reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
  // Cut where the parent was not, and behind something new.
  const now = Array.from({ length: 150 }, (_, i) => {
    const start = 31_000 + i * 24_000;
    const middle = start + 12_000;
    const name = starts.findLastIndex((each) => each <= middle);
    return { name, bytes: all.subarray(start, start + 24_000) };
  });
  const { right } = await rightOnes(before, [...chunks(2, 6, 10_000), ...now]);
  assert.ok(right >= 120, `${right} of 150`);
});

test("what is nowhere in the parent costs few looks", async () => {
  const { right, opened } = await rightOnes(chunks(1000, 7), chunks(1000, 8, 10_000));
  assert.equal(right, 0);
  assert.ok(opened < 200, `${opened} chunks were opened`);
});

test("what is the same all over tells of no place, and what cannot be read is none", async () => {
  const zeros = [0, 1].map((name) => ({ name, bytes: Buffer.alloc(20_000 + name * 900) }));
  assert.equal((await rightOnes(zeros, [...zeros].reverse())).opened, 0);
  const places = BasePlaces.of([{ id: idOf(1), length: 50_000 }]);
  const search = new BaseSearch(places, async () => undefined);
  assert.deepEqual(await search.find(0, noise(30_000, 1)), idOf(1), "by its offset all the same");
});
