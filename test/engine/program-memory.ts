/** Runs the built program in a process of its own and says how much memory it took. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { LoadCost } from "../../bench/scale/load-step.ts";

/** Wherever this was built to. */
const built = resolve(import.meta.dirname, "../..");

export interface ProgramPlace {
  readonly work: string;
  readonly repository: string;
  readonly cache: string;
  readonly keyFile: string;
}

/** Peak memory in bytes of `varve ARGS`, which must succeed. */
export function programPeak(place: ProgramPlace, ...args: string[]): number {
  const peakFile = join(place.work, "peak");
  const before = ["--import", join(built, "bench/scale/peak-memory.js")];
  const where = ["--repo", place.repository, "--cache-dir", place.cache];
  const options = [...args, ...where, "--password-file", place.keyFile];
  const argv = [...before, join(built, "src/cli/main.js"), ...options];
  const env = { ...process.env, VARVE_PEAK_FILE: peakFile };
  const run = spawnSync(process.execPath, argv, { env, encoding: "utf8" });
  assert.equal(run.status, 0, `varve ${args.join(" ")}\n${run.stdout}\n${run.stderr}`);
  assert.ok(existsSync(peakFile));
  return Number(readFileSync(peakFile, "utf8"));
}

/** The index into whatever the cache holds. */
export function loadCost(place: ProgramPlace): LoadCost {
  const script = join(built, "bench/scale/load-step.js");
  const args = [script, place.repository, place.cache, place.keyFile];
  const run = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as LoadCost;
}
