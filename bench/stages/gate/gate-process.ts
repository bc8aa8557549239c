/**
 * A process that measures all stages of the gate beside their calibrations, by turns, and sends its
 * parent the ratios. Several processes are asked: where code and data of one happen to lie makes
 * some stages a few percent slower or faster for all its life.
 * usage: node --expose-gc gate-process.js PLACE ROUNDS [STAGE…]
 */
import { mkdirSync, rmSync } from "node:fs";
import { type Ratios, type Sample, stageRatio } from "./compare.ts";
import { trialList } from "./trial-list.ts";

/** Rounds that are not counted: the code is being compiled. */
const warmRounds = 4;

/** What others left to be collected is not charged to who comes next. */
function collectYoung(): void {
  const collect = globalThis.gc as ((options: object) => void) | undefined;
  collect?.({ type: "minor", execution: "sync" });
}

function cpuMicros(work: () => unknown): number {
  collectYoung();
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function measureAll(place: string, rounds: number, only: readonly string[]): Promise<Ratios> {
  mkdirSync(place, { recursive: true });
  const { trials: all, against, close } = await trialList(place);
  const trials = all.filter(({ name }) => only.length === 0 || only.includes(name));
  const samples = new Map<string, Sample[]>(trials.map(({ name }) => [name, []]));
  for (let round = 0; round < warmRounds + rounds; round++) {
    for (const { name, calibration, run } of trials) {
      const sample = { calibration: cpuMicros(against[calibration]), stage: cpuMicros(run) };
      if (round >= warmRounds) samples.get(name)?.push(sample);
    }
  }
  await close();
  return Object.fromEntries([...samples].map(([name, of]) => [name, stageRatio(of)]));
}

const [place = "", rounds = "10", ...only] = process.argv.slice(2);
try {
  const ratios = await measureAll(place, Number(rounds), only);
  process.send?.(ratios);
} finally {
  rmSync(place, { recursive: true, force: true });
}
