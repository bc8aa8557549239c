/** Samples for the tests of the bench's report: made up, so that every figure is known. */
import type { ProgramName } from "../../bench/programs/program.ts";
import type { Sample } from "../../bench/recorder.ts";
import type { Results } from "../../bench/results.ts";

/** A run of `work` by `program` that took `wallSeconds`; all else can be said, or is 1. */
export function sample(
  work: string,
  program: ProgramName,
  wallSeconds: number,
  more: Partial<Sample> = {},
): Sample {
  return {
    work,
    program,
    wallSeconds,
    cpuSeconds: 1,
    peakBytes: 1e6,
    repositoryBytes: 1e6,
    repositoryObjects: 1,
    addedBytes: 1,
    addedObjects: 1,
    ...more,
  };
}

export function resultsOf(date: string, samples: readonly Sample[]): Results {
  const facts = {
    date,
    processor: "a processor",
    cores: 2,
    memoryGiB: 24,
    kernel: "6.1",
    programs: ["restic 0", "varve 0"],
    runs: 3,
  };
  return { facts, samples };
}
