/** Which differences make an entry count as changed, and when equal metadata proves nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type EntryMeta, EntryType } from "../../src/base/entry.ts";
import type { CatalogKey } from "../../src/base/raw-path.ts";
import * as detection from "../../src/sources/change-detection.ts";

const stamped = (entry: EntryMeta): detection.Stamped => {
  const stampView = new DataView(new ArrayBuffer(32));
  stampView.setBigInt64(8, entry.mtimeNs, true);
  stampView.setBigInt64(16, entry.ctimeNs, true);
  stampView.setBigUint64(24, entry.inode, true);
  return { type: entry.type, size: entry.size, stampView, stampAt: 8 };
};

const isUnchanged = (
  parent: EntryMeta,
  now: EntryMeta,
  parentStartedNs: bigint,
  options: detection.ChangeDetectionOptions = {},
) => detection.isUnchanged(stamped(parent), stamped(now), parentStartedNs, options);

const second = 1_000_000_000n;
const started = 1_700_000_000n * second;

const file: EntryMeta = {
  key: "a" as CatalogKey,
  type: EntryType.file,
  mode: 0o644,
  uid: 0,
  gid: 0,
  user: "root",
  group: "root",
  mtimeNs: started - 100n * second + 5n,
  ctimeNs: started - 90n * second + 7n,
  inode: 42n,
  size: 1000,
};

test("equal metadata from before the parent is unchanged", () => {
  assert.equal(isUnchanged(file, { ...file }, started), true);
});

const differences: [string, Partial<EntryMeta>][] = [
  ["type", { type: EntryType.symlink }],
  ["size", { size: 1001 }],
  ["mtime by one nanosecond", { mtimeNs: file.mtimeNs + 1n }],
  ["mtime that went back", { mtimeNs: file.mtimeNs - 1n }],
  ["ctime", { ctimeNs: file.ctimeNs + 1n }],
  ["inode", { inode: 43n }],
];
for (const [what, difference] of differences) {
  test(`another ${what} is a change`, () => {
    assert.equal(isUnchanged(file, { ...file, ...difference }, started), false);
  });
}

test("ctime and inode can be left out, nothing else", () => {
  const options = { ignoreCtime: true, ignoreInode: true };
  const moved = { ...file, ctimeNs: file.ctimeNs + 1n, inode: 43n };
  assert.equal(isUnchanged(file, moved, started, options), true);
  assert.equal(isUnchanged(file, moved, started, { ignoreCtime: true }), false);
  assert.equal(isUnchanged(file, moved, started, { ignoreInode: true }), false);
  assert.equal(isUnchanged(file, { ...moved, size: 1 }, started, options), false);
  assert.equal(isUnchanged(file, { ...moved, mtimeNs: 0n }, started, options), false);
});

test("a time that is not older than the parent's start proves nothing", () => {
  const at = (ctimeNs: bigint) => ({ ...file, ctimeNs });
  for (const ctimeNs of [started - 19_999_999n, started + 1n, started + 100n * second + 1n]) {
    assert.equal(isUnchanged(at(ctimeNs), at(ctimeNs), started), false, String(ctimeNs));
  }
  const safe = at(started - 20_000_001n);
  assert.equal(isUnchanged(safe, safe, started), true);
});

test("whole seconds may be those of a coarse clock", () => {
  const at = (ctimeNs: bigint) => ({ ...file, ctimeNs });
  const near = at(started - 2n * second);
  assert.equal(isUnchanged(near, near, started), false);
  const far = at(started - 3n * second);
  assert.equal(isUnchanged(far, far, started), true);
});

test("without ctime, mtime is what must be old enough", () => {
  const racy = { ...file, mtimeNs: started - 1n };
  assert.equal(isUnchanged(racy, racy, started, { ignoreCtime: true }), false);
  assert.equal(isUnchanged(racy, racy, started), true);
});

test("a write after the start is noticed whatever tick its time is rounded down to", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1_000_000n, max: 10_000_000n }),
      fc.bigInt({ min: 0n, max: 1_000_000_000n }),
      (tick, lateNs) => {
        // The parent read the file after its start; the write came later in the same tick.
        const written = started + lateNs;
        const stamped = written - (written % tick);
        const both = { ...file, ctimeNs: stamped, mtimeNs: stamped };
        assert.equal(isUnchanged(both, both, started), false);
      },
    ),
  );
});
