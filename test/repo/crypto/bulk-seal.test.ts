import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { CipherSuite } from "../../../src/base/cipher-suite.ts";
import { toHex } from "../../../src/base/ids.ts";
import { type AeadWay, BulkCipher, chooseAead } from "../../../src/repo/crypto/bulk-seal.ts";
import { bytesOf } from "../../helpers/format-samples.ts";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));

test("AES-256-GCM: McGrew and Viega, test case 16", () => {
  const key = hex("feffe9928665731c6d6a8f9467308308".repeat(2));
  const sealed = new BulkCipher(CipherSuite.aes256Gcm, key).seal(
    hex(`d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
      1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39`),
    hex("cafebabefacedbaddecaf888"),
    hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
  );
  assert.equal(
    toHex(sealed),
    toHex(
      hex(`522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10
        56828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b`),
    ),
  );
});

test("ChaCha20-Poly1305: RFC 8439, 2.8.2", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const sealed = new BulkCipher(CipherSuite.chacha20Poly1305, key).seal(
    Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the" +
        " future, sunscreen would be it.",
    ),
    hex("070000004041424344454647"),
    hex("50515253c0c1c2c3c4c5c6c7"),
  );
  assert.equal(
    toHex(sealed),
    toHex(
      hex(`d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69
        da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad6759455
        85808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691`),
    ),
  );
});

const others = {
  [CipherSuite.aes256Gcm]: gcm,
  [CipherSuite.chacha20Poly1305]: chacha20poly1305,
};

const suites = [CipherSuite.aes256Gcm, CipherSuite.chacha20Poly1305];
const ways: readonly AeadWay[] = ["direct", "node"];

for (const [suite, way] of suites.flatMap((suite) => ways.map((way) => [suite, way] as const))) {
  describe(`cipher ${suite}, ${way}`, () => {
    before(() => chooseAead(way));
    after(() => chooseAead("direct"));

    test("OpenSSL and noble agree, and any single change is noticed", () => {
      fc.assert(
        fc.property(
          bytesOf(32),
          bytesOf(12),
          fc.uint8Array({ maxLength: 200 }),
          fc.uint8Array({ minLength: 1, maxLength: 80 }),
          fc.nat(),
          (key, nonce, plaintext, aad, at) => {
            const cipher = new BulkCipher(suite, key);
            const sealed = cipher.seal(plaintext, nonce, aad);
            assert.equal(toHex(sealed), toHex(others[suite](key, nonce, aad).encrypt(plaintext)));
            assert.equal(toHex(cipher.open(sealed, nonce, aad)), toHex(plaintext));
            const parts: [Uint8Array, Uint8Array, Uint8Array] = [sealed, nonce, aad];
            for (const part of parts) {
              const place = at % part.length;
              part[place] = (part[place] ?? 0) ^ (1 << (at % 8));
              assert.equal(cipher.tryOpen(...parts), undefined);
              part[place] = (part[place] ?? 0) ^ (1 << (at % 8));
            }
          },
        ),
        { numRuns: 60 },
      );
    });

    test("seals in place, within shared memory", () => {
      const cipher = new BulkCipher(suite, new Uint8Array(32));
      const nonce = new Uint8Array(12);
      const aad = new Uint8Array(3);
      const target = new Uint8Array(new SharedArrayBuffer(300)).fill(7);
      const plaintext = target.subarray(100, 200);
      const expected = cipher.seal(plaintext, nonce, aad);
      assert.equal(cipher.sealInto(target, 100, plaintext, nonce, aad), 116);
      assert.equal(toHex(target.subarray(100, 216)), toHex(expected));
      assert.ok(target.subarray(216).every((byte) => byte === 7));
      const opened = cipher.open(target.subarray(100, 216), nonce, aad);
      assert.ok(opened.every((byte) => byte === 7));
    });

    test("what does not open is blob-damaged, down to no bytes at all", () => {
      const cipher = new BulkCipher(suite, new Uint8Array(32));
      for (const length of [0, 1, 15, 16, 17]) {
        const sealed = new Uint8Array(length);
        const open = () => cipher.open(sealed, new Uint8Array(12), new Uint8Array(0));
        assert.throws(open, { code: "blob-damaged" });
      }
    });
  });
}

for (const suite of suites) {
  test(`cipher ${suite}: both ways give the same at every size, whoever opens it`, () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => i);
    const aad = Uint8Array.of(1, 2, 3);
    const both = ways.map((way) => {
      chooseAead(way);
      return new BulkCipher(suite, key);
    });
    chooseAead("direct");
    const text = Uint8Array.from({ length: 3 * 2 ** 20 }, (_, i) => (i * 31) >> 3);
    for (const [i, size] of [0, 1, 15, 16, 17, 4095, 65_537, 2 ** 20 + 1, text.length].entries()) {
      const nonce = new Uint8Array(12).fill(i);
      const plaintext = text.subarray(i === 8 ? 0 : i, (i === 8 ? 0 : i) + size);
      const [one, other] = both.map((cipher) => cipher.seal(plaintext, nonce, aad));
      assert.ok(one !== undefined && other !== undefined);
      assert.ok(Buffer.from(one).equals(other));
      for (const cipher of both) {
        const opened = cipher.open(one, nonce, aad);
        assert.ok(Buffer.from(plaintext).equals(opened));
        // Its own, so that it may be transferred and changed.
        assert.equal(opened.buffer.byteLength, size);
      }
    }
  });
}

test("keys and nonces of another length are refused before OpenSSL sees them", () => {
  for (const way of ways) {
    chooseAead(way);
    for (const length of [0, 16, 31, 33]) {
      assert.throws(() => new BulkCipher(CipherSuite.aes256Gcm, new Uint8Array(length)));
    }
    const cipher = new BulkCipher(CipherSuite.aes256Gcm, new Uint8Array(32));
    for (const length of [0, 11, 13, 24]) {
      const nonce = new Uint8Array(length);
      assert.throws(() => cipher.seal(new Uint8Array(5), nonce, new Uint8Array(0)));
      assert.throws(() => cipher.tryOpen(new Uint8Array(30), nonce, new Uint8Array(0)));
    }
    const tooFew = new Uint8Array(20);
    assert.throws(() =>
      cipher.sealInto(tooFew, 0, new Uint8Array(5), new Uint8Array(12), new Uint8Array(0)),
    );
  }
  chooseAead("direct");
});
