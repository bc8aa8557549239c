/** A catalog is built, merged and read in memory that does not grow with it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const isLong = process.env["VARVE_TEST_LONG"] === "1";
const job = join(import.meta.dirname, "memory-job.js");
/** Node alone takes about 50 MiB; the heap is held to 48. */
const peakMibMax = 160;

async function measure(folders: number, files: number) {
  const heap = "--max-old-space-size=48";
  const { stdout } = await run(process.execPath, [heap, job, `${folders}`, `${files}`]);
  const figures = JSON.parse(stdout) as Record<string, number>;
  const entries = folders * (files + 1);
  assert.equal(figures["entries"], entries);
  assert.equal(figures["read"], entries);
  const { leaves = 0, leavesReused = 0, peakMib = 0 } = figures;
  assert.ok(leavesReused > leaves * 0.8, "most leaves are taken over");
  assert.ok(peakMib < peakMibMax, `peak memory ${peakMib} MiB`);
  return stdout.trim();
}

const scale = isLong ? 1 : 0.2;

test(`a folder of ${1_000_000 * scale} files`, async (t) => {
  t.diagnostic(await measure(1, 1_000_000 * scale));
});

test(`a tree of ${300_000 * scale} folders`, async (t) => {
  t.diagnostic(await measure(300_000 * scale, 2));
});
