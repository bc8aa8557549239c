import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../src/base/ids.ts";
import {
  BlobHasher,
  BlobOpener,
  BlobSealer,
  type BlobSealerOptions,
  packBlobsFull,
  paddedSize,
  type SealedPack,
} from "../../src/repo/blob-codec.ts";
import { decodePack } from "../../src/repo/format/index-object.ts";
import { blobBytesMax } from "../../src/repo/format/limits.ts";
import { BlobKind, Encoding, type PackTableEntry } from "../../src/repo/format/pack-table.ts";
import { objectHash } from "../../src/repo/objects.ts";
import { rangesOf, readPackContents } from "../../src/repo/pack-reader.ts";
import {
  assertCoded,
  fixedKeys as keys,
  mutationsOf,
  plainEntry,
  random,
} from "../helpers/format-samples.ts";

const hasher = new BlobHasher(keys);
const opener = new BlobOpener(keys);
const sealer = (more: Partial<BlobSealerOptions> = {}) =>
  new BlobSealer({ keys, cipher: 1, packBytes: 256 * 1024, padding: false, random, ...more });
const append = (to: BlobSealer, kind: BlobKind, plaintext: Uint8Array) =>
  to.append(kind, hasher.id(kind, plaintext), plaintext);
const sealedOf = ({ bytes }: SealedPack, { offset, length }: PackTableEntry) =>
  bytes.subarray(offset, offset + length);

const kinds = fc.constantFrom(BlobKind.data, BlobKind.catalog, BlobKind.list);
const plaintexts = fc.array(
  fc.tuple(
    kinds,
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(99)).map(([bytes, times]) => {
        return Buffer.concat(Array(times).fill(bytes));
      }),
    ),
  ),
  { minLength: 1, maxLength: 12 },
);

test("who is lent plaintexts sees each whole until the next, and who keeps them all", () => {
  const lender = new BlobOpener(keys, { lend: true });
  fc.assert(
    fc.property(plaintexts, fc.constantFrom(1 as const, 2 as const), (blobs, cipher) => {
      const into = sealer({ cipher });
      const entries = blobs.map(([kind, plaintext]) => append(into, kind, plaintext));
      const pack = into.finish();
      const packOpener = lender.openPack(pack.pack);
      const kept: Uint8Array[] = [];
      for (const [n, entry] of entries.entries()) {
        const sealed = sealedOf(pack, entry);
        const before = Uint8Array.from(sealed);
        const plaintext = Buffer.from(blobs[n]?.[1] ?? []);
        assert.deepEqual(Buffer.from(lender.open(packOpener, entry, sealed)), plaintext);
        assert.deepEqual(Uint8Array.from(sealed), before, "what is sealed stays as it is");
        kept.push(opener.open(packOpener, entry, sealed));
      }
      for (const [n, plaintext] of kept.entries()) {
        assert.deepEqual(Buffer.from(plaintext), Buffer.from(blobs[n]?.[1] ?? []));
      }
    }),
  );
});

test("what is sealed opens, from the pack's own table as from the index's", async () => {
  const options = fc.record({
    cipher: fc.constantFrom(1 as const, 2 as const),
    padding: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(plaintexts, options, async (blobs, settings) => {
      const into = sealer(settings);
      const entries = blobs.map(([kind, plaintext]) => append(into, kind, plaintext));
      const bound = into.size;
      const pack = into.finish();
      assert.ok(pack.bytes.length <= bound);
      assert.equal(pack.pack.size, pack.bytes.length);
      assert.equal(pack.pack.pack, objectHash(pack.bytes));
      assert.deepEqual(decodePack(pack.pack).blobs.map(plainEntry), entries.map(plainEntry));
      const contents = await readPackContents(keys, rangesOf(pack.bytes));
      assert.equal(contents.blobs.length, blobs.length);
      const open = opener.openPack(contents);
      for (const [i, entry] of contents.blobs.entries()) {
        const plaintext = opener.open(open, entry, sealedOf(pack, entry));
        assert.equal(toHex(plaintext), toHex(blobs[i]?.[1] as Uint8Array));
        assert.equal(entry.offset, entries[i]?.offset);
      }
    }),
    { numRuns: 60 },
  );
});

test("data that does not get smaller is stored raw", () => {
  const into = sealer();
  assert.equal(append(into, BlobKind.data, random(1000)).encoding, Encoding.raw);
  assert.equal(append(into, BlobKind.data, new Uint8Array(1000)).encoding, Encoding.zstd);
  assert.equal(append(into, BlobKind.data, new Uint8Array(0)).length, 16);
});

describe("against a base", () => {
  const base = random(8000);
  const like = Uint8Array.from(base);
  like[4000] = (like[4000] ?? 0) ^ 1;
  const baseId = hasher.id(BlobKind.data, base);
  const likeId = hasher.id(BlobKind.data, like);
  const into = sealer();
  const on = { id: baseId, plaintext: base, generation: 5 };
  const entry = into.append(BlobKind.data, likeId, like, on);
  const pack = into.finish();
  const open = opener.openPack(pack.pack);

  test("a blob like its base is small, and opens with it", async () => {
    assert.equal(entry.encoding, Encoding.zstdOnBase);
    assert.ok(entry.length < 100);
    const [read] = (await readPackContents(keys, rangesOf(pack.bytes))).blobs;
    assert.equal(toHex(read?.baseId as Uint8Array), toHex(baseId));
    assert.equal(read?.generation, 5);
    assert.equal(toHex(opener.open(open, entry, sealedOf(pack, entry), base)), toHex(like));
  });

  test("another base, another base's id, or another generation is damage", () => {
    const sealed = sealedOf(pack, entry);
    const damage = { code: "blob-damaged" };
    assert.throws(() => opener.open(open, entry, sealed, random(8000)), damage);
    assert.throws(() => opener.open(open, { ...entry, baseId: likeId }, sealed, base), damage);
    assert.throws(() => opener.open(open, { ...entry, generation: 4 }, sealed, base), damage);
  });

  test("a base that is of no use is left out", () => {
    const useless = { ...on, plaintext: Buffer.from("37a430ec00000000", "hex") };
    const next = sealer();
    assert.equal(next.append(BlobKind.data, likeId, like, useless).encoding, Encoding.raw);
  });
});

describe("a hostile store", () => {
  const into = sealer();
  const one = append(into, BlobKind.data, Buffer.alloc(300, "one "));
  const two = append(into, BlobKind.data, Buffer.alloc(300, "two "));
  const node = append(into, BlobKind.catalog, Buffer.alloc(300, "one "));
  const pack = into.finish();
  const open = opener.openPack(pack.pack);
  const damage = { code: "blob-damaged" };

  test("cannot swap blobs of one pack", () => {
    assert.equal(one.length, two.length);
    assert.throws(() => opener.open(open, one, sealedOf(pack, two)), damage);
    assert.throws(
      () => opener.open(open, { ...one, offset: two.offset }, sealedOf(pack, two)),
      damage,
    );
    assert.throws(
      () => opener.open(open, { ...two, offset: one.offset }, sealedOf(pack, two)),
      damage,
    );
  });

  test("cannot take a blob of one kind for another, or change any fact", () => {
    assert.equal(node.length, one.length);
    assert.notDeepEqual(node.id, one.id);
    for (const facts of [
      { ...node, kind: BlobKind.data },
      { ...node, id: one.id },
      { ...node, rawLength: 299 },
      { ...node, encoding: Encoding.raw },
      { ...node, offset: node.offset + 1 },
    ]) {
      assert.throws(() => opener.open(open, facts, sealedOf(pack, node)), damage);
    }
  });

  test("cannot take a blob of another pack with the same offset", () => {
    const other = sealer();
    const same = append(other, BlobKind.data, Buffer.alloc(300, "one "));
    assert.deepEqual(same, one);
    assert.throws(() => opener.open(open, one, sealedOf(other.finish(), same)), damage);
  });

  test("cannot flip a bit of a blob", () => {
    const sealed = Uint8Array.from(sealedOf(pack, one));
    for (let at = 0; at < sealed.length; at++) {
      sealed[at] = (sealed[at] ?? 0) ^ 1;
      assert.throws(() => opener.open(open, one, sealed), damage);
      sealed[at] = (sealed[at] ?? 0) ^ 1;
    }
    opener.open(open, one, sealed);
    assert.throws(() => opener.open(open, one, sealed.subarray(0, 15)), damage);
  });

  test("cannot crash the reader of tables, or make it believe in other blobs", async () => {
    const told = toHex(Buffer.concat(decodePack(pack.pack).blobs.map((blob) => blob.id)));
    await fc.assert(
      fc.asyncProperty(mutationsOf(fc.constant(pack.bytes)), async (bytes) => {
        try {
          const { blobs } = await readPackContents(keys, rangesOf(bytes));
          assert.equal(toHex(Buffer.concat(blobs.map((blob) => blob.id))), told);
        } catch (error) {
          assertCoded(error);
        }
      }),
      { numRuns: 400 },
    );
  });
});

test("a holder of the keys who seals a lie is found out by the id", () => {
  const into = sealer();
  const lie = into.append(BlobKind.data, hasher.id(BlobKind.data, random(5)), random(100));
  const pack = into.finish();
  assert.throws(() => opener.open(opener.openPack(pack.pack), lie, sealedOf(pack, lie)), {
    code: "blob-damaged",
    message: /id/,
  });
});

test("blobs move to another pack as they are", () => {
  const from = sealer({ cipher: 1 });
  const plaintext = Buffer.alloc(5000, "layer ");
  const entry = append(from, BlobKind.list, plaintext);
  const old = from.finish();
  const encoded = opener.decrypt(opener.openPack(old.pack), entry, sealedOf(old, entry));
  const into = sealer({ cipher: 2 });
  append(into, BlobKind.data, random(10));
  const moved = into.appendEncoded({ ...entry, encoded });
  const pack = into.finish();
  assert.equal(moved.length, entry.length);
  const back = opener.open(opener.openPack(pack.pack), moved, sealedOf(pack, moved));
  assert.equal(toHex(back), toHex(plaintext));
});

describe("size of a pack", () => {
  test("what fits keeps the pack within its aim", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 9000 }), { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        (sizes, padding) => {
          const into = sealer({ packBytes: 64 * 1024, padding });
          for (const size of sizes) {
            if (!into.fits(size)) break;
            append(into, BlobKind.data, random(size));
          }
          assert.ok(into.finish().bytes.length <= 64 * 1024);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("an empty pack takes the largest blob, and no larger one", () => {
    const into = sealer({ packBytes: 64 * 1024 });
    const plaintext = random(blobBytesMax);
    assert.ok(into.fits(blobBytesMax));
    const entry = append(into, BlobKind.data, plaintext);
    assert.equal(into.fits(1), false);
    const pack = into.finish();
    const back = opener.open(opener.openPack(pack.pack), entry, sealedOf(pack, entry));
    assert.equal(Buffer.compare(back, plaintext), 0);
    const larger = new Uint8Array(blobBytesMax + 1);
    assert.throws(() => append(sealer(), BlobKind.data, larger), { code: "limit-exceeded" });
  });

  test("of tiny blobs a pack is full before its size says so", () => {
    const into = sealer({ packBytes: 16 * 1024 * 1024 });
    const entries: PackTableEntry[] = [];
    while (into.fits(4)) {
      const id = random(32);
      entries.push(into.append(BlobKind.data, id, id.subarray(0, 4)));
    }
    assert.equal(entries.length, packBlobsFull);
    assert.ok(into.size < 2 * 1024 * 1024);
    const { blobs } = decodePack(into.finish().pack);
    assert.deepEqual(blobs.map(plainEntry), entries.map(plainEntry));
  });

  test("a buffer is used again, and nothing of its past is left in the pack", async () => {
    const first = sealer({ padding: true });
    append(first, BlobKind.data, random(200_000));
    const used = first.finish();
    assert.ok(used.bytes.byteLength <= 256 * 1024);
    const buffer = used.bytes.buffer;
    new Uint8Array(buffer).fill(0xee);
    const second = sealer({ padding: true, buffer });
    append(second, BlobKind.data, random(900));
    const { bytes, pack } = second.finish();
    assert.equal(bytes.buffer, buffer);
    const { blobs } = await readPackContents(keys, rangesOf(bytes));
    const tableEnd = (blobs[0]?.offset ?? 0) + (blobs[0]?.length ?? 0) + 1 + 37 + 16;
    assert.ok(bytes.subarray(tableEnd, -16).every((byte) => byte === 0));
    assert.equal(pack.pack, objectHash(bytes));
  });

  test("Padmé: never smaller, at most 12 % larger, few sizes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 30 }), (size) => {
        const padded = paddedSize(size);
        assert.ok(padded >= size && padded <= size * 1.12 + 1);
        assert.equal(paddedSize(padded), padded);
      }),
    );
    // L = 1,000,000: E = 19, S = 5, the last 14 bits are zero.
    assert.equal(paddedSize(1_000_000), Math.ceil(1_000_000 / 2 ** 14) * 2 ** 14);
    const sizes = new Set(Array.from({ length: 1 << 16 }, (_, i) => paddedSize((1 << 16) + i)));
    assert.equal(sizes.size, 33);
  });

  test("a pack without blobs is a bug", () => {
    assert.throws(() => sealer().finish(), { code: "internal" });
  });
});
