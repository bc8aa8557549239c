import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeBundle,
  decodeKeySlot,
  decodeSlotInfo,
  encodeBundle,
  encodeKeySlot,
  encodeSlotInfo,
  encodeSlotPrefix,
  type KeySlot,
} from "../../../src/repo/format/key-slot.ts";
import { assertSurvives, bytesOf, keySlot, plain } from "../../helpers/format-samples.ts";

const plainSlot = (slot: KeySlot): KeySlot => ({
  kdf: { ...slot.kdf, salt: plain(slot.kdf.salt) },
  nonce: plain(slot.nonce),
  sealedBundle: plain(slot.sealedBundle),
  infoNonce: plain(slot.infoNonce),
  sealedInfo: plain(slot.sealedInfo),
});

test("decode of encode is the same", () => {
  fc.assert(
    fc.property(keySlot, (slot) => {
      const bytes = encodeKeySlot(slot);
      assert.deepEqual(plainSlot(decodeKeySlot(bytes)), slot);
      const prefix = encodeSlotPrefix(slot.kdf);
      assert.deepEqual(plain(bytes.subarray(0, prefix.length)), plain(prefix));
    }),
  );
});

test("any bytes are decoded, or refused with a code", () => {
  assertSurvives(decodeKeySlot, keySlot.map(encodeKeySlot));
  assertSurvives(decodeBundle, bytesOf(65));
  assertSurvives(decodeBundle, bytesOf(97));
  const info = fc.constant(encodeSlotInfo({ label: "home", createdNs: 5n, host: "lake" }));
  assertSurvives(decodeSlotInfo, info);
});

test("Argon2id parameters beyond the limits are refused", () => {
  const slot = (memoryKib: number, passes: number, parallelism: number) =>
    encodeKeySlot({
      kdf: { kind: "argon2id", salt: new Uint8Array(32), memoryKib, passes, parallelism },
      nonce: new Uint8Array(24),
      sealedBundle: new Uint8Array(81),
      infoNonce: new Uint8Array(24),
      sealedInfo: new Uint8Array(20),
    });
  for (const [memory, passes, lanes] of [
    [8 * 1024, 1, 1],
    [1024 * 1024, 64, 16],
  ] as const) {
    decodeKeySlot(slot(memory, passes, lanes));
  }
  for (const [memory, passes, lanes] of [
    [8 * 1024 - 1, 1, 1],
    [1024 * 1024 + 1, 1, 1],
    [0xffffffff, 1, 1],
    [65536, 0, 1],
    [65536, 65, 1],
    [65536, 1, 0],
    [65536, 1, 17],
  ] as const) {
    assert.throws(() => decodeKeySlot(slot(memory, passes, lanes)), {
      code: "object-damaged",
      message: /out of bounds/,
    });
  }
});

test("key derivations and roles of the future are told as such", () => {
  const slot = encodeKeySlot(fc.sample(keySlot, { numRuns: 1, seed: 3 })[0] as KeySlot);
  slot[8] = 2;
  assert.throws(() => decodeKeySlot(slot), { code: "repo-future" });
  const bundle = encodeBundle({ master: new Uint8Array(32), chunkerSecret: new Uint8Array(32) });
  assert.equal(bundle.length, 65);
  bundle[0] = 2;
  assert.throws(() => decodeBundle(bundle), { code: "repo-future", message: /role 2/ });
  bundle[0] = 0;
  assert.throws(() => decodeBundle(bundle), { code: "object-damaged" });
});

test("a bundle and its information are read back", () => {
  fc.assert(
    fc.property(bytesOf(32), bytesOf(32), fc.string(), fc.bigInt(), (a, b, label, number) => {
      const bundle = decodeBundle(encodeBundle({ master: a, chunkerSecret: b }));
      assert.deepEqual(bundle, { master: a, chunkerSecret: b });
      const shared = { master: a, chunkerSecret: b, idsRoot: a };
      assert.deepEqual(decodeBundle(encodeBundle(shared)), shared);
      const short = encodeBundle(shared).subarray(0, 96);
      assert.throws(() => decodeBundle(short), { code: "object-damaged" });
      const info = { label, createdNs: BigInt.asIntN(64, number), host: "lake" };
      assert.deepEqual(decodeSlotInfo(encodeSlotInfo(info)), info);
    }),
  );
});
