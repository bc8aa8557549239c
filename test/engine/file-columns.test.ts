/** The files of a write task come out of their columns as they went in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeFiles, encodeFiles } from "../../src/engine/workers/file-columns.ts";

const name = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).latin1Slice())
  .filter((text) => !text.includes("/") && !text.includes("\0"));
const number = fc.nat(0xffffffff);

const record = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { noNullPrototype: true });

const file = record({
  mode: fc.nat(0o7777),
  uid: number,
  gid: number,
  mtimeNs: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  xattrs: fc.option(
    fc.array(record({ name, value: fc.uint8Array({ maxLength: 9 }) }), { maxLength: 3 }),
    { nil: undefined },
  ),
  folder: fc.nat(100_000),
  name,
  temporaryName: name,
  size: fc.maxSafeNat(),
  dropAcl: fc.boolean(),
  extend: fc.boolean(),
  reportInode: fc.boolean(),
  inNewFolder: fc.boolean(),
});

test("files come out of their columns as they went in, also through a message", () => {
  fc.assert(
    fc.property(fc.array(file, { maxLength: 12 }), (files) => {
      assert.deepEqual(decodeFiles(structuredClone(encodeFiles(files))), files);
    }),
  );
});
