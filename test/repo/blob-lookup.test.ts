/** Which copies count, against a model: by depth, from the bottom up (format.md, "Bases"). */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type BlobPlace,
  basesOf,
  lackedBases,
  type StandingCopy,
  standingCopy,
  standingOf,
} from "../../src/repo/blob-lookup.ts";
import {
  BlobKind,
  depthMax,
  depthOf,
  Encoding,
  isGeneration,
} from "../../src/repo/format/pack-table.ts";

interface Copy {
  readonly blob: number;
  readonly base: number;
  /** 0: it stands on nothing. */
  readonly generation: number;
}

const blobCount = 6;
const idOf = (blob: number) => new Uint8Array(32).fill(blob);
const copyShape: fc.Arbitrary<Copy> = fc
  .record({
    blob: fc.nat(blobCount - 1),
    base: fc.nat(blobCount - 1),
    generation: fc.oneof(
      { weight: 1, arbitrary: fc.constant(0) },
      { weight: 6, arbitrary: fc.integer({ min: 1, max: 255 }).filter(isGeneration) },
    ),
  })
  .filter(({ blob, base, generation }) => generation === 0 || blob !== base);

function placeOf({ base, generation }: Copy, packNo: number): BlobPlace {
  const facts = { packNo, ordinal: 0, offset: 0, length: 20, rawLength: 100, kind: BlobKind.data };
  if (generation === 0) return { ...facts, encoding: Encoding.raw };
  return { ...facts, encoding: Encoding.zstdOnBase, baseId: idOf(base), generation };
}

class Lookup {
  readonly places: readonly BlobPlace[];
  readonly #copies: readonly Copy[];
  looks = 0;

  constructor(copies: readonly Copy[]) {
    this.#copies = copies;
    this.places = copies.map(placeOf);
  }

  copies(_kind: BlobKind, id: Uint8Array): BlobPlace[] {
    this.looks++;
    return this.places.filter((_, at) => this.#copies[at]?.blob === id[0]);
  }
}

/** The copies that count: those of each depth once those of less are known. */
function counting(copies: readonly Copy[]): Set<Copy> {
  const counts = new Set<Copy>();
  for (let depth = 0; depth <= depthMax; depth++) {
    const ofDepth = copies.filter((copy) => depthOf(copy) === depth);
    const good = ofDepth.filter(
      (copy) =>
        depth === 0 || [...counts].some((each) => each.blob === copy.base && depthOf(each) < depth),
    );
    for (const copy of good) counts.add(copy);
  }
  return counts;
}

function assertStands(standing: StandingCopy): void {
  const chain = [standing.place, ...basesOf(standing)];
  assert.ok(chain.length <= depthMax + 1);
  for (const [at, place] of chain.entries()) {
    const below = chain[at + 1];
    if (below === undefined) assert.equal(place.baseId, undefined);
    else assert.ok(depthOf(below) < depthOf(place));
  }
}

const all = fc.array(copyShape, { maxLength: 30 });

test("the copy of least depth that counts is found, the first of those", () => {
  fc.assert(
    fc.property(all, (copies) => {
      const counts = counting(copies);
      const lookup = new Lookup(copies);
      for (let blob = 0; blob < blobCount; blob++) {
        const own = [...counts].filter((copy) => copy.blob === blob);
        const least = Math.min(...own.map(depthOf));
        const expected = copies.findIndex((copy) => own.includes(copy) && depthOf(copy) === least);
        const found = standingCopy(lookup, BlobKind.data, idOf(blob));
        assert.equal(found?.place.packNo ?? -1, expected);
        if (found !== undefined) assertStands(found);
        for (let end = 0; end <= depthMax + 1; end++) {
          const below = standingCopy(lookup, BlobKind.data, idOf(blob), end);
          assert.equal(below?.place.packNo ?? -1, least < end ? expected : -1);
        }
      }
      for (const [at, place] of lookup.places.entries()) {
        const standing = standingOf(lookup, place);
        assert.equal(standing !== undefined, counts.has(copies[at] as Copy));
        if (standing !== undefined) assertStands(standing);
      }
    }),
    { numRuns: 1000 },
  );
});

test("with what is told to be lacked, the blob counts", () => {
  fc.assert(
    fc.property(all, (copies) => {
      for (const { blob } of copies) {
        const lookup = new Lookup(copies);
        if (standingCopy(lookup, BlobKind.data, idOf(blob)) !== undefined) continue;
        const lacked = lackedBases(lookup, BlobKind.data, idOf(blob)).map((id) => id[0] ?? 0);
        assert.ok(lacked.length > 0);
        for (const base of lacked) {
          assert.equal(
            lookup.copies(BlobKind.data, idOf(base)).some((copy) => !copy.baseId),
            false,
          );
        }
        const more = lacked.map((base) => ({ blob: base, base: 0, generation: 0 }));
        const found = standingCopy(new Lookup([...copies, ...more]), BlobKind.data, idOf(blob));
        assert.ok(found !== undefined);
      }
    }),
    { numRuns: 1000 },
  );
});

test("work is bounded however many copies name each other", () => {
  const generations = [1, 3, 7, 15];
  const copies: Copy[] = [];
  for (let blob = 0; blob < blobCount; blob++) {
    for (let base = 0; base < blobCount; base++) {
      if (base === blob) continue;
      for (let n = 0; n < 40; n++) {
        for (const generation of generations) copies.push({ blob, base, generation });
      }
    }
  }
  const lookup = new Lookup(copies);
  assert.equal(standingCopy(lookup, BlobKind.data, idOf(0)), undefined);
  assert.ok(lookup.looks <= 1 + blobCount * depthMax, `${lookup.looks} look-ups`);
  lookup.looks = 0;
  assert.equal(new Set(lackedBases(lookup, BlobKind.data, idOf(0)).map((id) => id[0])).size, 6);
  assert.ok(lookup.looks <= 2 * (1 + blobCount * depthMax), `${lookup.looks} look-ups`);
});
