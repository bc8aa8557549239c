import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { indexId, sessionId, snapshotId, tombstoneId } from "../../src/base/ids.ts";
import { deriveKeys } from "../../src/repo/crypto/keys.ts";
import { decodePack, encodePack } from "../../src/repo/format/index-object.ts";
import type { Snapshot } from "../../src/repo/format/snapshot.ts";
import {
  newPackKey,
  objectHash,
  openFence,
  openIndexObject,
  openSession,
  openSnapshot,
  openTombstone,
  sealFence,
  sealIndexObject,
  sealSession,
  sealSnapshot,
  sealTombstone,
  unwrapPackKey,
  verifyName,
  wrapPackKey,
} from "../../src/repo/objects.ts";
import {
  assertSurvives,
  fence,
  indexContent,
  fixedKeys as keys,
  lease,
  plain,
  random,
  snapshot,
  tombstone,
} from "../helpers/format-samples.ts";

const otherKeys = deriveKeys({ master: random(32), chunkerSecret: random(32) });
const sample = <T>(arbitrary: fc.Arbitrary<T>): T =>
  fc.sample(arbitrary, { numRuns: 1, seed: 7 })[0] as T;

const session = sessionId("1a".repeat(16));
const otherSession = sessionId("2b".repeat(16));
const tomb = tombstoneId("3c".repeat(16));
const fenceOf = `${session}-${otherSession}`;

/** Every kind of small object as: seal one, open bytes under a name. */
const smallObjects = {
  lease: {
    arbitrary: lease,
    seal: (value: never) => sealSession(keys, session, value, random),
    open: (bytes: Uint8Array, withKeys = keys) => openSession(withKeys, session, bytes),
    openAsOther: (bytes: Uint8Array) => openSession(keys, otherSession, bytes),
  },
  tombstone: {
    arbitrary: tombstone,
    seal: (value: never) => sealTombstone(keys, tomb, value, random),
    open: (bytes: Uint8Array, withKeys = keys) => openTombstone(withKeys, tomb, bytes),
    openAsOther: (bytes: Uint8Array) => openTombstone(keys, tombstoneId("00".repeat(16)), bytes),
  },
  fence: {
    arbitrary: fence,
    seal: (value: never) => sealFence(keys, fenceOf, value, random),
    open: (bytes: Uint8Array, withKeys = keys) => openFence(withKeys, fenceOf, bytes),
    openAsOther: (bytes: Uint8Array) => openFence(keys, `${otherSession}-${session}`, bytes),
  },
};

for (const [name, { arbitrary, seal, open, openAsOther }] of Object.entries(smallObjects)) {
  describe(name, () => {
    test("open of seal is the same, sealed anew each time", () => {
      fc.assert(
        fc.property(arbitrary as fc.Arbitrary<never>, (value) => {
          const bytes = seal(value);
          assert.deepEqual(open(bytes), value);
          assert.notDeepEqual(seal(value), bytes);
        }),
        { numRuns: 30 },
      );
    });

    test("opens under its own name and keys only, and not with a bit flipped", () => {
      const bytes = seal(sample(arbitrary as fc.Arbitrary<never>));
      assert.throws(() => openAsOther(bytes), { code: "object-damaged" });
      assert.throws(() => open(bytes, otherKeys), { code: "object-damaged" });
      for (let at = 0; at < bytes.length; at++) {
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        assert.throws(() => open(flipped), /Damaged|does not know/, `byte ${at}`);
      }
      assertSurvives(open, fc.constant(bytes));
    });
  });
}

test("no kind of object passes for another", () => {
  const bytes = smallObjects.fence.seal(sample(fence) as never);
  const asLease = Uint8Array.from(bytes);
  asLease[4] = 0x4c;
  assert.throws(() => openSession(keys, session, asLease), { code: "object-damaged" });
  assert.throws(() => openSession(keys, session, bytes), { code: "object-damaged" });
});

test("a wrap to a public key is the future, not damage", () => {
  const bytes = smallObjects.lease.seal(sample(lease) as never);
  bytes[8] = 2;
  assert.throws(() => openSession(keys, session, bytes), { code: "repo-future" });
  const header = wrapPackKey(keys, 1, random(32), random);
  assert.throws(() => unwrapPackKey(keys, { ...header, wrapMethod: 2 }), { code: "repo-future" });
});

describe("snapshot", () => {
  test("open of seal is the same, and its name is its hash", () => {
    fc.assert(
      fc.property(snapshot, (value) => {
        const { id, bytes } = sealSnapshot(keys, value, random);
        assert.equal(id, objectHash(bytes));
        const opened = openSnapshot(keys, id, bytes);
        assert.deepEqual({ ...opened, root: plain(opened.root) }, value);
      }),
      { numRuns: 30 },
    );
  });

  test("bytes that are not what the name says are damage before they are opened", () => {
    const { id, bytes } = sealSnapshot(keys, sample(snapshot), random);
    bytes[5] = 9; // A version of the future, were it not for the name.
    assert.throws(() => openSnapshot(keys, id, bytes), { code: "object-damaged", message: /name/ });
    const renamed = snapshotId(objectHash(bytes));
    assert.throws(() => openSnapshot(keys, renamed, bytes), { code: "repo-future" });
  });

  test("what no reader would take is not written", () => {
    const long: Snapshot = { ...sample(snapshot), host: "x".repeat(5000) };
    assert.throws(() => sealSnapshot(keys, long, random), { code: "limit-exceeded" });
    const backwards = { ...sample(snapshot), problems: -1 };
    assert.throws(() => sealSnapshot(keys, backwards, random), { code: "limit-exceeded" });
  });
});

describe("index object", () => {
  const encodedIndex = indexContent.map(({ replaces, packs }) => {
    return { replaces, packs: packs.map(encodePack) };
  });

  test("open of seal is the same under both ciphers", () => {
    fc.assert(
      fc.property(encodedIndex, fc.constantFrom(1 as const, 2 as const), (content, cipher) => {
        const { id, bytes } = sealIndexObject(keys, cipher, content, random);
        assert.equal(id, objectHash(bytes));
        const opened = openIndexObject(keys, id, bytes);
        assert.deepEqual(opened.replaces, content.replaces);
        const packs = [...opened.packs];
        assert.deepEqual(
          packs.map((pack) => pack.pack),
          content.packs.map((pack) => pack.pack),
        );
        assert.deepEqual(
          packs.map((pack) => pack.blobs.length),
          content.packs.map((pack) => decodePack(pack).blobs.length),
        );
      }),
      { numRuns: 30 },
    );
  });

  test("does not open with other keys, renamed, or with any bit flipped", () => {
    const { id, bytes } = sealIndexObject(keys, 1, sample(encodedIndex), random);
    assert.throws(() => openIndexObject(otherKeys, id, bytes), { code: "object-damaged" });
    assert.throws(() => openIndexObject(keys, indexId("00".repeat(32)), bytes), {
      code: "object-damaged",
    });
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      const renamed = indexId(objectHash(flipped));
      assert.throws(() => openIndexObject(keys, renamed, flipped), /Damaged|does not know/);
    }
  });
});

describe("pack key", () => {
  test("unwrap of wrap is the same; cipher and wrap are bound", () => {
    const key = newPackKey(random);
    const header = wrapPackKey(keys, 1, key, random);
    assert.equal(header.wrap.length, 72);
    assert.deepEqual(plain(unwrapPackKey(keys, header)), plain(key));
    const damage = { code: "object-damaged" };
    assert.throws(() => unwrapPackKey(keys, { ...header, cipher: 2 }), damage);
    assert.throws(() => unwrapPackKey(otherKeys, header), damage);
    for (let at = 0; at < 72; at++) {
      const wrap = Uint8Array.from(header.wrap);
      wrap[at] = (wrap[at] ?? 0) ^ 0x80;
      assert.throws(() => unwrapPackKey(keys, { ...header, wrap }), damage);
    }
    for (const length of [0, 10, 24, 71]) {
      const wrap = header.wrap.subarray(0, length);
      assert.throws(() => unwrapPackKey(keys, { ...header, wrap }), damage);
    }
  });
});

test("a name is checked over all bytes", () => {
  const bytes = random(1000);
  verifyName(bytes, objectHash(bytes));
  bytes[999] = (bytes[999] ?? 0) ^ 1;
  assert.throws(() => verifyName(bytes, objectHash(bytes.subarray(0, 999)), "pack"), {
    code: "object-damaged",
    message: /pack/,
  });
});
