/** Which forebear a chunk stands on: the scheme of skip-deltas, whatever the chain looks like. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  chooseBase,
  generationAfter,
  rowGeneration,
} from "../../src/engine/snapshot/base-choice.ts";
import type { BlobPlace, StandingCopy } from "../../src/repo/blob-lookup.ts";
import { BlobKind, depthOf, Encoding, isGeneration } from "../../src/repo/format/pack-table.ts";

const idOf = (n: number) => new Uint8Array(32).fill(n);

function placeOf(on?: { readonly generation: number; readonly baseId: Uint8Array }): BlobPlace {
  const place = { packNo: 0, ordinal: 0, offset: 0, length: 20, rawLength: 100 };
  if (on === undefined) return { ...place, kind: BlobKind.data, encoding: Encoding.zstd };
  return { ...place, kind: BlobKind.data, encoding: Encoding.zstdOnBase, ...on };
}

const generationOf = ({ place }: StandingCopy) => place.generation ?? 0;

test("each generation stands on the one with its lowest bit cleared, at most four deep", () => {
  const copies: StandingCopy[] = [{ place: placeOf() }];
  for (let day = 1; ; day++) {
    const before = copies.at(-1) as StandingCopy;
    const chosen = chooseBase(idOf(day - 1), before);
    if (chosen === undefined) break;
    const { generation, copy, id } = chosen;
    assert.equal(generationOf(copy), generation & (generation - 1));
    assert.ok(depthOf({ generation }) <= 4 && depthOf(copy.place) < depthOf({ generation }));
    assert.equal(id[0], copies.indexOf(copy), "it is told by its own id");
    if (day <= 30) assert.equal(generation, day);
    copies.push({ place: placeOf({ generation, baseId: id }), base: copy });
  }
  assert.equal(generationAfter(30), 32, "31 would be five deep");
  assert.equal(generationOf(copies.at(-1) as StandingCopy), 0b1111_0000);
  assert.equal(generationAfter(0b1111_0000), undefined);
  assert.equal(depthOf({ generation: rowGeneration }), 1);
});

test("whatever the chain is, the base is of less depth, and its bottom always does", () => {
  const chain = fc.array(fc.integer({ min: 1, max: 255 }).filter(isGeneration), { maxLength: 4 });
  fc.assert(
    fc.property(chain, (generations) => {
      const rising = [...new Set(generations.map((g) => depthOf({ generation: g })))].sort();
      let copy: StandingCopy = { place: placeOf() };
      for (const [at, depth] of rising.entries()) {
        const generation = generations.find((g) => depthOf({ generation: g }) === depth) ?? 1;
        copy = { place: placeOf({ generation, baseId: idOf(at) }), base: copy };
      }
      const chosen = chooseBase(idOf(rising.length), copy);
      if (chosen === undefined) return;
      assert.ok(depthOf(chosen.copy.place) < depthOf(chosen));
      let below: StandingCopy | undefined = copy;
      for (let at = rising.length; below !== chosen.copy; at--) {
        below = below?.base;
        assert.ok(below !== undefined && at > 0, "it is one of the chain");
      }
    }),
  );
});
