import assert from "node:assert/strict";
import { test } from "node:test";
import { BlobHasher, BlobSealer } from "../../src/repo/blob-codec.ts";
import { deriveKeys } from "../../src/repo/crypto/keys.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import { rangesOf, readPackContents } from "../../src/repo/pack-reader.ts";
import { fixedKeys as keys, random } from "../helpers/format-samples.ts";

const hasher = new BlobHasher(keys);

function newPack() {
  const sealer = new BlobSealer({ keys, cipher: 1, packBytes: 1 << 20, padding: true, random });
  for (let i = 0; i < 50; i++) {
    const plaintext = random(2000);
    sealer.append(BlobKind.data, hasher.id(BlobKind.data, plaintext), plaintext);
  }
  return sealer.finish();
}

const pack = newPack();

test("only header, trailer and table are read", async () => {
  const ranges: [number, number][] = [];
  const contents = await readPackContents(keys, {
    size: pack.bytes.length,
    read: async (offset, length) => {
      ranges.push([offset, length]);
      return pack.bytes.subarray(offset, offset + length);
    },
  });
  assert.equal(contents.blobs.length, 50);
  assert.equal(contents.size, pack.bytes.length);
  assert.equal(ranges.length, 3);
  assert.ok(ranges.reduce((sum, [, length]) => sum + length, 0) < 3000);
});

test("truncated, other keys, and a table of another pack are damage", async () => {
  const damage = { code: "object-damaged" };
  for (const length of [0, 11, 27, 28, 84, 1000, pack.bytes.length - 1]) {
    const ranges = rangesOf(pack.bytes.subarray(0, length));
    await assert.rejects(readPackContents(keys, ranges), damage, `${length}`);
  }
  const others = deriveKeys({ master: random(32), chunkerSecret: random(32) });
  await assert.rejects(readPackContents(others, rangesOf(pack.bytes)), damage);
  const other = newPack();
  assert.equal(other.bytes.length, pack.bytes.length);
  const mixed = Uint8Array.from(pack.bytes);
  const tableOffset = 84 + 50 * 2016;
  mixed.set(other.bytes.subarray(tableOffset), tableOffset);
  await assert.rejects(readPackContents(keys, rangesOf(mixed)), damage);
});
