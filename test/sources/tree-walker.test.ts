/** What a walk yields: every kind of entry, exactly, in key order, for any set of named paths. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before } from "node:test";
import fc from "fast-check";
import { EntryType } from "../../src/base/entry.ts";
import { hasCode } from "../../src/base/errors.ts";
import { keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { cacheFolderRule, ExcludeRules } from "../../src/sources/exclude.ts";
import { openForRead, readFileInto } from "../../src/sources/file-reader.ts";
import { TreeWalker } from "../../src/sources/tree-walker.ts";
import { bytes, inFolder, openFolder, xattrsOf } from "../helpers/file-calls.ts";
import {
  makeManyFiles,
  makeRichTree,
  noise,
  oddTimes,
  type RichTree,
  removeTree,
} from "../helpers/file-fixtures.ts";
import { needsRoot, rootTest } from "../helpers/needs-root.ts";
import { problemLines, type WalkReport, walkAll } from "./walk-report.ts";

let top = "";
let rich: RichTree;
let report: WalkReport;

before(async () => {
  if (needsRoot !== false) return;
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-walk-"));
  fs.mkdirSync(`${top}/rich`);
  rich = await makeRichTree(`${top}/rich`);
  // A file system may count other blocks once it has found places for the data.
  assert.equal(spawnSync("sync", ["-f", top]).status, 0);
  report = walkAll({ roots: [`${top}/rich`] });
});
after(() => {
  if (top !== "") removeTree(top);
});

const walked = (name: string) => {
  const found = report.entries.get(`${top}/rich/${name}`);
  assert.ok(found, `${name} is missing`);
  return found;
};

/** Paths below `folder`, found with node:fs, in any depth. */
function listed(place: string, shown: string): string[] {
  const fd = openFolder(place);
  try {
    return fs.readdirSync(`/proc/self/fd/${fd}`, { encoding: "latin1" }).flatMap((name) => {
      const here = inFolder(fd, name);
      const stat = fs.lstatSync(bytes(here));
      if (stat.isSocket()) return [];
      const deeper = stat.isDirectory() ? listed(here, `${shown}/${name}`) : [];
      return [`${shown}/${name}`, ...deeper];
    });
  } finally {
    fs.closeSync(fd);
  }
}

const ancestorsOf = (folder: string) =>
  folder.split("/").flatMap((_, at, names) => (at === 0 ? [] : [names.slice(0, at + 1).join("/")]));

rootTest("every entry comes once, in key order, after the folders on the way", () => {
  const expected = [...ancestorsOf(`${top}/rich`), ...listed(`${top}/rich`, `${top}/rich`)];
  const keys = expected.map((one) => keyFromPath(one as RawPath)).sort();
  assert.deepEqual(report.keys, keys);
});

rootTest("all metadata is that of lstat", () => {
  let compared = 0;
  for (const [where, { entry }] of report.entries) {
    if (where.length > 4000) continue;
    const stat = fs.lstatSync(bytes(where), { bigint: true });
    const found = [entry.mode, entry.uid, entry.gid].map(BigInt);
    assert.deepEqual(found, [stat.mode & 0o7777n, stat.uid, stat.gid], where);
    // Above, others make and remove folders while this runs.
    if (!where.startsWith(`${top}/`)) continue;
    assert.deepEqual([entry.nlink, entry.blocks].map(BigInt), [stat.nlink, stat.blocks], where);
    assert.equal(entry.mtimeNs, stat.mtimeNs, where);
    assert.equal(entry.ctimeNs, stat.ctimeNs, where);
    assert.equal(entry.inode, stat.ino, where);
    assert.equal(entry.size, stat.isFile() ? Number(stat.size) : 0, where);
    compared++;
  }
  assert.ok(compared > 80);
});

rootTest("kinds, device numbers, owners and odd times", () => {
  const kinds: [string, EntryType][] = [
    ["files", EntryType.folder],
    ["files/empty", EntryType.file],
    ["links/dangling", EntryType.symlink],
    ["nodes/fifo", EntryType.fifo],
    ["nodes/null", EntryType.charDevice],
    ["nodes/loop", EntryType.blockDevice],
  ];
  for (const [name, type] of kinds) assert.equal(walked(name).entry.type, type, name);
  const numbers = (name: string) => [walked(name).entry.rdevMajor, walked(name).entry.rdevMinor];
  assert.deepEqual(numbers("nodes/null"), [1, 3]);
  assert.deepEqual(numbers("nodes/loop"), [7, 99]);
  assert.deepEqual(numbers("nodes/large-numbers"), [511, 1_000_000]);
  const nobody = fs.readFileSync("/etc/passwd", "utf8").match(/^([^:]*):[^:]*:65534:/m)?.[1];
  assert.equal(walked("modes/nobody").entry.user, nobody ?? "");
  assert.equal(walked("files/empty").entry.user, "root");
  assert.equal(walked("modes/owned").entry.user, "");
  assert.equal(walked("modes/owned").entry.group, "");
  assert.deepEqual(
    [walked("modes/large-ids").entry.uid, walked("modes/large-ids").entry.gid],
    [4_294_967_293, 4_294_967_292],
  );
  for (const [name, timeNs] of Object.entries(oddTimes)) {
    assert.equal(walked(`files/${name}`).entry.mtimeNs, timeNs);
  }
});

rootTest("names of one file share device and inode, and nothing else does", () => {
  const groups = new Map<string, string[]>();
  for (const [where, { entry }] of report.entries) {
    if (entry.nlink < 2 || entry.type === EntryType.folder) continue;
    const group = `${entry.deviceOrdinal}:${entry.inode}`;
    groups.set(group, [...(groups.get(group) ?? []), where.slice(top.length + 6)]);
  }
  const sorted = (lists: Iterable<readonly string[]>) =>
    [...lists].map((l) => [...l].sort()).sort();
  assert.deepEqual(sorted(groups.values()), sorted(rich.hardLinks));
});

rootTest("symbolic links are read, with bytes that are no text", () => {
  for (const [where, { link, entry }] of report.entries) {
    if (entry.type !== EntryType.symlink || where.length > 4000) continue;
    assert.equal(link, fs.readlinkSync(bytes(where), "latin1"), where);
  }
  assert.equal(walked("links/not-utf8").link, "../names/\xff\xfe");
  assert.equal(walked("links/long-target").link?.length, 4002);
});

rootTest("extended attributes of folders, links, FIFOs and device nodes", () => {
  let some = 0;
  for (const [where, { xattrs, entry }] of report.entries) {
    if (entry.type === EntryType.file || where.length > 4000) continue;
    const truth = xattrsOf(where).map(
      ([name, value]) => `${name}=${Buffer.from(value, "hex").toString("latin1")}`,
    );
    assert.deepEqual(xattrs, truth, where);
    some += xattrs.length;
  }
  assert.ok(some >= 5);
  assert.equal(walked("attributes/default-acl").xattrs.length, 1);
});

rootTest("sockets are named and nothing else is wrong", () => {
  assert.deepEqual(
    problemLines(report),
    rich.sockets.map((name) => `socket-skipped stat socket-skipped ${top}/rich/${name}`),
  );
});

rootTest("a file beyond the length of a path is opened by its folder", () => {
  const where = `${top}/rich/${rich.deepFile}`;
  assert.ok(where.length > 4096);
  const { target } = report.entries.get(where) ?? {};
  assert.ok(target !== undefined && "fd" in target && target.fd >= 0);
  const content = Buffer.alloc(100_001);
  assert.equal(readFileInto(openForRead(target), content, 0, content.length), 100_000);
  assert.ok(content.subarray(0, 100_000).equals(noise(100_000, 9)));
  for (const { target } of report.entries.values()) {
    if (target !== undefined && "fd" in target) fs.closeSync(target.fd);
  }
  const folder = path.dirname(rich.deepFile);
  assert.equal(walked(`${folder}/link`).link, "bottom");
  assert.deepEqual(walked("files/text").target, { path: `${top}/rich/files/text` });
});

function makeTree(name: string, files: readonly string[]): string {
  const dir = `${top}/${name}`;
  fs.mkdirSync(dir);
  for (const file of files) {
    const where = `${dir}/${file}`;
    fs.mkdirSync(bytes(path.posix.dirname(where)), { recursive: true });
    if (!file.endsWith("/.")) fs.writeFileSync(bytes(where), file);
  }
  return dir;
}

const below = (dir: string, { paths }: WalkReport) =>
  paths.filter((one) => one.startsWith(`${dir}/`)).map((one) => one.slice(dir.length + 1));

rootTest("named paths: nested, equal, files; what is not named is not visited", () => {
  const dir = makeTree("named", ["a/b/one", "a/b/two", "a/c/three", "d/four", "d/five", "e/six"]);
  const walk = (...roots: string[]) =>
    below(dir, walkAll({ roots: roots.map((root) => `${dir}/${root}`) }));
  assert.deepEqual(walk("d/four"), ["d", "d/four"]);
  assert.deepEqual(walk("a/c", "a/b/two"), ["a", "a/b", "a/b/two", "a/c", "a/c/three"]);
  assert.deepEqual(walk("a/b", "a", "a/b/one", "a"), [
    ...["a", "a/b", "a/b/one", "a/b/two", "a/c", "a/c/three"],
  ]);
  assert.deepEqual(walk("e//./six", "d/../e/"), ["e", "e/six"]);
});

rootTest("a relative path is a usage error", () => {
  assert.throws(
    () => new TreeWalker({ roots: ["a/b" as RawPath] }),
    (error) => hasCode(error, "usage"),
  );
});

rootTest("a named path that is absent is an error, and the others are walked", () => {
  const dir = makeTree("absent", ["a/one", "file"]);
  const found = walkAll({ roots: [`${dir}/a`, `${dir}/b/c`, `${dir}/a/x`, `${dir}/file/y`] });
  assert.deepEqual(below(dir, found), ["a", "a/one"]);
  assert.deepEqual(problemLines(found), [
    `error stat ENOENT ${dir}/a/x`,
    `error stat ENOENT ${dir}/b`,
    `error open ENOTDIR ${dir}/file`,
  ]);
});

rootTest("named links: the link itself, followed with a slash, followed on the way", () => {
  const dir = makeTree("links", ["real/in/file", "real/other"]);
  fs.symlinkSync("real", `${dir}/link`);
  const itself = walkAll({ roots: [`${dir}/link`] });
  assert.deepEqual(below(dir, itself), ["link"]);
  assert.equal(itself.entries.get(`${dir}/link`)?.entry.type, EntryType.symlink);
  assert.deepEqual(problemLines(itself), [`link-only stat link-only ${dir}/link`]);
  const followed = walkAll({ roots: [`${dir}/link/`] });
  assert.deepEqual(below(dir, followed), ["link", "link/in", "link/in/file", "link/other"]);
  assert.equal(followed.entries.get(`${dir}/link`)?.entry.type, EntryType.folder);
  assert.deepEqual(followed.problems, []);
  const through = walkAll({ roots: [dir, `${dir}/link/in`] });
  const all = ["link", "link/in", "link/in/file", "real", "real/in", "real/in/file", "real/other"];
  assert.deepEqual(below(dir, through), all);
});

rootTest("excludes, sizes and tags; what is named is never excluded", () => {
  const dir = makeTree("excluded", [
    ...["a.o", "keep", "big", "build/x", "build/deep/y", "cache/CACHEDIR.TAG", "cache/data"],
    ...["fake/CACHEDIR.TAG", "fake/data", "no/.nobackup", "no/data", "no/sub/data"],
  ]);
  const signature = "Signature: 8a477f597d28d172789f06886806bc55";
  fs.writeFileSync(`${dir}/cache/CACHEDIR.TAG`, `${signature}\n# comment`);
  fs.writeFileSync(`${dir}/big`, Buffer.alloc(1001));
  const options = walkOptions([`*.o`, "build", "!z"]);
  const shown = (roots: string[], more = {}) =>
    below(dir, walkAll({ ...options, ...more, roots: roots.map((root) => `${dir}${root}`) }));
  assert.deepEqual(shown([""]), [
    ...["cache", "cache/CACHEDIR.TAG", "fake", "fake/CACHEDIR.TAG", "fake/data", "keep"],
    ...["no", "no/.nobackup"],
  ]);
  assert.deepEqual(shown(["/a.o", "/big", "/build/deep"]), [
    ...["a.o", "big", "build", "build/deep", "build/deep/y"],
  ]);
  assert.deepEqual(shown(["/cache", "/no/sub"]), [
    ...["cache", "cache/CACHEDIR.TAG", "cache/data", "no", "no/sub", "no/sub/data"],
  ]);
  assert.deepEqual(shown(["", "/no/sub", "/build/deep"]), [
    ...["build", "build/deep", "build/deep/y"],
    ...["cache", "cache/CACHEDIR.TAG", "fake", "fake/CACHEDIR.TAG", "fake/data", "keep"],
    ...["no", "no/.nobackup", "no/sub", "no/sub/data"],
  ]);
  assert.ok(shown([""], { excludeLargerThan: 1001 }).includes("big"));
});

function walkOptions(rules: readonly string[]) {
  return {
    excludes: new ExcludeRules(rules as readonly RawPath[]),
    excludeIfPresent: [cacheFolderRule, { name: ".nobackup", header: "" }],
    excludeLargerThan: 1000,
  };
}

rootTest("a folder of 20,000 files", () => {
  makeManyFiles(`${top}/many`, 20_000);
  const found = walkAll({ roots: [`${top}/many`] });
  const files = below(`${top}/many`, found);
  assert.equal(files.length, 20_000);
  assert.equal(files[12_345], "f012345");
});

rootTest("any tree comes in key order", () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 4 })
    .map((array) => Buffer.from(array).latin1Slice().replace(/[/\0]/g, "x"))
    .filter((one) => one !== "." && one !== "..");
  const files = fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { maxLength: 15 });
  let run = 0;
  fc.assert(
    fc.property(files, fc.integer({ min: 3, max: 6 }), (files, openFoldersMax) => {
      const dir = `${top}/run-${run++}`;
      fs.mkdirSync(dir);
      for (const names of files) {
        try {
          fs.mkdirSync(bytes([dir, ...names.slice(0, -1)].join("/")), { recursive: true });
          fs.writeFileSync(bytes([dir, ...names].join("/")), "");
        } catch {
          // A file where a folder is wanted, or the reverse: one of them is enough.
        }
      }
      const found = walkAll({ roots: [dir], openFoldersMax });
      const expected = [...ancestorsOf(dir), ...listed(dir, dir)];
      assert.deepEqual(found.keys, expected.map((one) => keyFromPath(one as RawPath)).sort());
      assert.deepEqual(found.problems, []);
    }),
    { numRuns: 60 },
  );
});
