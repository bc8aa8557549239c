import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keySlotId } from "../../src/base/ids.ts";
import { newKeyFileSecret, type Secret } from "../../src/repo/crypto/kek.ts";
import { decodeDescription, encodeDescription } from "../../src/repo/format/description.ts";
import {
  createKeySlot,
  type KeySlotOptions,
  openKeySlot,
  openKeySlotInfo,
  sealDescription,
  verifyDescription,
} from "../../src/repo/key-slots.ts";
import { description, fixedKeys as keys, random } from "../helpers/format-samples.ts";

const id = keySlotId("4d".repeat(16));
const bundle = { master: keys.master, chunkerSecret: keys.chunkerSecret };
const info = { label: "laptop", createdNs: 12n, host: "lake" };
const kdf = { memoryKib: 8 * 1024, passes: 1, parallelism: 1 };
const passphrase: Secret = { kind: "passphrase", text: "four words of salt" };
const keyFile = newKeyFileSecret(random);
const create = (secret: Secret, more: Partial<KeySlotOptions> = {}) =>
  createKeySlot({ id, bundle, secret, info, random, kdf, ...more });

for (const [name, secret, wrong] of [
  ["passphrase", passphrase, { kind: "passphrase", text: "four words of sand" }],
  ["key file", keyFile, newKeyFileSecret(random)],
] as [string, Secret, Secret][]) {
  test(`${name}: opens with its secret and with no other`, async () => {
    const bytes = await create(secret);
    const opened = await openKeySlot(id, bytes, secret);
    assert.deepEqual(opened, bundle);
    const otherKind = secret.kind === "key" ? passphrase : keyFile;
    for (const no of [wrong, otherKind]) {
      await assert.rejects(openKeySlot(id, bytes, no), { code: "password-wrong" });
    }
  });

  test(`${name}: any bit flipped and it does not open`, async () => {
    const bytes = await create(secret);
    const infoAt = bytes.length - (await infoLength(bytes));
    // Argon2id takes a while: look at some of the places only.
    const step = secret.kind === "key" ? 1 : 13;
    for (let at = 0; at < infoAt; at += step) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      if (secret.kind === "passphrase" && at >= 9 && at < 21) continue; // Costs, below.
      await assert.rejects(openKeySlot(id, flipped, secret), (error: { code?: string }) =>
        ["password-wrong", "object-damaged", "repo-future"].includes(error.code ?? ""),
      );
    }
  });
}

/** Bytes of nonce, length and sealed information at the end of a slot. */
async function infoLength(bytes: Uint8Array): Promise<number> {
  const sealed = JSON.stringify({ label: "laptop", createdNs: "12", host: "lake" }).length + 16;
  assert.equal(Buffer.from(bytes).readUInt16LE(bytes.length - sealed - 2), sealed);
  return 24 + 2 + sealed;
}

test("hostile costs are refused before any memory is taken", async () => {
  const bytes = Buffer.from(await create(passphrase));
  const before = process.memoryUsage().rss;
  for (const [at, value] of [
    [9, 0xffffffff],
    [9, 1024 * 1024 + 1],
    [13, 0xffffffff],
    [17, 1000],
  ] as const) {
    const hostile = Buffer.from(bytes);
    hostile.writeUInt32LE(value, at);
    await assert.rejects(openKeySlot(id, hostile, passphrase), { code: "object-damaged" });
  }
  assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024);
});

test("every key holder can list slots, but not pass one for another", async () => {
  const bytes = await create(keyFile);
  assert.deepEqual(openKeySlotInfo(keys, id, bytes), { ...info, kdf: "key-file" });
  const other = keySlotId("00".repeat(16));
  assert.throws(() => openKeySlotInfo(keys, other, bytes), { code: "object-damaged" });
});

test("slots that no reader would take are not written", async () => {
  const label = "x".repeat(5000);
  await assert.rejects(create(keyFile, { info: { ...info, label } }), { code: "limit-exceeded" });
  const weak = { memoryKib: 1024, passes: 1, parallelism: 1 };
  await assert.rejects(create(passphrase, { kdf: weak }), { code: "limit-exceeded" });
});

test("a description is believed only as it was sealed", () => {
  fc.assert(
    fc.property(description, (facts) => {
      const sealed = decodeDescription(encodeDescription(sealDescription(facts, keys)));
      verifyDescription(sealed, keys);
      const padding = !sealed.pack.padding;
      const changed = { ...sealed, pack: { ...sealed.pack, padding } };
      assert.throws(() => verifyDescription(changed, keys), { code: "object-damaged" });
      const more = { ...sealed, extra: { ...sealed.extra, added: 1 } };
      assert.throws(() => verifyDescription(more, keys), { code: "object-damaged" });
    }),
    { numRuns: 30 },
  );
});
