/**
 * Measures the stages over each data set, and the whole program by turns with them, and writes
 * STAGES.md. `--help` says how; bench/README.md says what it means.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dataSet } from "../data-sets/data-sets.ts";
import { run } from "../measure.ts";
import { machineFacts } from "../results.ts";
import { median, medianCosts } from "./bound.ts";
import type { PassResult } from "./pass.ts";
import { type RealRun, RealRuns, warm } from "./real-run.ts";
import { readStageOptions, type StageOptions } from "./stage-options.ts";
import { stagesDocument } from "./stage-report.ts";
import {
  mergeSets,
  readStageResults,
  type SetResults,
  type StageSet,
  writeStageResults,
} from "./stage-results.ts";

const options = readStageOptions(process.argv.slice(2));
const { bench } = options;

async function passIn(path: string, place: string, cores: number): Promise<PassResult> {
  const module = new URL("./pass-process.js", import.meta.url);
  const child = fork(module, [path, place, String(cores)]);
  const results: PassResult[] = [];
  child.on("message", (message) => results.push(message as PassResult));
  const [code] = (await once(child, "exit")) as [number | null];
  const [result] = results;
  if (code !== 0 || result === undefined) throw new Error(`a pass ended with ${code}`);
  return result;
}

/**
 * A pass on every core, at once: the stages cost here what they cost in the program, where all
 * cores share the last cache, the memory and the kernel's locks.
 */
async function passes(path: string, runs: RealRuns, cores: number): Promise<PassResult[]> {
  warm(path);
  run("sync");
  const all = Array.from({ length: cores }, (_, at) => passIn(path, runs.passPlace(at), cores));
  return Promise.all(all);
}

function medians(runs: readonly RealRun[]): RealRun {
  const of = (field: keyof RealRun) => median(runs.map((each) => each[field]));
  return {
    wallSeconds: of("wallSeconds"),
    cpuSeconds: of("cpuSeconds"),
    peakBytes: of("peakBytes"),
    repositoryBytes: of("repositoryBytes"),
    othersSeconds: of("othersSeconds"),
  };
}

function sourceOf(set: StageSet, { given }: StageOptions): string {
  return given.get(set) ?? dataSet(bench, set).path;
}

async function measureSet(set: StageSet, runs: RealRuns): Promise<SetResults> {
  const path = sourceOf(set, options);
  const facts = machineFacts(bench, [runs.program]);
  const [found, real, empty]: [PassResult[], RealRun[], RealRun[]] = [[], [], []];
  for (let round = 1; round <= bench.runs; round++) {
    console.log(`${set}: round ${round} of ${bench.runs}`);
    found.push(...(await passes(path, runs, facts.cores)));
    real.push(runs.snapshot(path));
    empty.push(runs.empty());
  }
  const [first] = found;
  if (first === undefined) throw new Error("no pass was made");
  const { costs: _, ...counts } = first;
  const [{ peakBytes: _peak, ...realCost }, emptyCost] = [medians(real), medians(empty)];
  return {
    set,
    facts,
    ...counts,
    costs: medianCosts(found.map(({ costs }) => costs)),
    real: realCost,
    empty: { wallSeconds: emptyCost.wallSeconds, cpuSeconds: emptyCost.cpuSeconds },
    profile: options.profile ? runs.profiled(path) : [],
  };
}

const documentPath = join(bench.top, "bench/STAGES.md");

if (bench.report) writeFileSync(documentPath, stagesDocument(readStageResults(bench.top)));
else {
  const runs = await RealRuns.create(options);
  const newest: SetResults[] = [];
  for (const set of options.sets) newest.push(await measureSet(set, runs));
  console.log(`\n${stagesDocument(newest)}`);
  if (bench.quick || bench.runs < 3) console.log("This does not count: STAGES.md stays as it is.");
  else {
    const all = mergeSets(readStageResults(bench.top), newest);
    writeStageResults(bench.top, all);
    writeFileSync(documentPath, stagesDocument(all));
  }
}
