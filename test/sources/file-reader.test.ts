/** Reading files: opening, exact metadata, holes, extended attributes, and change meanwhile. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { RawPath } from "../../src/base/raw-path.ts";
import {
  classifyChange,
  closeFd,
  type Extent,
  listExtents,
  listXattrs,
  mayHaveHoles,
  openForRead,
  readFileInto,
  readStat,
} from "../../src/sources/file-reader.ts";
import { encodeAcl, encodeCapabilities, mknod, setTimes, setXattr } from "../helpers/file-calls.ts";
import { noise, removeTree } from "../helpers/file-fixtures.ts";
import { rootTest } from "../helpers/needs-root.ts";

let top = "";
before(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-reader-"));
});
after(() => removeTree(top));

const at = (name: string) => `${top}/${name}` as RawPath;

function withFile<T>(name: string, use: (fd: number) => T): T {
  const fd = openForRead({ path: at(name) });
  try {
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

const codeIs = (code: string) => (error: unknown) => (error as NodeJS.ErrnoException).code === code;

test("content is read whole, in parts and from a position", () => {
  const content = noise(200_000);
  fs.writeFileSync(at("content"), content);
  withFile("content", (fd) => {
    const buffer = Buffer.alloc(300_000);
    assert.equal(readFileInto(fd, buffer, 10, 150_000), 150_000);
    assert.equal(readFileInto(fd, buffer, 150_010, 149_990), 50_000);
    assert.ok(buffer.subarray(10, 200_010).equals(content));
    assert.equal(readFileInto(fd, buffer, 0, 100), 0);
    assert.equal(readFileInto(fd, buffer, 0, 100, 199_950), 50);
    assert.ok(buffer.subarray(0, 50).equals(content.subarray(199_950)));
  });
});

test("metadata is exact", () => {
  fs.writeFileSync(at("exact"), "12345", { flush: true });
  fs.chmodSync(at("exact"), 0o4751);
  fs.linkSync(at("exact"), at("exact-2"));
  for (const timeNs of [-1n, 0n, 1n, 2_208_988_800_987_654_321n, -86_400_000_000_001n]) {
    setTimes(at("exact"), timeNs);
    const stat = withFile("exact", readStat);
    const truth = fs.statSync(at("exact"), { bigint: true });
    assert.equal(stat.mtimeNs, timeNs);
    assert.equal(stat.ctimeNs, truth.ctimeNs);
    assert.equal(stat.inode, truth.ino);
    assert.deepEqual(
      [stat.mode, stat.size, stat.nlink, stat.uid],
      [0o4751, 5, 2, process.getuid?.()],
    );
    assert.equal(stat.blocks, Number(truth.blocks));
  }
});

test("an open descriptor is taken as it is; a failed one throws its error", () => {
  fs.writeFileSync(at("open"), "x");
  const fd = openForRead({ path: at("open") });
  assert.equal(openForRead({ fd }), fd);
  closeFd(fd);
  assert.throws(() => openForRead({ fd: -os.constants.errno.EACCES }), codeIs("EACCES"));
});

test("what is no file is not read", () => {
  fs.symlinkSync("content", at("symlink"));
  assert.throws(() => openForRead({ path: at("symlink") }), codeIs("ELOOP"));
  assert.throws(() => openForRead({ path: at("nothing") }), codeIs("ENOENT"));
  mknod(at("fifo"), fs.constants.S_IFIFO | 0o644);
  assert.throws(() => withFile("fifo", readStat), codeIs("ESTALE"));
  fs.mkdirSync(at("folder"));
  assert.throws(() => withFile("folder", readStat), codeIs("ESTALE"));
});

test("reading leaves the access time alone", () => {
  fs.writeFileSync(at("atime"), "x");
  setTimes(at("atime"), 1_000_000_000n);
  withFile("atime", (fd) => readFileInto(fd, Buffer.alloc(10), 0, 10));
  assert.equal(fs.statSync(at("atime"), { bigint: true }).atimeNs, 1_000_000_000n);
});

const block = 65_536;

function makeSparse(name: string, blocks: readonly boolean[], tail: number): number {
  const fd = fs.openSync(at(name), "w");
  for (const [i, isData] of blocks.entries()) {
    if (isData) fs.writeSync(fd, noise(block, i + 1), 0, block, i * block);
  }
  const size = blocks.length * block + tail;
  fs.ftruncateSync(fd, size);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  return size;
}

test("data and holes are found where they are", () => {
  const blocks = fc.array(fc.boolean(), { maxLength: 12 });
  fc.assert(
    fc.property(blocks, fc.integer({ min: 0, max: 5000 }), (blocks, tail) => {
      const size = makeSparse("sparse", blocks, tail);
      const expected: Extent[] = [];
      const add = (length: number, hole: boolean) => {
        const last = expected.at(-1);
        const offset = last === undefined ? 0 : last.offset + last.length;
        if (length === 0) return;
        if (last?.hole !== hole) expected.push({ offset, length, hole });
        else expected.push({ ...(expected.pop() as Extent), length: last.length + length });
      };
      for (const isData of blocks) add(block, !isData);
      add(tail, true);
      assert.deepEqual(
        withFile("sparse", (fd) => listExtents(fd, size)),
        expected,
      );
      const stat = withFile("sparse", readStat);
      if (expected.some((extent) => extent.hole)) assert.ok(mayHaveHoles(stat));
    }),
    { numRuns: 40 },
  );
});

test("extents keep to the size asked for, whatever the file's", () => {
  makeSparse("resized", [true, false, true], 0);
  withFile("resized", (fd) => {
    assert.deepEqual(listExtents(fd, 100), [{ offset: 0, length: 100, hole: false }]);
    assert.deepEqual(listExtents(fd, 0), []);
    assert.deepEqual(listExtents(fd, 10 * block).at(-1), {
      offset: 3 * block,
      length: 7 * block,
      hole: true,
    });
    // The descriptor stands at the start again.
    const start = Buffer.alloc(block);
    readFileInto(fd, start, 0, block);
    assert.ok(start.equals(noise(block, 1)));
  });
});

rootTest("extended attributes, ACLs and capabilities come sorted", () => {
  fs.writeFileSync(at("xattrs"), "x");
  assert.deepEqual(
    withFile("xattrs", (fd) => listXattrs(fd)),
    [],
  );
  const acl = encodeAcl([
    ["owner", 6],
    ["user", 7, 1234],
    ["ownerGroup", 4],
    ["mask", 7],
    ["other", 0],
  ]);
  const capabilities = encodeCapabilities(1 << 10);
  setXattr(at("xattrs"), "user.z", Buffer.from([0, 255, 0]));
  setXattr(at("xattrs"), "user.empty", Buffer.alloc(0));
  setXattr(at("xattrs"), "user.\xff", Buffer.from("v".repeat(2000)));
  setXattr(at("xattrs"), "system.posix_acl_access", acl);
  setXattr(at("xattrs"), "security.capability", capabilities);
  const found = withFile("xattrs", (fd) => listXattrs(fd));
  assert.deepEqual(
    found.map(({ name, value }) => [name, Buffer.from(value).toString("hex")]),
    [
      ["security.capability", capabilities.toString("hex")],
      ["system.posix_acl_access", acl.toString("hex")],
      ["user.empty", ""],
      ["user.z", "00ff00"],
      ["user.\xff", "76".repeat(2000)],
    ],
  );
});

test("changes are told apart", () => {
  const before = { size: 10, mtimeNs: 5n };
  assert.equal(classifyChange(before, { ...before }), "unchanged");
  assert.equal(classifyChange(before, { size: 11, mtimeNs: 6n }), "appended");
  assert.equal(classifyChange(before, { size: 11, mtimeNs: 5n }), "appended");
  assert.equal(classifyChange(before, { size: 10, mtimeNs: 6n }), "changed");
  assert.equal(classifyChange(before, { size: 9, mtimeNs: 6n }), "changed");
  assert.equal(classifyChange(before, { size: 9, mtimeNs: 5n }), "changed");
});
