import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import fc from "fast-check";
import { systemRandom } from "../../../src/base/clock.ts";
import { rawPathFromText } from "../../../src/base/raw-path.ts";
import {
  isAbandoned,
  isSafeName,
  TemporaryNames,
} from "../../../src/sources/target/target-names.ts";
import { type RemovalReport, removeName } from "../../../src/sources/target/target-removal.ts";
import { namesIn, TargetTree } from "../../../src/sources/target/target-tree.ts";

let top: string;
let tree: TargetTree;

beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-target-"));
  fs.mkdirSync(path.join(top, "target"));
  tree = TargetTree.open(rawPathFromText(path.join(top, "target")));
});

afterEach(() => {
  tree.close();
  fs.rmSync(top, { recursive: true, force: true });
});

const at = (...names: string[]) => path.join(top, "target", ...names);

function throwsCode(code: string, act: () => unknown) {
  assert.throws(act, (error: NodeJS.ErrnoException) => {
    assert.equal(error.code, code);
    return true;
  });
}

function recorder() {
  const removed: string[] = [];
  const failed: string[] = [];
  const report: RemovalReport = {
    pretend: false,
    removed: (_, name) => removed.push(name),
    failed: (_, name, { code }) => failed.push(`${name} ${code}`),
  };
  return { removed, failed, report };
}

test("a symbolic link is never taken for a folder", () => {
  fs.mkdirSync(path.join(top, "outside"));
  fs.symlinkSync(path.join(top, "outside"), at("link"));
  throwsCode("ENOTDIR", () => tree.child(tree.root, "link"));
  fs.writeFileSync(at("file"), "");
  throwsCode("ENOTDIR", () => tree.child(tree.root, "file"));
  throwsCode("ENOENT", () => tree.child(tree.root, "nothing"));
});

test("a folder that is swapped for a link while it is closed is not entered", () => {
  fs.mkdirSync(at("a/b"), { recursive: true });
  fs.mkdirSync(path.join(top, "outside/b"), { recursive: true });
  const a = tree.child(tree.root, "a");
  const b = tree.child(a, "b");
  tree.release(b);
  tree.release(a);
  fs.renameSync(at("a"), at("moved"));
  fs.symlinkSync(path.join(top, "outside"), at("a"));
  throwsCode("ENOTDIR", () => tree.fd(b));
});

test("a folder that is swapped for another folder while it is closed is not entered", () => {
  fs.mkdirSync(at("a"));
  const a = tree.child(tree.root, "a");
  tree.release(a);
  fs.renameSync(at("a"), at("moved"));
  fs.mkdirSync(at("a"));
  throwsCode("ESTALE", () => tree.fd(a));
});

test("an open folder that is swapped for a link is still the folder it was", () => {
  fs.mkdirSync(at("a"));
  const a = tree.child(tree.root, "a");
  fs.renameSync(at("a"), at("moved"));
  fs.symlinkSync(top, at("a"));
  fs.writeFileSync(at("moved", "inside"), "");
  assert.deepEqual([...namesIn(tree.fd(a))], ["inside"]);
});

test("few folders are open at once, however deep they are nested", () => {
  tree.close();
  tree = TargetTree.open(rawPathFromText(at()), { openMax: 8 });
  const before = fs.readdirSync("/proc/self/fd").length;
  let folder = tree.root;
  const all = [folder];
  for (let depth = 0; depth < 600; depth++) {
    fs.mkdirSync(`/proc/self/fd/${tree.fd(folder)}/${"n".repeat(200)}`);
    folder = tree.child(folder, "n".repeat(200));
    all.push(folder);
  }
  assert.ok(fs.readdirSync("/proc/self/fd").length < before + 12);
  const middle = all[300];
  assert.ok(middle);
  assert.deepEqual([...namesIn(tree.fd(middle))], ["n".repeat(200)]);
  assert.deepEqual([...namesIn(tree.fd(folder))], []);
  const { removed, report } = recorder();
  assert.ok(removeName(tree, tree.root, "n".repeat(200), report));
  assert.equal(removed.length, 600);
  assert.deepEqual(fs.readdirSync(at()), []);
});

test("a pinned folder stays open", () => {
  tree.close();
  tree = TargetTree.open(rawPathFromText(at()), { openMax: 2 });
  fs.mkdirSync(at("a"));
  const a = tree.child(tree.root, "a");
  const fd = tree.pin(a);
  for (const name of ["b", "c", "d"]) {
    fs.mkdirSync(at(name));
    tree.child(tree.root, name);
  }
  tree.release(a);
  assert.equal(a.fd, fd);
  assert.ok(fs.fstatSync(fd).isDirectory());
  tree.unpin(a);
  tree.release(a);
  assert.equal(a.fd, -1);
});

test("names come as bytes", () => {
  const name = Buffer.from([0x66, 0xff, 0xe4, 0x0a]);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${at()}/`), name]), "");
  assert.deepEqual([...namesIn(tree.fd(tree.root))], [name.latin1Slice()]);
});

test("removal goes into folders and never through links", () => {
  fs.mkdirSync(path.join(top, "outside"));
  fs.writeFileSync(path.join(top, "outside/keep"), "");
  fs.mkdirSync(at("old/deep/er"), { recursive: true });
  fs.symlinkSync(path.join(top, "outside"), at("old/deep/link"));
  fs.symlinkSync(path.join(top, "outside"), at("link"));
  fs.linkSync(path.join(top, "outside/keep"), at("old/hard"));
  const { removed, report } = recorder();
  assert.ok(removeName(tree, tree.root, "old", report));
  assert.ok(removeName(tree, tree.root, "link", report));
  assert.ok(removeName(tree, tree.root, "nothing", report));
  assert.deepEqual(removed.sort(), ["deep", "er", "hard", "link", "link", "old"]);
  assert.deepEqual(fs.readdirSync(at()), []);
  assert.deepEqual(fs.readdirSync(path.join(top, "outside")), ["keep"]);
});

test("removal leaves other file systems alone and says so", () => {
  // /proc stands in for a mount below the target: another device.
  const proc = TargetTree.open(rawPathFromText("/"));
  try {
    const { failed, report } = recorder();
    assert.equal(removeName(proc, proc.root, "proc", report), false);
    assert.deepEqual(failed, ["proc EBUSY"]);
  } finally {
    proc.close();
  }
});

test("only single components are safe names", () => {
  for (const name of ["", ".", "..", "a/b", "/", "/a", "a\0", "\0"]) {
    assert.equal(isSafeName(name), false, JSON.stringify(name));
  }
  for (const name of ["a", "...", "..a", " ", "\n", "\xff", "-", "a".repeat(255)]) {
    assert.equal(isSafeName(name), true, JSON.stringify(name));
  }
  fc.assert(
    fc.property(fc.string(), (name) => {
      if (isSafeName(name)) assert.equal(path.posix.join("/x", name), `/x/${name}`);
    }),
  );
});

test("temporary names of processes that are gone are abandoned, those of others are not", () => {
  const isGone = (pid: number) => pid === 77;
  const names = new TemporaryNames(78, systemRandom);
  const own = names.next();
  assert.ok(names.owns(own));
  assert.notEqual(own, names.next());
  assert.equal(isAbandoned(own, isGone), false);
  const gone = new TemporaryNames(77, systemRandom).next();
  assert.equal(names.owns(gone), false);
  assert.equal(isAbandoned(gone, isGone), true);
  assert.equal(isAbandoned(gone.slice(1), isGone), false);
  assert.equal(
    isAbandoned(".varve-restore-0-0123456789abcdef-1", () => true),
    false,
  );
  assert.equal(
    isAbandoned(".varve-restore-notes", () => true),
    false,
  );
});
