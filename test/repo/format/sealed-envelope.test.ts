import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../../src/base/bytes.ts";
import { ObjectKind, writeHeader } from "../../../src/repo/format/header.ts";
import { smallObjectBytesMax } from "../../../src/repo/format/limits.ts";
import {
  decodeIndexEnvelope,
  decodeSmallEnvelope,
  encodeIndexPrefix,
  encodeSmallEnvelope,
  encodeSmallPrefix,
} from "../../../src/repo/format/sealed-envelope.ts";
import { assertSurvives, bytesOf, plain } from "../../helpers/format-samples.ts";

const { snapshot, session, tombstone, fence } = ObjectKind;
const kinds = fc.constantFrom(snapshot, session, tombstone, fence);
const decodeSnapshotEnvelope = (bytes: Uint8Array) => decodeSmallEnvelope(snapshot, bytes);

test("a small envelope is taken apart as it was put together", () => {
  fc.assert(
    fc.property(kinds, bytesOf(24), fc.uint8Array(), (kind, nonce, sealed) => {
      const prefix = encodeSmallPrefix(kind);
      const bytes = encodeSmallEnvelope({ prefix, nonce, sealed });
      const parts = decodeSmallEnvelope(kind, bytes);
      assert.equal(parts.wrapMethod, 1);
      assert.deepEqual(plain(parts.prefix), plain(prefix));
      assert.deepEqual(plain(parts.nonce), nonce);
      assert.deepEqual(plain(parts.sealed), sealed);
      const other = kind === fence ? session : fence;
      assert.throws(() => decodeSmallEnvelope(other, bytes), { code: "object-damaged" });
    }),
  );
});

test("a wrap is skipped and bound, whatever its method", () => {
  const prefix = writeHeader(new ByteWriter(), snapshot).u8(2).u16(1120);
  prefix.bytes(new Uint8Array(1120));
  const bytes = Buffer.concat([prefix.view(), new Uint8Array(24), Buffer.from("sealed")]);
  const parts = decodeSmallEnvelope(snapshot, bytes);
  assert.equal(parts.wrapMethod, 2);
  assert.equal(parts.prefix.length, 11 + 1120);
  assert.equal(Buffer.from(parts.sealed).toString(), "sealed");
});

test("an index envelope is taken apart as it was put together", () => {
  fc.assert(
    fc.property(bytesOf(32), fc.uint8Array(), (salt, sealed) => {
      const prefix = encodeIndexPrefix(2, salt);
      const parts = decodeIndexEnvelope(Buffer.concat([prefix, sealed]));
      assert.equal(parts.cipher, 2);
      assert.deepEqual(plain(parts.salt), salt);
      assert.deepEqual(plain(parts.prefix), plain(prefix));
      assert.deepEqual(plain(parts.sealed), sealed);
    }),
  );
});

test("any bytes are decoded, or refused with a code", () => {
  const small = fc
    .tuple(kinds, bytesOf(24), fc.uint8Array())
    .map(([kind, nonce, sealed]) =>
      encodeSmallEnvelope({ prefix: encodeSmallPrefix(kind), nonce, sealed }),
    );
  assertSurvives(decodeSnapshotEnvelope, small);
  assertSurvives(
    decodeIndexEnvelope,
    bytesOf(32).map((salt) => encodeIndexPrefix(1, salt)),
  );
});

test("small objects are small", () => {
  const bytes = new Uint8Array(smallObjectBytesMax + 1);
  bytes.set(encodeSmallPrefix(snapshot));
  assert.throws(() => decodeSnapshotEnvelope(bytes), { code: "object-damaged" });
  decodeSnapshotEnvelope(bytes.subarray(0, smallObjectBytesMax));
});
