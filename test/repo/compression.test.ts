import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../src/base/ids.ts";
import { Compressor, canBeBase, Decompressor } from "../../src/repo/compression.ts";
import { mutationsOf, random } from "../helpers/format-samples.ts";

const compressor = new Compressor(3);
const decompressor = new Decompressor();

/** Data with repeats, so that it compresses now and then. */
const data = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.integer({ min: 1, max: 50 })), {
    maxLength: 10,
  })
  .map((runs) => Buffer.concat(runs.flatMap(([bytes, times]) => Array(times).fill(bytes))));

function compress(plaintext: Uint8Array, base?: Uint8Array): Uint8Array | undefined {
  const target = new Uint8Array(plaintext.length + 10);
  const length =
    base === undefined
      ? compressor.compressInto(target, 5, plaintext)
      : compressor.compressWithBase(target, 5, plaintext, base);
  assert.ok(length < plaintext.length || length === -1);
  return length < 0 ? undefined : target.slice(5, 5 + length);
}

test("what comes back is what went in, or it did not get smaller", () => {
  let smaller = 0;
  fc.assert(
    fc.property(data, (plaintext) => {
      const compressed = compress(plaintext);
      if (compressed === undefined) return;
      smaller++;
      const back = decompressor.decompress(compressed, plaintext.length);
      assert.equal(toHex(back), toHex(plaintext));
    }),
  );
  assert.ok(smaller > 10);
});

test("against a base, data that is like it takes next to nothing", () => {
  const base = random(20_000);
  const like = Uint8Array.from(base);
  like.fill(0, 5000, 5010);
  assert.equal(compress(like), undefined);
  const compressed = compress(like, base);
  assert.ok(compressed !== undefined && compressed.length < 100);
  assert.equal(toHex(decompressor.decompressWithBase(compressed, base, 20_000)), toHex(like));
  const other = () => decompressor.decompressWithBase(compressed, random(20_000), 20_000);
  try {
    // zstd need not notice another base; the blob's id does.
    assert.notEqual(toHex(other()), toHex(like));
  } catch (error) {
    assert.equal((error as { code?: string }).code, "blob-damaged");
  }
});

test("a plaintext that zstd would take for a trained dictionary is no base", () => {
  const base = Buffer.concat([Buffer.from("37a430ec", "hex"), random(1000)]);
  assert.equal(canBeBase(base), false);
  assert.equal(canBeBase(base.subarray(1)), true);
  assert.equal(canBeBase(new Uint8Array(7)), false);
  assert.equal(compress(base, base), undefined);
  assert.throws(() => decompressor.decompressWithBase(new Uint8Array(9), base, 9), {
    code: "blob-damaged",
  });
});

test("a frame that is not exactly as long as declared is damage", () => {
  const plaintext = Buffer.alloc(100_000, "varve ");
  const compressed = compress(plaintext);
  assert.ok(compressed !== undefined);
  for (const rawLength of [0, 1, 99_999, 100_001]) {
    assert.throws(() => decompressor.decompress(compressed, rawLength), { code: "blob-damaged" });
  }
  const cut = compressed.subarray(0, compressed.length - 1);
  assert.throws(() => decompressor.decompress(cut, 100_000), { code: "blob-damaged" });
});

test("any bytes decompress to the declared length, or are damage", () => {
  const frame = compress(Buffer.alloc(500, "layer ")) as Uint8Array;
  const hostile = fc.oneof(fc.uint8Array(), mutationsOf(fc.constant(frame)));
  fc.assert(
    fc.property(hostile, fc.nat(1000), (bytes, rawLength) => {
      try {
        assert.equal(decompressor.decompress(bytes, rawLength).length, rawLength);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "blob-damaged");
      }
    }),
    { numRuns: 500 },
  );
});

test("shared memory will do", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4000));
  shared.fill(65, 0, 2000);
  const length = compressor.compressInto(shared, 2000, shared.subarray(0, 2000));
  assert.ok(length > 0);
  const back = decompressor.decompress(shared.subarray(2000, 2000 + length), 2000);
  assert.ok(back.every((byte) => byte === 65));
});
