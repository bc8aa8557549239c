import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Description,
  decodeDescription,
  descriptionMacText,
  encodeDescription,
} from "../../../src/repo/format/description.ts";
import { assertSurvives, description } from "../../helpers/format-samples.ts";

const sample: Description = fc.sample(description, { numRuns: 1, seed: 1 })[0] as Description;
const json = () => JSON.parse(Buffer.from(encodeDescription(sample)).toString());
const decode = (value: unknown) => decodeDescription(Buffer.from(JSON.stringify(value)));

test("decode of encode is the same, unknown fields included", () => {
  fc.assert(
    fc.property(description, (value) => {
      assert.deepEqual(decodeDescription(encodeDescription(value)), value);
    }),
  );
});

test("any bytes are decoded, or refused with a code", () => {
  assertSurvives(decodeDescription, description.map(encodeDescription));
});

test("the MAC covers everything but itself", () => {
  const text = descriptionMacText(sample);
  assert.equal(descriptionMacText({ ...sample, mac: "0" } as Description), text);
  assert.notEqual(descriptionMacText({ ...sample, createdNs: sample.createdNs ^ 1n }), text);
  assert.notEqual(descriptionMacText({ ...sample, extra: { more: 1 } }), text);
});

test("a newer version is told first, whatever else is in it", () => {
  assert.throws(() => decode({ format: "varve", version: 2 }), { code: "repo-future" });
  assert.throws(() => decode({ format: "varve", version: 2, id: 7, mac: [] }), {
    code: "repo-future",
  });
  assert.throws(() => decode({ format: "restic", version: 2 }), { code: "object-damaged" });
  assert.throws(() => decode({ format: "varve", version: 0 }), { code: "object-damaged" });
});

test("an unknown cipher or chunker setting is the future", () => {
  assert.throws(() => decode({ ...json(), cipher: "rot13" }), { code: "repo-future" });
  const chunkers = json().chunkers;
  chunkers.tree.fancy = 1;
  assert.throws(() => decode({ ...json(), chunkers }), { code: "repo-future" });
});

test("only the canonical form counts", () => {
  const text = Buffer.from(encodeDescription(sample)).toString();
  decodeDescription(Buffer.from(text));
  const twice = text.replace('"format"', '"format":"varve","format"');
  for (const other of [`${text}\n`, ` ${text}`, text.replace(":", ": "), twice]) {
    assert.throws(() => decodeDescription(Buffer.from(other)), { code: "object-damaged" });
  }
});

test("a description that is too large is refused unread", () => {
  assert.throws(() => decodeDescription(new Uint8Array(64 * 1024 + 1)), { code: "object-damaged" });
});
