/** The tidy test is blind where these functions are: planted imports, calls and decoys. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOnly, importsOf, linesWith, withoutComments } from "./source-text.ts";

const tick = "`";
const sample = [
  "/** import { no } from './comment.ts' and process.exit */",
  'import { a, type B } from "../base/a.ts";',
  'import type { C } from "./c.ts";',
  "import {",
  "  type D,",
  "  type E,",
  '} from "./d.ts";',
  'import "node:fs";',
  'export { f } from "./f.ts";',
  'const worker = new Worker(new URL("./w.js", import.meta.url));',
  'const late = await import("./late.ts"); // process.argv',
  `const text = "process.env" + ${tick}process.a \${process.pid} console.b${tick};`,
  'const quote = /["process.env]/; const after = process.cwd();',
].join("\n");

test("imports are found, decoys in comments are not", () => {
  const file = { path: "src/repo/x.ts", text: sample, lines: sample.split("\n") };
  const found = importsOf(file).map((item) => [item.line, item.file ?? item.name, item.typeOnly]);
  assert.deepEqual(found, [
    [2, "src/base/a.ts", false],
    [3, "src/repo/c.ts", true],
    [4, "src/repo/d.ts", true],
    [8, "node:fs", false],
    [9, "src/repo/f.ts", false],
    [10, "src/repo/w.ts", false],
    [11, "src/repo/late.ts", false],
  ]);
});

test("code is seen, comments and strings are not, lines stay", () => {
  const code = codeOnly(sample);
  assert.equal(code.split("\n").length, sample.split("\n").length);
  assert.deepEqual(linesWith(code, /\bprocess\s*\./), [12, 13]);
  assert.deepEqual(linesWith(code, /\bconsole\b/), []);
  assert.deepEqual(linesWith(withoutComments(sample), /\bprocess\.(exit|argv)/), []);
});
