import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../../src/base/ids.ts";
import {
  Blake3Stream,
  blake3,
  type HashBackendName,
  hashBackendName,
  KeyedHash,
  loadHashBackend,
} from "../../../src/repo/crypto/hash.ts";
import { bytesOf } from "../../helpers/format-samples.ts";

/** test_vectors.json of the BLAKE3 team; first 32 bytes of `hash` and `keyed_hash`. */
const vectors: [number, string, string][] = [
  [
    0,
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
  ],
  [
    1,
    "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
  ],
  [
    1023,
    "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e",
  ],
  [
    1024,
    "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4",
  ],
  [
    1025,
    "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69",
  ],
  [
    3072,
    "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
    "044a0e7b172a312dc02a4c9a818c036ffa2776368d7f528268d2e6b5df191770",
  ],
  [
    6145,
    "f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f",
    "9ac301e9e39e45e3250a7e3b3df701aa0fb6889fbd80eeecf28dbc6300fbc539",
  ],
];
const vectorKey = Buffer.from("whats the Elvish word for friend");
const vectorInput = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251);

const firstBackend = hashBackendName();
after(() => loadHashBackend(firstBackend));

test("the native build is used where it loads", () => {
  assert.equal(firstBackend, "native");
});

for (const name of ["native", "wasm"] satisfies HashBackendName[]) {
  describe(`BLAKE3, ${name}`, () => {
    test("published vectors", async () => {
      await loadHashBackend(name);
      assert.equal(hashBackendName(), name);
      const keyed = new KeyedHash(vectorKey);
      for (const [length, hash, keyedHash] of vectors) {
        assert.equal(toHex(blake3(vectorInput(length))), hash);
        assert.equal(toHex(keyed.digest(vectorInput(length))), keyedHash);
      }
    });

    test("streams may be fed in any pieces, several at once", async () => {
      await loadHashBackend(name);
      fc.assert(
        fc.property(
          fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }),
          fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }),
          (left, right) => {
            const a = new Blake3Stream();
            const b = new Blake3Stream();
            for (let i = 0; i < Math.max(left.length, right.length); i++) {
              const [x, y] = [left[i], right[i]];
              if (x !== undefined) a.update(x);
              if (y !== undefined) b.update(y);
            }
            assert.deepEqual(a.digest(), blake3(Buffer.concat(left)));
            assert.deepEqual(b.digest(), blake3(Buffer.concat(right)));
          },
        ),
        { numRuns: 30 },
      );
    });

    test("the key is copied, digests are new arrays, shared memory will do", async () => {
      await loadHashBackend(name);
      const key = Uint8Array.from(vectorKey);
      const keyed = new KeyedHash(key);
      const other = new KeyedHash(new Uint8Array(32));
      key.fill(0);
      const shared = new Uint8Array(new SharedArrayBuffer(1025));
      shared.set(vectorInput(1025));
      const first = keyed.digest(shared);
      const before = toHex(first);
      other.digest(shared);
      assert.equal(toHex(keyed.digest(shared.subarray(0, 1024))), vectors[3]?.[2]);
      assert.equal(toHex(first), before);
      assert.equal(before, vectors[4]?.[2]);
    });
  });
}

test("native and WebAssembly give the same bytes", async () => {
  const cases = fc.sample(fc.tuple(bytesOf(32), fc.uint8Array({ maxLength: 5000 })), 60);
  const results: string[][] = [];
  for (const name of ["native", "wasm"] satisfies HashBackendName[]) {
    await loadHashBackend(name);
    results.push(cases.map(([key, data]) => toHex(new KeyedHash(key).digest(data))));
    results.push(cases.map(([, data]) => toHex(blake3(data))));
  }
  assert.deepEqual(results[0], results[2]);
  assert.deepEqual(results[1], results[3]);
});

test("a key of another length is a bug", () => {
  assert.throws(() => new KeyedHash(new Uint8Array(31)), { code: "internal" });
});
