import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../../src/base/bytes.ts";
import { toHex } from "../../../src/base/ids.ts";
import { blobBytesMax } from "../../../src/repo/format/limits.ts";
import {
  BlobKind,
  blobAad,
  blobNonce,
  decodePackTable,
  decodeTrailer,
  depthOf,
  Encoding,
  encodePackTable,
  encodeTrailer,
  tableBytesBound,
  tableNonce,
} from "../../../src/repo/format/pack-table.ts";
import {
  assertSurvives,
  entryShapes,
  placeEntries,
  plainEntry,
} from "../../helpers/format-samples.ts";

test("decode of encode is the same, offsets included", () => {
  fc.assert(
    fc.property(entryShapes, fc.integer({ min: 12, max: 1000 }), (shapes, first) => {
      const entries = placeEntries(shapes, first);
      const bytes = encodePackTable(entries);
      assert.ok(bytes.length <= tableBytesBound(entries.length));
      assert.deepEqual(decodePackTable(bytes, first).map(plainEntry), entries);
    }),
  );
});

test("any bytes are decoded, or refused with a code", () => {
  const valid = entryShapes.map((shapes) => encodePackTable(placeEntries(shapes, 84)));
  assertSurvives((bytes) => decodePackTable(bytes, 84), valid);
});

/** A table of one entry with these numbers. */
function tableOf(
  code: number,
  length: number,
  rawLength: number,
  base?: Uint8Array,
  generation?: number,
): Uint8Array {
  const writer = new ByteWriter().varint(1).u8(code).bytes(new Uint8Array(32).fill(1));
  writer.varint(length).varint(rawLength);
  if (base === undefined) return writer.finish();
  writer.bytes(base);
  return generation === undefined ? writer.finish() : writer.u8(generation).finish();
}

test("lengths that lie are damage before anything is allocated", () => {
  const refuse = (bytes: Uint8Array, code = "object-damaged") =>
    assert.throws(() => decodePackTable(bytes, 84), { code });
  const raw = BlobKind.data;
  const zstd = BlobKind.data | (Encoding.zstd << 4);
  decodePackTable(tableOf(raw, 116, 100), 84);
  refuse(tableOf(raw, 115, 100));
  refuse(tableOf(raw, 15, 0));
  decodePackTable(tableOf(zstd, 115, 100), 84);
  refuse(tableOf(zstd, 116, 100));
  refuse(tableOf(zstd, 16, 100));
  refuse(tableOf(zstd, 50, blobBytesMax + 1));
  decodePackTable(tableOf(zstd, 50, blobBytesMax), 84);
  decodePackTable(tableOf(raw, blobBytesMax + 16, blobBytesMax), 84);
  refuse(new ByteWriter().varint(2 ** 20).finish());
  refuse(new ByteWriter().varint(2 ** 40).finish());
  refuse(Buffer.concat([tableOf(raw, 116, 100), Buffer.of(0)]));
});

test("unknown kinds and encodings are the future; a blob is not its own base", () => {
  const refuse = (bytes: Uint8Array, code: string) =>
    assert.throws(() => decodePackTable(bytes, 84), { code });
  refuse(tableOf(0, 116, 100), "object-damaged");
  refuse(tableOf(4, 116, 100), "repo-future");
  refuse(tableOf(BlobKind.data | (3 << 4), 50, 100), "repo-future");
  const onBase = BlobKind.data | (Encoding.zstdOnBase << 4);
  decodePackTable(tableOf(onBase, 50, 100, new Uint8Array(32), 1), 84);
  refuse(tableOf(onBase, 50, 100, new Uint8Array(32).fill(1), 1), "object-damaged");
  refuse(tableOf(onBase, 50, 100), "object-damaged");
  refuse(tableOf(onBase, 50, 100, new Uint8Array(32)), "object-damaged");
});

test("of what has a base at least one bit of the generation is set, and at most four are", () => {
  const onBase = BlobKind.data | (Encoding.zstdOnBase << 4);
  for (let generation = 0; generation < 256; generation++) {
    const bits = generation.toString(2).replaceAll("0", "").length;
    const decode = () =>
      decodePackTable(tableOf(onBase, 50, 100, new Uint8Array(32), generation), 84);
    if (bits < 1 || bits > 4) assert.throws(decode, { code: "object-damaged" });
    else assert.deepEqual([decode()[0]?.generation, depthOf({ generation })], [generation, bits]);
  }
  assert.equal(depthOf({}), 0, "what has no base stands on nothing");
});

test("a trailer is read back, and its table lies within the pack", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 29), fc.nat(2 ** 20), fc.nat(1000), (tableOffset, tableLength, pad) => {
      const trailer = encodeTrailer({ tableOffset, tableLength });
      assert.equal(trailer.length, 16);
      const size = tableOffset + tableLength + pad + 16;
      assert.deepEqual(decodeTrailer(trailer, size), { tableOffset, tableLength });
      assert.throws(() => decodeTrailer(trailer, size - pad - 1), { code: "object-damaged" });
    }),
  );
  const trailer = encodeTrailer({ tableOffset: 84, tableLength: 100 });
  assertSurvives((bytes) => decodeTrailer(bytes, 1000), fc.constant(trailer));
});

test("nonces never repeat within a pack", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1), (a, b) => {
      const nonces = [blobNonce(a), tableNonce(a), tableNonce(b), blobNonce(b)].map(toHex);
      assert.equal(new Set(nonces).size, a === b ? 2 : 4);
    }),
  );
  assert.equal(toHex(blobNonce(0x0102030405)), "000000000504030201000000");
  assert.equal(toHex(tableNonce(84)), "010000005400000000000000");
});

test("associated data tells blobs apart in every fact", () => {
  const id = new Uint8Array(32).fill(9);
  const facts = { kind: BlobKind.data, encoding: Encoding.raw, id, rawLength: 258 };
  const aad = blobAad(facts);
  assert.equal(toHex(aad), `010100${"02010000"}${"09".repeat(32)}`);
  const baseId = new Uint8Array(32).fill(8);
  const onBase = blobAad({ ...facts, encoding: Encoding.zstdOnBase, baseId, generation: 6 });
  assert.equal(toHex(onBase), `010102${"02010000"}${"09".repeat(32)}${"08".repeat(32)}06`);
});
