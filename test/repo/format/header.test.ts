import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../../../src/base/bytes.ts";
import { ObjectKind, readHeader, writeHeader } from "../../../src/repo/format/header.ts";

const read = (bytes: Uint8Array) => readHeader(new ByteReader(bytes, "pack"), ObjectKind.pack);
const header = () => writeHeader(new ByteWriter(), ObjectKind.pack).finish();
const changed = (at: number, value: number) => {
  const bytes = header();
  bytes[at] = value;
  return bytes;
};

test("a header is VARV, kind, version, flags", () => {
  assert.equal(Buffer.from(header()).toString("latin1"), "VARVP\x01\0\0");
  read(header());
});

test("another magic or kind is damage, a newer version or a flag is the future", () => {
  assert.throws(() => read(changed(0, 0)), { code: "object-damaged" });
  assert.throws(() => read(changed(4, ObjectKind.index)), {
    code: "object-damaged",
    message: /kind "I", not "P"/,
  });
  assert.throws(() => read(changed(5, 0)), { code: "object-damaged" });
  assert.throws(() => read(changed(5, 2)), { code: "repo-future", message: /version 2/ });
  assert.throws(() => read(changed(6, 1)), { code: "repo-future" });
  assert.throws(() => read(header().subarray(0, 7)), { code: "object-damaged" });
});

test("kinds differ", () => {
  const kinds = Object.values(ObjectKind);
  assert.equal(new Set(kinds).size, kinds.length);
  assert.equal(String.fromCharCode(...kinds), "KPISLTF");
});
