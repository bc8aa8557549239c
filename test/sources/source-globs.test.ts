/** What globs in source paths stand for, on real folders. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { type RawPath, rawPathFromText } from "../../src/base/raw-path.ts";
import { expandSources } from "../../src/sources/source-globs.ts";
import { normalizePath } from "../../src/sources/source-plan.ts";
import { nobody } from "../helpers/e2e-home.ts";
import { bytes } from "../helpers/file-calls.ts";
import { removeTree } from "../helpers/file-fixtures.ts";

let top = "";

before(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-globs-"));
  for (const site of ["one", "two", "grün", ".hidden", "\xff\xfe"]) {
    const raw = site === "grün" ? rawPathFromText(site) : site;
    fs.mkdirSync(bytes(`${top}/www/${raw}/upload`), { recursive: true });
    fs.writeFileSync(bytes(`${top}/www/${raw}/page`), "");
  }
  fs.mkdirSync(`${top}/www/empty`);
  fs.writeFileSync(`${top}/www/file`, "");
  fs.symlinkSync("one", `${top}/www/link`);
  fs.mkdirSync(`${top}/odd/*star`, { recursive: true });
  fs.mkdirSync(`${top}/odd/xstar`);
});

after(() => removeTree(top));

const expandAll = (...patterns: string[]) =>
  expandSources(patterns.map((pattern) => rawPathFromText(`${top}${pattern}`)));
const expand = (...patterns: string[]) =>
  expandAll(...patterns).paths.map((found) => found.slice(top.length));

test("a pattern stands for what it matches, sorted; links are gone into", () => {
  assert.deepEqual(expand("/www/*/upload"), [
    `/www/${rawPathFromText("grün")}/upload`,
    "/www/link/upload",
    "/www/one/upload",
    "/www/two/upload",
    "/www/\xff\xfe/upload",
  ]);
  assert.deepEqual(expand("/www/t*/[p-z]*"), ["/www/two/page", "/www/two/upload"]);
  assert.deepEqual(expand("/www/gr?n"), [`/www/${rawPathFromText("grün")}`]);
});

test("a leading dot is met only by a dot", () => {
  assert.deepEqual(expand("/www/.*/upload"), ["/www/.hidden/upload"]);
  assert.ok(!expand("/www/*").includes("/www/.hidden"));
});

test("what exists as it is written is taken as it is", () => {
  assert.deepEqual(expand("/odd/*star"), ["/odd/*star"]);
  assert.deepEqual(expand("/odd/\\*star"), ["/odd/*star"]);
  assert.deepEqual(expand("/odd/?star"), ["/odd/*star", "/odd/xstar"]);
});

test("** is any folders or none, and does not follow links", () => {
  assert.deepEqual(expand("/www/**/page"), [
    `/www/${rawPathFromText("grün")}/page`,
    "/www/one/page",
    "/www/two/page",
    "/www/\xff\xfe/page",
  ]);
  assert.deepEqual(expand("/odd/**"), ["/odd/*star", "/odd/xstar"]);
});

test("a slash at the end asks for folders and stays", () => {
  assert.deepEqual(expand("/www/[efl]*/"), ["/www/empty/", "/www/link/"]);
  assert.deepEqual(expand("/www/link/"), ["/www/link/"]);
});

test("several paths are one sorted list without doubles", () => {
  assert.deepEqual(expand("/www/two", "/www/o*", "/www//./one"), ["/www/one", "/www/two"]);
});

const nothings = ["/nowhere", "/www/x*", "/www/file/*", "/www/*/nothing", "/www/file*/"];

test("what stands for nothing is source-absent", () => {
  for (const pattern of nothings) {
    assert.throws(
      () => expand(pattern, "/none"),
      (error) => hasCode(error, "source-absent") && error.message.includes(pattern),
      pattern,
    );
  }
});

test("what stands for nothing beside others is told, and they are taken", () => {
  const { paths, absent } = expandAll("/www/one", ...nothings);
  assert.deepEqual(paths, [`${top}/www/one`]);
  assert.deepEqual(
    absent.map(({ path, code }) => [path.slice(top.length), code]),
    nothings.map((pattern) => [pattern, "ENOENT"]),
  );
});

test("a folder that may not be listed is told, once, and the rest of the patterns is taken", () => {
  const shut = `${top}/closed/shut`;
  fs.mkdirSync(shut, { recursive: true, mode: 0o755 });
  fs.mkdirSync(`${top}/closed/open/page`, { recursive: true });
  for (const folder of [top, `${top}/closed`]) fs.chmodSync(folder, 0o755);
  fs.chmodSync(shut, 0);
  const { paths, absent } = asNobody(() => expandAll("/closed/*/p*", "/closed/*/*"));
  assert.deepEqual(paths, [`${top}/closed/open/page`]);
  assert.deepEqual(
    absent.map(({ path, code, message }) => [path, code, message]),
    [[shut, "EACCES", "cannot be opened"]],
  );
});

/** Root may list everything. */
function asNobody<T>(call: () => T): T {
  if (process.geteuid?.() !== 0) return call();
  process.seteuid?.(nobody);
  try {
    return call();
  } finally {
    process.seteuid?.(0);
  }
}

test("paths are made normal", () => {
  const table = {
    "/": "/",
    "//a//b/./c": "/a/b/c",
    "/a/../b": "/b",
    "/../..": "/",
    "/a/": "/a/",
    "/a/.": "/a/",
    "/a/b/..": "/a/",
    "/a...": "/a...",
    "/a/b..": "/a/b..",
  };
  for (const [from, to] of Object.entries(table)) assert.equal(normalizePath(from as RawPath), to);
  for (const bad of ["", "a", "./a", "/a\0b"]) {
    assert.throws(
      () => normalizePath(bad as RawPath),
      (error) => hasCode(error, "usage"),
    );
  }
});
