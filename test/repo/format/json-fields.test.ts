import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  canonicalJson,
  JsonFields,
  type JsonValue,
  parseJsonObject,
} from "../../../src/repo/format/json-fields.ts";
import { assertSurvives } from "../../helpers/format-samples.ts";

const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })) as fc.Arbitrary<
  Record<string, JsonValue>
>;

test("canonical JSON has the same meaning and one form", () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      assert.equal(canonicalJson(reversed), text);
      assert.equal(canonicalJson(JSON.parse(text)), text);
    }),
  );
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: "x" }], a: true }),
    '{"a":true,"b":[1,{"c":"x","d":null}]}',
  );
});

test("any bytes are an object, or refused with a code", () => {
  assertSurvives(
    (bytes) => canonicalJson(parseJsonObject(bytes, "thing")),
    json.map((value) => Buffer.from(JSON.stringify(value))),
  );
});

test("nesting that could exhaust the stack is refused", () => {
  const nested = (depth: number) => Buffer.from(`{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`);
  parseJsonObject(nested(31), "thing");
  for (const depth of [33, 1000, 1_000_000]) {
    assert.throws(() => parseJsonObject(nested(depth), "thing"), { code: "object-damaged" });
  }
});

test("texts that are not UTF-8, and values that are no object, are refused", () => {
  for (const bytes of [
    Buffer.of(0x7b, 0x22, 0xff, 0x22, 0x7d),
    Buffer.from("[]"),
    Buffer.from("1"),
  ]) {
    assert.throws(() => parseJsonObject(bytes, "thing"), { code: "object-damaged" });
  }
});

test("names of the prototype are names like others", () => {
  const fields = new JsonFields(
    parseJsonObject(Buffer.from('{"__proto__":{"x":1},"y":2}'), "thing"),
    "thing",
  );
  assert.equal(fields.has("toString"), false);
  assert.equal(fields.has("x"), false);
  assert.equal(fields.count("y"), 2);
  assert.equal(JSON.stringify(fields.rest()), '{"__proto__":{"x":1}}');
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});

test("fields are of their type and within their bounds", () => {
  const refuse = (value: JsonValue, read: (fields: JsonFields) => unknown) =>
    assert.throws(() => read(new JsonFields({ f: value }, "thing")), {
      code: "object-damaged",
      message: /"f"/,
    });
  const allow = (value: JsonValue, read: (fields: JsonFields) => unknown) =>
    read(new JsonFields({ f: value }, "thing"));
  for (const value of [1.5, -1, 2 ** 53, "1", null, 11]) refuse(value, (f) => f.count("f", 10));
  assert.equal(
    allow(10, (f) => f.count("f", 10)),
    10,
  );
  refuse("éé", (f) => f.text("f", 3));
  assert.equal(
    allow("éé", (f) => f.text("f", 4)),
    "éé",
  );
  for (const value of ["0x1", "01", "-0", "", "1.0", 1, "9223372036854775808"]) {
    refuse(value, (f) => f.timeNs("f"));
  }
  assert.equal(
    allow("-9223372036854775808", (f) => f.timeNs("f")),
    -(2n ** 63n),
  );
  refuse("AB".repeat(16), (f) => f.hex("f", 32));
  refuse(1, (f) => f.boolean("f"));
  refuse([1, 2], (f) => f.list("f", 1, () => 0));
  refuse(["a", 2], (f) => f.texts("f", 9, 9));
  refuse("x", (f) => f.fields("f"));
});
