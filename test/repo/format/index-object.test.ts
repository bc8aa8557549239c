import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../../src/base/bytes.ts";
import { type IndexId, packId } from "../../../src/base/ids.ts";
import {
  decodeIndex,
  encodePack,
  type IndexPack,
  indexBytesBound,
  writeIndex,
} from "../../../src/repo/format/index-object.ts";
import { assertSurvives, indexContent, plain, plainEntry } from "../../helpers/format-samples.ts";

const plainPack = (pack: IndexPack): IndexPack => ({
  ...pack,
  wrap: plain(pack.wrap),
  blobs: pack.blobs.map(plainEntry),
});

function encodeIndex(replaces: readonly IndexId[], packs: readonly IndexPack[]): Uint8Array {
  const content = { replaces, packs: packs.map(encodePack) };
  const writer = new ByteWriter();
  writeIndex(writer, content);
  assert.ok(writer.length <= indexBytesBound(content));
  return writer.finish();
}

const decodeAll = (bytes: Uint8Array) => {
  const { replaces, packs } = decodeIndex(bytes);
  return { replaces, packs: [...packs] };
};

test("decode of encode is the same", () => {
  fc.assert(
    fc.property(indexContent, ({ replaces, packs }) => {
      const decoded = decodeAll(encodeIndex(replaces, packs));
      assert.deepEqual(decoded.replaces, replaces);
      assert.deepEqual(decoded.packs.map(plainPack), packs);
    }),
  );
});

test("any bytes are decoded, or refused with a code", () => {
  const valid = indexContent.map(({ replaces, packs }) => encodeIndex(replaces, packs));
  assertSurvives(decodeAll, valid);
});

const pack = (more: Partial<IndexPack> = {}): IndexPack => ({
  pack: packId("ab".repeat(32)),
  size: 1000,
  cipher: 1,
  wrapMethod: 1,
  wrap: new Uint8Array(72),
  blobs: [
    { kind: 1, encoding: 0, id: new Uint8Array(32), offset: 84, length: 116, rawLength: 100 },
  ],
  ...more,
});

test("packs come one at a time: damage further on does not hide those before it", () => {
  const bytes = Buffer.concat([encodeIndex([], [pack(), pack()]), Buffer.of(1)]);
  const packs = decodeIndex(bytes).packs[Symbol.iterator]();
  assert.equal(packs.next().value.size, 1000);
  assert.equal(packs.next().value.size, 1000);
  assert.throws(() => packs.next(), { code: "object-damaged" });
});

test("a pack smaller than its blobs is damage", () => {
  assert.equal(decodeAll(encodeIndex([], [pack({ size: 200 })])).packs.length, 1);
  assert.throws(() => decodeAll(encodeIndex([], [pack({ size: 199 })])), {
    code: "object-damaged",
  });
});

test("counts that lie are damage before anything is allocated", () => {
  for (const counts of [[2 ** 20], [2 ** 40], [0, 2 ** 20], [0, 2 ** 50]]) {
    const writer = new ByteWriter();
    for (const count of counts) writer.varint(count);
    assert.throws(() => decodeIndex(writer.finish()), { code: "object-damaged" });
  }
});

test("an unknown cipher is the future; an unknown way of wrapping is for who unwraps", () => {
  const bytes = encodeIndex([], [pack({ cipher: 7 as 1 })]);
  assert.throws(() => decodeAll(bytes), { code: "repo-future" });
  const wrapped = decodeAll(encodeIndex([], [pack({ wrapMethod: 2, wrap: new Uint8Array(9) })]));
  assert.equal(wrapped.packs[0]?.wrapMethod, 2);
});
