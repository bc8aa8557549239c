import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EarlyWriting } from "../../../src/sources/target/early-writing.ts";

const mebibyte = 1024 * 1024;

interface Stretch {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}

function recorder() {
  const started: Stretch[] = [];
  const reserved: Stretch[] = [];
  const early = new EarlyWriting({
    reserve: (fd, offset, length) => reserved.push({ fd, offset, length }),
    start: (fd, offset, length) => started.push({ fd, offset, length }),
  });
  return { started, reserved, early };
}

test("what is written side by side is brought to the disk together", () => {
  const { started, early } = recorder();
  for (let at = 0; at < 12; at++) early.wrote(7, at * mebibyte, mebibyte);
  assert.deepEqual(started, [{ fd: 7, offset: 0, length: 8 * mebibyte }]);
  early.end();
  assert.deepEqual(started.at(-1), { fd: 7, offset: 8 * mebibyte, length: 4 * mebibyte });
});

test("small stretches are left to the sync at the end", () => {
  const { started, early } = recorder();
  for (let fd = 5; fd < 50; fd++) early.wrote(fd, 0, 20_000);
  early.end();
  early.end();
  assert.deepEqual(started, []);
});

test("a descriptor that was closed is not touched when its number comes back", () => {
  const { started, early } = recorder();
  early.wrote(7, 0, mebibyte);
  early.end();
  early.wrote(7, mebibyte, 10);
  early.end();
  assert.deepEqual(started, [{ fd: 7, offset: 0, length: mebibyte }]);
});

test("space is asked for once for each long stretch", () => {
  const { reserved, early } = recorder();
  const length = 20 * mebibyte;
  for (let at = 0; at < length; at += mebibyte) {
    early.willWrite(7, at, () => length - at);
    early.wrote(7, at, mebibyte);
  }
  early.willWrite(7, 40 * mebibyte, () => 10);
  early.willWrite(7, 50 * mebibyte, () => mebibyte);
  early.end();
  early.willWrite(7, 0, () => mebibyte);
  assert.deepEqual(reserved, [
    { fd: 7, offset: 0, length },
    { fd: 7, offset: 50 * mebibyte, length: mebibyte },
    { fd: 7, offset: 0, length: mebibyte },
  ]);
});

test("property: only what was written, once, and nothing long is forgotten", () => {
  const write = fc.record({
    fd: fc.integer({ min: 3, max: 4 }),
    gap: fc.constantFrom(0, 0, 0, 4096),
    length: fc.integer({ min: 1, max: 3 * mebibyte }),
  });
  fc.assert(
    fc.property(fc.array(write), (writes) => {
      const { started, early } = recorder();
      const ends = new Map<number, number>();
      let writtenBytes = 0;
      for (const { fd, gap, length } of writes) {
        const offset = (ends.get(fd) ?? 0) + gap;
        early.wrote(fd, offset, length);
        ends.set(fd, offset + length);
        writtenBytes += length;
      }
      early.end();
      const startedBytes = started.reduce((sum, { length }) => sum + length, 0);
      assert.ok(startedBytes <= writtenBytes);
      // What is left out are stretches of less than a mebibyte, at most one for each write.
      const short = writes.filter(({ length }) => length < mebibyte).length;
      assert.ok(writtenBytes - startedBytes <= short * mebibyte);
      for (const { fd, offset, length } of started)
        assert.ok(offset + length <= (ends.get(fd) ?? 0));
    }),
  );
});
