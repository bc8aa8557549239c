/** Records of a walk: whatever is written is read again, and what does not fit leaves no trace. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EntryType } from "../../src/base/entry.ts";
import type { CatalogKey, RawPath } from "../../src/base/raw-path.ts";
import type { SourceEntry, WalkItem, WalkProblem } from "../../src/sources/source-entry.ts";
import {
  type EntryDetail,
  noDetail,
  recordBytes,
  WalkRecords,
  WalkRecordWriter,
} from "../../src/sources/walk-records.ts";

const owners = { user: (id: number) => `user ${id}`, group: (id: number) => `group ${id}` };

/** Objects as the program makes them: deepEqual tells those without a prototype apart. */
const plain = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(fields, { noNullPrototype: true });

const byteString = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const key = fc
  .array(fc.oneof(byteString(1, 20), byteString(255, 255)), { minLength: 0, maxLength: 5 })
  .map((names) => names.join("\0") as CatalogKey);
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const size = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 53, 2 ** 63));
const time = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -(2n ** 94n), max: 2n ** 94n }),
  fc.constantFrom(0n, -1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n) - 1n),
);

const entry: fc.Arbitrary<SourceEntry> = plain({
  key,
  type: fc.constantFrom(...Object.values(EntryType)),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: uint32,
  gid: uint32,
  mtimeNs: time,
  ctimeNs: time,
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  size,
  nlink: uint32,
  deviceOrdinal: uint32,
  blocks: size,
  rdevMajor: uint32,
  rdevMinor: uint32,
}).map((some) => ({ ...some, user: owners.user(some.uid), group: owners.group(some.gid) }));

const problem: fc.Arbitrary<WalkProblem> = plain({
  key,
  path: byteString(0, 300) as fc.Arbitrary<RawPath>,
  kind: fc.constantFrom("error", "vanished", "socket-skipped", "link-only"),
  operation: byteString(0, 30),
  code: fc.string(),
  message: fc.string({ unit: "binary" }),
});

const xattr = plain({
  name: byteString(0, 255),
  value: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array(5000).fill(7))),
});
const detail: fc.Arbitrary<EntryDetail> = fc
  .record(
    {
      xattrs: fc.array(xattr, { maxLength: 3 }),
      problems: fc.array(problem, { maxLength: 2 }),
      linkTarget: byteString(0, 4096) as fc.Arbitrary<RawPath>,
      failure: plain({ code: fc.string(), message: fc.string() }),
    },
    { requiredKeys: ["xattrs", "problems"], noNullPrototype: true },
  )
  .map((some) => some);

interface Told {
  readonly item: WalkItem;
  readonly detail: EntryDetail;
}
const told: fc.Arbitrary<Told> = fc.oneof(
  plain({ item: entry, detail: fc.oneof(fc.constant(noDetail), detail) }),
  plain({ item: problem.map((one) => ({ problem: one })), detail: fc.constant(noDetail) }),
);

function readAll(records: WalkRecords): Told[] {
  const all: Told[] = [];
  while (records.next()) {
    if (records.isProblem) all.push({ item: { problem: records.problem() }, detail: noDetail });
    else all.push({ item: records.entry(), detail: records.detail() });
  }
  return all;
}

test("read is what was written, in memory of its own and in shared memory", () => {
  fc.assert(
    fc.property(fc.array(told, { maxLength: 12 }), fc.boolean(), (items, isShared) => {
      const length = items.reduce((sum, one) => sum + recordBytes(one.item, one.detail), 0);
      const memory = isShared ? new SharedArrayBuffer(length + 16) : new ArrayBuffer(length + 16);
      const writer = new WalkRecordWriter(memory);
      writer.begin(8, length);
      for (const one of items) assert.equal(writer.add(one.item, one.detail), true);
      assert.ok(writer.length <= length);
      const records = new WalkRecords(owners);
      records.begin(memory, 8, writer.length);
      assert.deepEqual(readAll(records), items);
    }),
  );
});

test("a stamp is times and inode, unless the times need more than 64 bits", () => {
  fc.assert(
    fc.property(entry, (one) => {
      const memory = new ArrayBuffer(recordBytes(one, noDetail));
      const writer = new WalkRecordWriter(memory);
      writer.begin(0, memory.byteLength);
      writer.add(one, noDetail);
      const records = new WalkRecords(owners);
      records.begin(memory, 0, writer.length);
      records.next();
      const { stampView, stampAt, hasWideTimes } = records;
      const fits = [one.mtimeNs, one.ctimeNs].every((at) => BigInt.asIntN(64, at) === at);
      assert.equal(hasWideTimes, !fits);
      assert.equal(stampView.getBigUint64(stampAt + 16, true), one.inode);
      assert.equal(stampView.getBigInt64(stampAt, true), BigInt.asIntN(64, one.mtimeNs));
      assert.equal(stampView.getBigInt64(stampAt + 8, true), BigInt.asIntN(64, one.ctimeNs));
    }),
  );
});

test("what does not fit is refused whole, and what is smaller may still fit", () => {
  fc.assert(
    fc.property(told, told, fc.nat(400), ({ item, detail: of }, other, room) => {
      const memory = new ArrayBuffer(1 << 20);
      const writer = new WalkRecordWriter(memory);
      writer.begin(0, room & ~7);
      const isIn = writer.add(item, of);
      const isOtherIn = writer.add(other.item, other.detail);
      assert.ok(writer.length <= room);
      const records = new WalkRecords(owners);
      records.begin(memory, 0, writer.length);
      const expected = [...(isIn ? [{ item, detail: of }] : []), ...(isOtherIn ? [other] : [])];
      assert.deepEqual(readAll(records), expected);
      assert.ok(
        new Uint8Array(memory, room & ~7).every((byte) => byte === 0),
        "nothing beyond",
      );
    }),
  );
});
