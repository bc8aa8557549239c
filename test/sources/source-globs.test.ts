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

const expand = (...patterns: string[]) =>
  expandSources(patterns.map((pattern) => rawPathFromText(`${top}${pattern}`))).map((found) =>
    found.slice(top.length),
  );

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

test("what stands for nothing is source-absent", () => {
  for (const pattern of ["/nowhere", "/www/x*", "/www/file/*", "/www/*/nothing", "/www/file*/"]) {
    assert.throws(
      () => expand("/www/one", pattern),
      (error) => hasCode(error, "source-absent"),
      pattern,
    );
  }
});

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
