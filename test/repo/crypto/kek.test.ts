import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../../src/base/ids.ts";
import {
  formatKeyFile,
  kdfDefaults,
  keyFileKek,
  newKeyFileSecret,
  parseSecret,
  passphraseKek,
} from "../../../src/repo/crypto/kek.ts";
import { bytesOf, random } from "../../helpers/format-samples.ts";

const salt = Buffer.from("somesalt");

test("Argon2id: vectors of the reference implementation (RFC 9106, version 0x13)", async () => {
  // The RFC's own vector has associated data, which this use of Argon2id never has.
  const vectors: [number, number, number, string][] = [
    [65536, 2, 1, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"],
    [256, 2, 1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"],
    [256, 2, 2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"],
  ];
  for (const [memoryKib, passes, parallelism, expected] of vectors) {
    const kek = await passphraseKek("password", salt, { memoryKib, passes, parallelism });
    assert.equal(toHex(kek), expected);
  }
});

test("a passphrase is the same however its accents were typed", async () => {
  const parameters = { memoryKib: 256, passes: 1, parallelism: 1 };
  const composed = await passphraseKek("caf\u00e9", salt, parameters);
  const decomposed = await passphraseKek("cafe\u0301", salt, parameters);
  const plain = await passphraseKek("cafe", salt, parameters);
  assert.equal(toHex(composed), toHex(decomposed));
  assert.notEqual(toHex(composed), toHex(plain));
});

test("an empty password is none", async () => {
  await assert.rejects(passphraseKek("", salt, kdfDefaults), { code: "password-missing" });
});

test("new slots cost at least what the format asks for", () => {
  assert.ok(kdfDefaults.memoryKib >= 64 * 1024);
  assert.ok(kdfDefaults.passes >= 3);
});

test("a key file's line is read back as it was written", () => {
  fc.assert(
    fc.property(bytesOf(32), fc.constantFrom("", "\n", "\r\n", "  "), (bytes, end) => {
      const secret = parseSecret(formatKeyFile(bytes) + end);
      assert.ok(secret.kind === "key");
      assert.equal(toHex(secret.bytes), toHex(bytes));
    }),
  );
});

test("a key file's line with one digit changed is refused", () => {
  const line = formatKeyFile(random(32));
  fc.assert(
    fc.property(fc.nat({ max: 63 }), fc.constantFrom(..."0123456789abcdef"), (at, digit) => {
      const place = "varve-key-v1:".length + at;
      fc.pre(line[place] !== digit);
      const changed = line.slice(0, place) + digit + line.slice(place + 1);
      assert.throws(
        () => parseSecret(changed),
        (error: Error & { code: string }) => {
          assert.equal(error.code, "password-wrong");
          // A message may end in a log: it must not hold the key.
          assert.ok(!error.message.includes(line.slice(20, 40)));
          return true;
        },
      );
    }),
    { numRuns: 50 },
  );
});

test("every other text is a passphrase, whole", () => {
  const texts = ["", " pass ", "varve-key-v1:", `${formatKeyFile(random(32))}x`, "pass\n"];
  for (const text of texts) assert.deepEqual(parseSecret(text), { kind: "passphrase", text });
});

test("key files: other salts and secrets give other keys", () => {
  const secret = newKeyFileSecret(random);
  assert.ok(secret.kind === "key" && secret.bytes.length === 32);
  const first = keyFileKek(secret.bytes, new Uint8Array(32));
  assert.equal(toHex(keyFileKek(secret.bytes, new Uint8Array(32))), toHex(first));
  assert.notEqual(toHex(keyFileKek(secret.bytes, new Uint8Array(32).fill(1))), toHex(first));
  assert.notEqual(toHex(keyFileKek(random(32), new Uint8Array(32))), toHex(first));
});
