/** Walks that meet trouble: no permission, things that vanish or move, depth, other devices. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { RawPath } from "../../src/base/raw-path.ts";
import { ExcludeRules } from "../../src/sources/exclude.ts";
import { TreeWalker } from "../../src/sources/tree-walker.ts";
import { inFolder, mountTmpfs, openFolder, unmount } from "../helpers/file-calls.ts";
import { removeTree } from "../helpers/file-fixtures.ts";
import { rootTest } from "../helpers/needs-root.ts";
import { problemLines, type WalkReport, walkAll } from "./walk-report.ts";

let top = "";
before(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-trouble-"));
  fs.chmodSync(top, 0o755);
});
after(() => removeTree(top));

function makeTree(name: string, files: readonly string[]): string {
  const dir = `${top}/${name}`;
  for (const file of files) {
    fs.mkdirSync(path.dirname(`${dir}/${file}`), { recursive: true });
    fs.writeFileSync(`${dir}/${file}`, file);
  }
  return dir;
}

const below = (dir: string, { paths }: WalkReport) =>
  paths.filter((one) => one.startsWith(`${dir}/`)).map((one) => one.slice(dir.length + 1));

/** Runs a program beside this test and gives what it prints. */
function runProgram(name: string, root: string, shell = 'exec "$0" "$@"') {
  const program = path.join(import.meta.dirname, name);
  const args = ["-c", shell, process.execPath, program, root];
  const { status, stdout, stderr } = spawnSync("sh", args, { encoding: "utf8", cwd: "/" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

rootTest("without permission: told, and everything else is walked", () => {
  const dir = makeTree("denied", ["closed/file", "names-only/file", "open/file", "open/secret"]);
  fs.chmodSync(`${dir}/closed`, 0o700);
  fs.chmodSync(`${dir}/names-only`, 0o744);
  fs.chmodSync(`${dir}/open/secret`, 0o600);
  const found = runProgram("walk-as-nobody.js", dir);
  assert.deepEqual(below(dir, found), [
    ...["closed", "names-only", "open", "open/file", "open/secret"],
  ]);
  assert.deepEqual(found.problems, [
    `error open EACCES ${dir}/closed`,
    `error stat EACCES ${dir}/names-only/file`,
  ]);
  assert.deepEqual(found.unreadable, [`EACCES ${dir}/open/secret`]);
});

rootTest("a folder that may only be passed through leads to what is named in it", () => {
  const dir = makeTree("passage", ["hall/room/file", "hall/other/file"]);
  fs.chmodSync(`${dir}/hall`, 0o711);
  const found = runProgram("walk-as-nobody.js", `${dir}/hall/room`);
  assert.deepEqual(below(dir, found), ["hall", "hall/room", "hall/room/file"]);
  assert.deepEqual(found.problems, []);
});

test("what vanishes while the walk stands elsewhere is noted, and no more", () => {
  const dir = makeTree("vanish", ["a", "b", "c/file", "d/file", "e"]);
  const found = walkAll({ roots: [dir] }, (where) => {
    if (where !== `${dir}/a`) return;
    fs.unlinkSync(`${dir}/b`);
    fs.rmSync(`${dir}/c`, { recursive: true });
  });
  assert.deepEqual(below(dir, found), ["a", "d", "d/file", "e"]);
  assert.deepEqual(problemLines(found), [
    `vanished stat ENOENT ${dir}/b`,
    `vanished stat ENOENT ${dir}/c`,
  ]);
});

test("a folder that vanishes once it was yielded", () => {
  const dir = makeTree("vanish-inside", ["a/file", "b"]);
  const found = walkAll({ roots: [dir] }, (where) => {
    if (where === `${dir}/a`) fs.rmSync(`${dir}/a`, { recursive: true });
  });
  assert.deepEqual(below(dir, found), ["a", "b"]);
  for (const line of problemLines(found)) assert.match(line, /^vanished /);
});

test("what changes its kind is taken as it is when the walk comes to it", () => {
  const dir = makeTree("kinds", ["a", "b/file", "c"]);
  const found = walkAll({ roots: [dir] }, (where) => {
    if (where !== `${dir}/a`) return;
    fs.rmSync(`${dir}/b`, { recursive: true });
    fs.symlinkSync("/etc", `${dir}/b`);
    fs.unlinkSync(`${dir}/c`);
    fs.mkdirSync(`${dir}/c`);
    fs.writeFileSync(`${dir}/c/new`, "");
  });
  assert.deepEqual(below(dir, found), ["a", "b", "c", "c/new"]);
  assert.equal(found.entries.get(`${dir}/b`)?.link, "/etc");
});

test("an entry that vanishes under one's hands", () => {
  const dir = makeTree("hands", ["file"]);
  fs.symlinkSync("x", `${dir}/link`);
  const walker = new TreeWalker({ roots: [dir as RawPath] });
  const problems: string[] = [];
  for (const item of walker.walk()) {
    if ("problem" in item) problems.push(`${item.problem.kind} ${item.problem.operation}`);
    else if (item.key.endsWith("\0link")) {
      fs.unlinkSync(`${dir}/link`);
      assert.throws(() => walker.readLink(), /ENOENT/);
      assert.deepEqual(walker.xattrs(), []);
    }
  }
  assert.deepEqual(problems, ["vanished xattr"]);
});

/** Folders 0/1/2… to this depth, each with a file; deeper than any path can be. */
function makeDeep(dir: string, depth: number): void {
  fs.mkdirSync(dir);
  let fd = openFolder(dir);
  for (let level = 0; level < depth; level++) {
    fs.writeFileSync(inFolder(fd, "z"), "");
    fs.writeFileSync(inFolder(fd, "a"), "");
    fs.mkdirSync(inFolder(fd, "folder"));
    const next = openFolder(inFolder(fd, "folder"));
    fs.closeSync(fd);
    fd = next;
  }
  fs.closeSync(fd);
}

const openCount = () => fs.readdirSync("/proc/self/fd").length;

test("a tree of any depth with few descriptors", () => {
  const depth = 800;
  const dir = `${top}/deep`;
  makeDeep(dir, depth);
  for (const openFoldersMax of [3, 7, 300]) {
    const before = openCount();
    let most = 0;
    const walker = new TreeWalker({ roots: [dir as RawPath], openFoldersMax });
    const names: string[] = [];
    for (const item of walker.walk()) {
      assert.ok(!("problem" in item));
      if (names.length % 50 === 0) most = Math.max(most, openCount());
      names.push(item.key.slice(item.key.lastIndexOf("\0") + 1));
    }
    // "a" of each level on the way down, "z" on the way back.
    const expected = [...Array(depth).fill(["a", "folder"]).flat(), ...Array(depth).fill("z")];
    assert.deepEqual(names.slice(-3 * depth), expected);
    assert.ok(most - before <= openFoldersMax, `${most - before} open`);
    assert.equal(openCount(), before);
  }
});

test("a walk that is left early closes what it had open", () => {
  const before = openCount();
  for (const item of new TreeWalker({ roots: [`${top}/deep` as RawPath] }).walk()) {
    if (!("problem" in item) && item.key.length > 2000) break;
  }
  assert.equal(openCount(), before);
});

test("when the system gives few descriptors, the walk does with fewer", () => {
  const dir = `${top}/few`;
  makeDeep(dir, 200);
  const found = runProgram("walk-with-few-files.js", dir, 'ulimit -n 60; exec "$0" "$@"');
  const above = dir.split("/").length - 1;
  assert.deepEqual(found, { count: above + 200 * 3, problems: [] });
});

test("a folder that was moved away while it was closed is told, not mistaken", () => {
  const dir = `${top}/moved`;
  makeDeep(dir, 40);
  let isDone = false;
  const found = walkAll({ roots: [dir], openFoldersMax: 5 }, (where) => {
    if (isDone || where.split("/folder").length !== 40) return;
    isDone = true;
    // Another folder of the same name stands where the walk comes back.
    const place = `${dir}${"/folder".repeat(10)}`;
    fs.renameSync(place, `${top}/moved-away`);
    fs.mkdirSync(place);
    fs.writeFileSync(`${place}/z`, "");
  });
  const lost = found.problems.filter(({ operation }) => operation === "reopen");
  assert.ok(lost.length > 0);
  for (const { kind, code } of lost) {
    assert.equal(kind, "error");
    assert.ok(code === "ESTALE" || code === "ENOENT", code);
  }
  assert.ok(!found.paths.includes(`${dir}${"/folder".repeat(10)}/z`));
  // What lies above the moved folder is complete.
  assert.ok(found.paths.includes(`${dir}${"/folder".repeat(9)}/z`));
});

test("one file system: another one's top is an entry without content", () => {
  // Every Linux system has another file system at /proc; nothing else of "/" is walked.
  const excludes = new ExcludeRules(["/*", "!/proc"] as RawPath[]);
  const stayed = walkAll({ roots: ["/"], oneFileSystem: true, excludes });
  assert.deepEqual(stayed.paths, ["/proc"]);
  const only = new ExcludeRules(["/*", "!/proc", "/proc/*", "!/proc/version"] as RawPath[]);
  const crossed = walkAll({ roots: ["/"], excludes: only });
  assert.deepEqual(crossed.paths, ["/proc", "/proc/version"]);
  const [proc, version] = [...crossed.entries.values()].map(({ entry }) => entry.deviceOrdinal);
  assert.deepEqual([proc, version], [1, 1]);
  const named = walkAll({ roots: ["/proc/version", "/proc/self/net"], oneFileSystem: true });
  assert.ok(named.paths.includes("/proc/version"));
});

test("one file system, with a mounted one in a tree", (t) => {
  const dir = makeTree("mounts", ["a/file", "m/hidden", "z"]);
  try {
    mountTmpfs(`${dir}/m`);
  } catch (error) {
    // Containers may not mount; the test above walks another file system there.
    assert.equal((error as NodeJS.ErrnoException).code, "EPERM");
    t.diagnostic("this system does not let us mount: only /proc was tried");
    return;
  }
  try {
    fs.writeFileSync(`${dir}/m/inside`, "");
    const stayed = walkAll({ roots: [dir], oneFileSystem: true });
    assert.deepEqual(below(dir, stayed), ["a", "a/file", "m", "z"]);
    assert.notEqual(
      stayed.entries.get(`${dir}/m`)?.entry.deviceOrdinal,
      stayed.entries.get(`${dir}/z`)?.entry.deviceOrdinal,
    );
    const named = walkAll({ roots: [dir, `${dir}/m`], oneFileSystem: true });
    assert.deepEqual(below(dir, named), ["a", "a/file", "m", "m/inside", "z"]);
    const crossed = walkAll({ roots: [dir] });
    assert.deepEqual(below(dir, crossed), ["a", "a/file", "m", "m/inside", "z"]);
  } finally {
    unmount(`${dir}/m`);
  }
});
