import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import fc from "fast-check";
import { type Entry, EntryType } from "../../../src/base/entry.ts";
import type { CatalogKey, RawPath } from "../../../src/base/raw-path.ts";
import {
  getXattrFd,
  setXattrFd,
  statAt,
  unchangedId,
} from "../../../src/sources/linux/write-calls.ts";
import {
  givesAcls,
  hasXattrs,
  removeInheritedAcls,
  removeOtherXattrs,
} from "../../../src/sources/target/target-attributes.ts";
import type { TargetFault } from "../../../src/sources/target/target-faults.ts";
import {
  completeFile,
  createFile,
  discardFile,
  type TargetFile,
  writeAt,
  writeSparseAt,
} from "../../../src/sources/target/target-file.ts";
import { makeHardLink, makeNode } from "../../../src/sources/target/target-node.ts";
import { TargetOwners } from "../../../src/sources/target/target-owners.ts";

const needsRoot = os.userInfo().uid === 0 ? false : "reason: only root may give files away";
let top: string;
let folder: number;

beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-target-"));
  folder = fs.openSync(top, fs.constants.O_DIRECTORY);
});

afterEach(() => {
  fs.closeSync(folder);
  fs.rmSync(top, { recursive: true, force: true });
});

const at = (name: string) => path.join(top, name);
const stat = (name: string) => fs.lstatSync(at(name), { bigint: true });

function fileOf(name: string, more: Partial<TargetFile> = {}): TargetFile {
  return {
    folder,
    name,
    temporaryName: `.temporary-${name}`.slice(0, 255),
    size: 0,
    dropAcl: false,
    extend: true,
    reportInode: false,
    inNewFolder: false,
    mode: 0o640,
    uid: unchangedId,
    gid: unchangedId,
    mtimeNs: 1_700_000_000_123_456_789n,
    ...more,
  };
}

function makeFile(file: TargetFile, text: string): TargetFault[] {
  const fd = createFile(file);
  writeAt(fd, Buffer.from(text), 0);
  return completeFile(fd, file);
}

function entryOf(type: EntryType, more: Partial<Entry> = {}): Entry {
  return {
    key: "x" as CatalogKey,
    type,
    mode: 0o604,
    uid: 0,
    gid: 0,
    user: "",
    group: "",
    mtimeNs: 0n,
    ctimeNs: 0n,
    inode: 1n,
    size: 0,
    ...more,
  };
}

const times: bigint[] = [0n, 1n, -1n, -86_400_000_000_001n, 2_208_988_800_999_999_999n];

test("files get content, size, mode and exact times", () => {
  for (const [ordinal, mtimeNs] of times.entries()) {
    const name = `f${ordinal}`;
    assert.deepEqual(makeFile(fileOf(name, { mtimeNs, size: 9000, mode: 0o4751 }), "abc"), []);
    assert.equal(stat(name).mtimeNs, mtimeNs);
    assert.equal(stat(name).mode & 0o7777n, 0o4751n);
    assert.equal(stat(name).size, 9000n);
    assert.equal(fs.readFileSync(at(name)).toString(), `abc${"\0".repeat(8997)}`);
  }
  assert.ok(!fs.readdirSync(top).some((name) => name.startsWith(".temporary")));
});

test("a file replaces a link, and never writes through it", () => {
  fs.writeFileSync(at("outside"), "precious");
  fs.symlinkSync("outside", at("f"));
  makeFile(fileOf("f", { size: 3 }), "new");
  assert.ok(stat("f").isFile());
  assert.equal(fs.readFileSync(at("outside"), "utf8"), "precious");
});

test("a link planted under the temporary name is refused, not followed", () => {
  fs.writeFileSync(at("outside"), "precious");
  fs.symlinkSync("outside", at(".temporary-f"));
  assert.throws(() => createFile(fileOf("f")), /EEXIST/);
  assert.equal(fs.readFileSync(at("outside"), "utf8"), "precious");
});

test("a file that cannot have its name leaves nothing behind", () => {
  fs.mkdirSync(at("f"));
  assert.throws(() => makeFile(fileOf("f", { size: 1 }), "x"), /EISDIR/);
  const file = fileOf("g");
  discardFile(createFile(file), file);
  assert.deepEqual(fs.readdirSync(top), ["f"]);
});

test("sparse writing leaves exactly the same bytes, and holes for zero blocks", () => {
  const piece = fc.tuple(fc.nat(3 * 4096), fc.boolean());
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.nat(9000), (pieces, offset) => {
      const bytes = Buffer.concat(pieces.map(([n, zero]) => Buffer.alloc(n, zero ? 0 : 7)));
      const file = fileOf("s", { size: offset + bytes.length });
      const fd = createFile(file);
      writeSparseAt(fd, bytes, offset);
      completeFile(fd, file);
      assert.ok(fs.readFileSync(at("s")).equals(Buffer.concat([Buffer.alloc(offset), bytes])));
    }),
    { numRuns: 60 },
  );
  const file = fileOf("z", { size: 1 << 20 });
  const fd = createFile(file);
  writeSparseAt(fd, Buffer.alloc(1 << 20), 0);
  completeFile(fd, file);
  assert.equal(stat("z").blocks, 0n);
});

test("owner, setuid and capabilities survive together", { skip: needsRoot }, () => {
  const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
  const xattrs = [{ name: "security.capability", value: capability }];
  assert.deepEqual(makeFile(fileOf("f", { uid: 1234, gid: 4321, mode: 0o6755, xattrs }), "x"), []);
  assert.equal(stat("f").uid, 1234n);
  assert.equal(stat("f").gid, 4321n);
  assert.equal(stat("f").mode & 0o7777n, 0o6755n);
  const fd = fs.openSync(at("f"), "r");
  assert.deepEqual(getXattrFd(fd, "security.capability"), capability);
  fs.closeSync(fd);
});

test("attributes and ACLs come; others are removed from what stood there", {
  skip: needsRoot,
}, () => {
  // POSIX ACL: user::rw-, user:1:r--, group::r--, mask::r--, other::---
  const acl = Buffer.from(
    "0200000001000600ffffffff020004000100000004000400ffffffff10000400ffffffff20000000ffffffff",
    "hex",
  );
  const xattrs = [
    { name: "user.text", value: Buffer.from("hello") },
    { name: "user.empty", value: Buffer.alloc(0) },
    { name: "user.\xff\xe4", value: Buffer.from([0, 1, 2]) },
    { name: "system.posix_acl_access", value: acl },
  ];
  assert.deepEqual(makeFile(fileOf("f", { xattrs, mode: 0o440 }), "x"), []);
  const fd = fs.openSync(at("f"), "r");
  assert.ok(hasXattrs(fd, [...xattrs.slice(0, 3)]) === false);
  assert.deepEqual(getXattrFd(fd, "user.\xff\xe4"), Buffer.from([0, 1, 2]));
  assert.equal(stat("f").mode & 0o777n, 0o440n);
  const faults: TargetFault[] = [];
  removeOtherXattrs(fd, xattrs.slice(1, 3), faults);
  assert.deepEqual(faults, []);
  assert.ok(hasXattrs(fd, xattrs.slice(1, 3)));
  fs.closeSync(fd);
});

test("an ACL that the folder gives is not kept", () => {
  // user::rwx, user:1:rwx, group::r-x, mask::rwx, other::r-x
  const acl =
    "0200000001000700ffffffff020007000100000004000500ffffffff10000700ffffffff20000500ffffffff";
  setXattrFd(folder, "system.posix_acl_default", Buffer.from(acl, "hex"));
  assert.ok(givesAcls(folder));
  makeFile(fileOf("kept"), "x");
  makeFile(fileOf("dropped", { dropAcl: true }), "x");
  fs.mkdirSync(at("sub"));
  for (const [name, wanted] of [
    ["kept", false],
    ["dropped", true],
    ["sub", true],
  ] as const) {
    const fd = fs.openSync(at(name), "r");
    if (name === "sub") removeInheritedAcls(fd);
    assert.equal(hasXattrs(fd, undefined), wanted, name);
    fs.closeSync(fd);
  }
});

test("what cannot be set is told, and the rest is set", () => {
  const xattrs = [{ name: "nonsense.x", value: Buffer.from("1") }];
  const faults = makeFile(fileOf("f", { xattrs, mtimeNs: 5n }), "x");
  assert.deepEqual(
    faults.map(({ operation, code }) => [operation, code]),
    [["xattr nonsense.x", "EOPNOTSUPP"]],
  );
  assert.equal(stat("f").mtimeNs, 5n);
});

test("links, FIFOs and devices come with owner, mode and times", { skip: needsRoot }, () => {
  const to = { mode: 0o604, uid: 7, gid: 8, mtimeNs: -5_000_000_001n };
  const place = (name: string) => ({ folder, name, temporaryName: `.temporary-${name}` });
  const link = entryOf(EntryType.symlink, { linkTarget: "../\xff\xe4 x" as RawPath });
  const nodes: [string, Entry][] = [
    ["link", link],
    ["fifo", entryOf(EntryType.fifo)],
    ["char", entryOf(EntryType.charDevice, { rdevMajor: 0xabc, rdevMinor: 0xfedcb })],
    ["block", entryOf(EntryType.blockDevice, { rdevMajor: 8, rdevMinor: 1 })],
  ];
  for (const [name, entry] of nodes) {
    fs.writeFileSync(at(name), "in the way");
    assert.deepEqual(makeNode(entry, place(name), to), []);
    assert.equal(stat(name).mtimeNs, to.mtimeNs, name);
    assert.equal(stat(name).uid, 7n, name);
    if (name !== "link") assert.equal(stat(name).mode & 0o7777n, 0o604n, name);
  }
  assert.deepEqual(
    fs.readlinkSync(at("link"), { encoding: "buffer" }),
    Buffer.from("../\xff\xe4 x", "latin1"),
  );
  assert.ok(stat("fifo").isFIFO());
  const char = statAt(folder, "char");
  assert.deepEqual([char?.rdevMajor, char?.rdevMinor], [0xabc, 0xfedcb]);
  assert.ok(stat("block").isBlockDevice());
});

test("a symbolic link without text, or with a NUL in it, is refused", () => {
  const place = { folder, name: "l", temporaryName: "t" };
  for (const linkTarget of ["", "a\0b"]) {
    const entry = entryOf(EntryType.symlink, { linkTarget: linkTarget as RawPath });
    assert.throws(() => makeNode(entry, place, { ...entry }), /EINVAL/);
  }
  assert.deepEqual(fs.readdirSync(top), []);
});

test("a hard link is made to the very file, also over itself, and not to a stranger", () => {
  makeFile(fileOf("first"), "x");
  const { ino } = stat("first");
  const place = (name: string) => ({ folder, name, temporaryName: ".temporary" });
  makeHardLink(folder, "first", place("second"), (inode) => inode === ino);
  makeHardLink(folder, "first", place("second"), (inode) => inode === ino);
  assert.equal(stat("second").ino, ino);
  assert.equal(stat("second").nlink, 2n);
  fs.writeFileSync(at("stranger"), "");
  assert.throws(
    () => makeHardLink(folder, "stranger", place("third"), (inode) => inode === ino),
    /ESTALE/,
  );
  fs.symlinkSync("/etc/passwd", at("link"));
  assert.throws(
    () => makeHardLink(folder, "link", place("third"), (inode) => inode === ino),
    /ESTALE/,
  );
  assert.deepEqual(fs.readdirSync(top).sort(), ["first", "link", "second", "stranger"]);
});

test("owners go by name where the host knows it, else by number", () => {
  const lookup = {
    findUid: (user: string) => (user === "ann" ? 77 : undefined),
    findGid: () => undefined,
  };
  const entry = entryOf(EntryType.file, { user: "ann", group: "gone", uid: 5, gid: 6 });
  const root = { uid: 0, gids: new Set([0]) };
  const byName = new TargetOwners(root, false, lookup);
  assert.deepEqual(byName.plan(entry), { uid: 77, gid: 6, mode: 0o604 });
  const byNumber = new TargetOwners(root, true, lookup);
  assert.deepEqual(byNumber.plan(entry), { uid: 5, gid: 6, mode: 0o604 });
  const host = new TargetOwners(root, false);
  const known = entryOf(EntryType.file, { user: "root", group: "root", uid: 5, gid: 6 });
  assert.deepEqual(host.plan(known), { uid: 0, gid: 0, mode: 0o604 });
  const unknown = entryOf(EntryType.file, { user: "no such user", group: "a\0", uid: 5, gid: 6 });
  assert.deepEqual(host.plan(unknown), { uid: 5, gid: 6, mode: 0o604 });
});

test("without root, what is not ours to give is counted, and no wrong identity is lent", () => {
  const owners = new TargetOwners({ uid: 1000, gids: new Set([1000, 27]) }, true);
  const plan = (uid: number, gid: number, mode = 0o6755) => {
    const entry = entryOf(EntryType.file, { uid, gid, mode });
    owners.count(entry);
    return owners.plan(entry);
  };
  assert.deepEqual(plan(1000, 27), { uid: unchangedId, gid: 27, mode: 0o6755 });
  assert.equal(owners.notGiven, 0);
  assert.deepEqual(plan(1000, 5), { uid: unchangedId, gid: unchangedId, mode: 0o4755 });
  assert.deepEqual(plan(0, 1000), { uid: unchangedId, gid: 1000, mode: 0o2755 });
  assert.equal(plan(0, 0, 0o755).mode, 0o755);
  assert.equal(owners.notGiven, 3);
  assert.equal(owners.setIdsNotGiven, 2);
});
