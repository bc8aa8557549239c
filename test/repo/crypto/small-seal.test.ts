import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../../src/base/ids.ts";
import { openSmall, sealSmall, tryOpenSmall } from "../../../src/repo/crypto/small-seal.ts";
import { bytesOf } from "../../helpers/format-samples.ts";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const sunscreen = Buffer.from(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future," +
    " sunscreen would be it.",
);

test("draft-irtf-cfrg-xchacha, A.3.1", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const nonce = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i);
  const aad = hex("50515253c0c1c2c3c4c5c6c7");
  const sealed = sealSmall(key, nonce, sunscreen, aad);
  assert.equal(
    toHex(sealed),
    toHex(
      hex(`bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f
        4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76
        b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49`),
    ),
  );
  assert.equal(toHex(openSmall(key, nonce, sealed, aad)), toHex(sunscreen));
});

test("any single change is noticed", () => {
  fc.assert(
    fc.property(
      bytesOf(32),
      bytesOf(24),
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc.nat(),
      (key, nonce, plaintext, aad, at) => {
        const sealed = sealSmall(key, nonce, plaintext, aad);
        assert.deepEqual(Buffer.from(openSmall(key, nonce, sealed, aad)), Buffer.from(plaintext));
        const parts = [key, nonce, sealed, aad].map((part) => Uint8Array.from(part));
        for (const part of parts) {
          const place = at % part.length;
          part[place] = (part[place] ?? 0) ^ (1 << (at % 8));
          const [k, n, s, a] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
          assert.equal(tryOpenSmall(k, n, s, a), undefined);
          part[place] = (part[place] ?? 0) ^ (1 << (at % 8));
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("what does not open is object-damaged, and named", () => {
  const open = (length: number) => () =>
    openSmall(new Uint8Array(32), new Uint8Array(24), new Uint8Array(length), hex(""), "lease");
  for (const length of [0, 15, 16, 40]) {
    assert.throws(open(length), { code: "object-damaged", message: /lease/ });
  }
});
