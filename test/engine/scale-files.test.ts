/**
 * Many entries through the program: files in one folder and folders in a tree, snapshotted twice
 * and restored. Short: 50,000 files. Long: 1,000,000 files, and 300,000 folders.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatKeyFile } from "../../src/repo/crypto/kek.ts";
import { removeTree } from "../helpers/file-fixtures.ts";
import { runsLong } from "../helpers/snapshot-runs.ts";
import { makeRepository, testSecret, withFolder } from "../helpers/test-repository.ts";
import { type ProgramPlace, programPeak } from "./program-memory.ts";

/** Of issue 2; the short form is far below. */
const peakBytesMax = runsLong ? 400e6 : 300e6;

async function prepare(work: string): Promise<ProgramPlace> {
  const keyFile = join(work, "key");
  const repo = await makeRepository(work, { packBytes: 16 * 1024 * 1024 });
  await repo.close();
  if (testSecret.kind === "key") writeFileSync(keyFile, formatKeyFile(testSecret.bytes));
  return { work, repository: join(work, "repository"), cache: join(work, "cache"), keyFile };
}

async function measureTree(what: string, make: (tree: string) => void): Promise<void> {
  await withFolder(async (work) => {
    const place = await prepare(work);
    const tree = join(work, "tree");
    const target = join(work, "target");
    mkdirSync(tree);
    make(tree);
    const peaks: Record<string, number> = {};
    peaks["first snapshot"] = programPeak(place, "snapshot", tree);
    peaks["second snapshot"] = programPeak(place, "snapshot", tree);
    peaks["restore"] = programPeak(place, "restore", "latest", "--target", target);
    peaks["check"] = programPeak(place, "check");
    removeTree(tree);
    removeTree(target);
    if (runsLong) console.log(what, peaks);
    for (const [name, peak] of Object.entries(peaks)) {
      assert.ok(peak < peakBytesMax, `${what}, ${name}: ${peak} bytes`);
    }
  });
}

const fileCount = runsLong ? 1_000_000 : 50_000;

test(`${fileCount} files in one folder`, () =>
  measureTree(`${fileCount} files`, (tree) => {
    for (let i = 0; i < fileCount; i++) writeFileSync(`${tree}/f${i}`, `file ${i}\n`);
  }));

if (runsLong) {
  test("300,000 folders", () =>
    measureTree("300,000 folders", (tree) => {
      for (let i = 0; i < 300; i++) {
        for (let j = 0; j < 1000; j += 100) {
          mkdirSync(`${tree}/${i}/${j}`, { recursive: true });
          for (let k = 1; k < 100; k++) mkdirSync(`${tree}/${i}/${j}/${k}`);
        }
      }
    }));
}
