/** Faults of packs are told in one order, in whichever they were found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { packId } from "../../src/base/ids.ts";
import { PackFaults } from "../../src/engine/check/pack-faults.ts";
import type { PackInfo } from "../../src/repo/blob-lookup.ts";

function infoOf(packNo: number, digit: string): PackInfo {
  const pack = packId(digit.repeat(64));
  const wrap = new Uint8Array(72);
  return { packNo, pack, size: 100, cipher: 1, wrapMethod: 1, wrap, blobCount: 1 };
}

test("faults come in the order of the packs' names", () => {
  const infos = [infoOf(1, "c"), infoOf(2, "a"), infoOf(3, "b")];
  const told = [infos, infos.toReversed()].map((order) => {
    const faults = new PackFaults();
    for (const info of order) {
      if (info.packNo === 3) faults.addSize(info, 5, "size");
      else faults.addContent(info, "content", [0]);
    }
    return [...faults].map(({ info, message }) => `${info.pack[0]} ${message}`);
  });
  assert.deepEqual(told[0], ["a content", "b size", "c content"]);
  assert.deepEqual(told[1], told[0]);
});
