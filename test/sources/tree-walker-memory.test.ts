/** What a walk holds in memory: the names of one folder at a time, at most. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { RawPath } from "../../src/base/raw-path.ts";
import { TreeWalker } from "../../src/sources/tree-walker.ts";
import { makeManyFiles, removeTree } from "../helpers/file-fixtures.ts";

const isLong = process.env["VARVE_TEST_LONG"] === "1";
const files = isLong ? 1_000_000 : 60_000;
const folders = isLong ? 300_000 : 20_000;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

let top = "";
before(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-memory-"));
});
after(() => removeTree(top));

function heldBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Entries, and the most that was held at the first entry, at some in between, and at the last. */
function measure(root: string, every: number): { count: number; held: number } {
  const start = heldBytes();
  let count = 0;
  let held = 0;
  for (const item of new TreeWalker({ roots: [root as RawPath] }).walk()) {
    assert.ok(!("problem" in item));
    if (count % every === 4) held = Math.max(held, heldBytes() - start);
    count++;
  }
  return { count, held };
}

test(`a folder of ${files} files costs at most 24 bytes a name`, (t) => {
  makeManyFiles(`${top}/flat`, files);
  const { count, held } = measure(`${top}/flat`, files / 5);
  t.diagnostic(`${Math.round(held / files)} bytes a name`);
  assert.ok(count > files);
  assert.ok(held < 24 * files + 1_000_000, `${held} bytes`);
});

test(`a tree of ${folders} folders costs nothing that grows`, (t) => {
  let made = 0;
  for (let a = 0; made < folders; a++) {
    for (let b = 0; b < 100 && made < folders; b++, made++) {
      fs.mkdirSync(`${top}/tree/${a}/${b}`, { recursive: true });
    }
  }
  const { count, held } = measure(`${top}/tree`, folders / 5);
  t.diagnostic(`${held} bytes`);
  assert.ok(count > folders);
  assert.ok(held < 2_000_000, `${held} bytes`);
});
