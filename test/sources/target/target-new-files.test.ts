/** Files in new folders have what they shall have, whatever the system gives to new files there. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { linkFd, openAt, unchangedId } from "../../../src/sources/linux/write-calls.ts";
import { NewFiles } from "../../../src/sources/target/new-files.ts";
import { type TargetFile, writeAt } from "../../../src/sources/target/target-file.ts";

const needsRoot = os.userInfo().uid === 0 ? false : "reason: only root may give files away";
let top: string;
let umask: number;

beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-new-files-"));
  umask = process.umask(0o022);
});

afterEach(() => {
  process.umask(umask);
  fs.rmSync(top, { recursive: true, force: true });
});

function inFolder(name: string, use: (folder: number) => void): void {
  fs.mkdirSync(path.join(top, name), { recursive: true, mode: 0o700 });
  const folder = fs.openSync(path.join(top, name), fs.constants.O_DIRECTORY);
  try {
    use(folder);
  } finally {
    fs.closeSync(folder);
  }
}

function fileOf(folder: number, name: string, more: Partial<TargetFile>): TargetFile {
  return {
    folder,
    name,
    temporaryName: `.temporary-${name}`,
    size: 3,
    dropAcl: false,
    extend: false,
    reportInode: false,
    inNewFolder: true,
    mode: 0o640,
    uid: unchangedId,
    gid: unchangedId,
    mtimeNs: 1_700_000_000_123_456_789n,
    ...more,
  };
}

/** A folder whose group all that is made in it gets. */
function makeGiving(): void {
  const giving = path.join(top, "giving");
  fs.mkdirSync(giving);
  fs.chownSync(giving, 0, 4242);
  fs.chmodSync(giving, 0o2700);
}

function make(files: NewFiles, file: TargetFile): void {
  const fd = files.create(file);
  writeAt(fd, Buffer.from("abc"), 0);
  assert.deepEqual(files.complete(fd, file), []);
}

const modes = [0o644, 0o666, 0o400, 0o644, 0o777, 0o000, 0o4755, 0o2644, 0o1644, 0o666];

for (const mask of [0o000, 0o022, 0o077]) {
  test(`modes are as wanted under umask ${mask.toString(8)}`, () => {
    process.umask(mask);
    const files = new NewFiles();
    inFolder("new", (folder) => {
      for (const [n, mode] of modes.entries()) make(files, fileOf(folder, `file${n}`, { mode }));
    });
    for (const [n, mode] of modes.entries()) {
      const name = path.join(top, "new", `file${n}`);
      const stat = fs.statSync(name, { bigint: true });
      assert.equal(stat.mode & 0o7777n, BigInt(mode));
      assert.equal(stat.mtimeNs, 1_700_000_000_123_456_789n);
    }
    assert.equal(fs.readdirSync(path.join(top, "new")).length, modes.length);
  });
}

test("a folder that gives its group away gives no file a wrong one", { skip: needsRoot }, () => {
  const wanted = [
    { uid: 0, gid: 0 },
    { uid: 0, gid: 4242 },
    { uid: 4242, gid: 0 },
  ];
  makeGiving();
  inFolder("giving/new", (folder) => {
    const files = new NewFiles();
    for (const [n, owner] of wanted.entries()) make(files, fileOf(folder, `file${n}`, owner));
  });
  for (const [n, { uid, gid }] of wanted.entries()) {
    const stat = fs.statSync(path.join(top, "giving/new", `file${n}`));
    assert.deepEqual([stat.uid, stat.gid], [uid, gid], `file${n}`);
  }
});

test("what was seen in one folder is not believed of the next", { skip: needsRoot }, () => {
  makeGiving();
  const files = new NewFiles();
  const owner = { uid: 0, gid: 0 };
  inFolder("plain", (plain) => {
    inFolder("giving", (giving) => {
      for (const [n, folder] of [plain, giving, plain, giving].entries()) {
        make(files, fileOf(folder, `file${n}`, owner));
      }
    });
  });
  for (const name of ["plain/file0", "giving/file1", "plain/file2", "giving/file3"]) {
    const { uid, gid } = fs.statSync(path.join(top, name));
    assert.deepEqual([uid, gid], [0, 0], name);
  }
});

test("a file that is filled while others are made gets all it needs", { skip: needsRoot }, () => {
  makeGiving();
  const files = new NewFiles();
  const owner = { uid: 0, gid: 0 };
  inFolder("giving", (giving) => {
    inFolder("plain", (plain) => {
      const slow = fileOf(giving, "slow", owner);
      const fd = files.create(slow);
      make(files, fileOf(plain, "quick", owner));
      assert.deepEqual(files.complete(fd, slow), []);
    });
  });
  assert.equal(fs.statSync(path.join(top, "giving/slow")).gid, 0);
});

test("outside of new folders nobody but the owner may read what is not complete", () => {
  const files = new NewFiles();
  inFolder("old", (folder) => {
    const file = fileOf(folder, "file", { mode: 0o644, inNewFolder: false });
    const fd = files.create(file);
    assert.equal(fs.fstatSync(fd).mode & 0o7777, 0o600);
    assert.deepEqual(files.complete(fd, file), []);
    assert.equal(fs.statSync(path.join(top, "old/file")).mode & 0o7777, 0o644);
  });
});

/** The system's errors that file systems without O_TMPFILE, and old kernels, answer with. */
function failing(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

test("what is not complete has no name where the system can do without", () => {
  const files = new NewFiles();
  inFolder("new", (folder) => {
    const made = [0, 1, 2].map((n) => fileOf(folder, `file${n}`, {}));
    const fds = made.map((file) => files.create(file));
    assert.deepEqual(fs.readdirSync(path.join(top, "new")), [".temporary-file0"]);
    files.discard(fds[1] as number, made[1] as TargetFile);
    for (const n of [2, 0]) files.complete(fds[n] as number, made[n] as TargetFile);
  });
  assert.deepEqual(fs.readdirSync(path.join(top, "new")).sort(), ["file0", "file2"]);
});

for (const [what, calls] of [
  ["a file system without nameless files", { open: failing("EOPNOTSUPP"), link: linkFd }],
  ["a system that cannot link descriptors", { open: openAt, link: failing("ENOENT") }],
] as const) {
  test(`${what} gets the same files`, () => {
    const files = new NewFiles(calls);
    const fdsBefore = fs.readdirSync("/proc/self/fd").length;
    inFolder("new", (folder) => {
      for (const [n, mode] of modes.entries()) make(files, fileOf(folder, `file${n}`, { mode }));
      const file = fileOf(folder, "discarded", {});
      files.discard(files.create(file), file);
    });
    assert.equal(fs.readdirSync("/proc/self/fd").length, fdsBefore);
    const names = modes.map((_, n) => `file${n}`);
    assert.deepEqual(fs.readdirSync(path.join(top, "new")).sort(), names.sort());
  });
}

test("what came into its place meanwhile is replaced", () => {
  const files = new NewFiles();
  inFolder("new", (folder) => {
    for (const name of ["first", "second"]) {
      const file = fileOf(folder, name, {});
      const fd = files.create(file);
      writeAt(fd, Buffer.from("abc"), 0);
      fs.writeFileSync(path.join(top, "new", name), "intruder");
      assert.deepEqual(files.complete(fd, file), []);
      assert.equal(fs.readFileSync(path.join(top, "new", name), "utf8"), "abc");
    }
  });
  assert.deepEqual(fs.readdirSync(path.join(top, "new")).sort(), ["first", "second"]);
});

test("where a folder stands in its place nothing else is left", () => {
  const files = new NewFiles();
  inFolder("new", (folder) => {
    for (const name of ["first", "second"]) {
      const file = fileOf(folder, name, {});
      const fd = files.create(file);
      fs.mkdirSync(path.join(top, "new", name));
      assert.throws(() => files.complete(fd, file), /EISDIR/);
    }
  });
  assert.deepEqual(fs.readdirSync(path.join(top, "new")).sort(), ["first", "second"]);
});
