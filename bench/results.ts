/** What was measured: medians, ratios, verdicts, and what a later run replaces. */
import os from "node:os";
import type { Options } from "./options.ts";
import type { Program, ProgramName } from "./programs/program.ts";
import type { Sample } from "./recorder.ts";
import { isSnapshot, type Work, works } from "./works.ts";

/** Where and by which programs. */
export interface Facts {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly programs: readonly string[];
  readonly runs: number;
}

/** What one run of the bench found. */
export interface Results {
  readonly facts: Facts;
  readonly samples: readonly Sample[];
}

export function machineFacts(options: Options, programs: readonly Program[]): Facts {
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: os.cpus()[0]?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    programs: programs.map((program) => program.version),
    runs: options.runs,
  };
}

/**
 * Earlier runs without the works that `newest` measured, and `newest`. Works are replaced as a
 * whole: samples of one work are compared only when the programs took turns.
 */
export function merge(earlier: readonly Results[], newest: Results): Results[] {
  const measured = new Set(newest.samples.map(({ work }) => work));
  const left = earlier.map(({ facts, samples }) => ({
    facts,
    samples: samples.filter(({ work }) => !measured.has(work)),
  }));
  return [...left.filter(({ samples }) => samples.length > 0), newest];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** What one program needs for one work: medians over its runs, in seconds and bytes. */
export interface Figures {
  readonly wall: number;
  readonly cpu: number;
  readonly peak: number;
  /** What the repository holds afterwards. */
  readonly stored: number;
  readonly objects: number;
  readonly added: number;
}

/** `undefined` where `program` did not do `work`. */
export function figures(
  samples: readonly Sample[],
  work: string,
  program: ProgramName,
): Figures | undefined {
  const runs = samples.filter((sample) => sample.work === work && sample.program === program);
  if (runs.length === 0) return undefined;
  const of = (field: Exclude<keyof Sample, "work" | "program">) =>
    median(runs.map((sample) => sample[field]));
  return {
    wall: of("wallSeconds"),
    cpu: of("cpuSeconds"),
    peak: of("peakBytes"),
    stored: of("repositoryBytes"),
    objects: of("repositoryObjects"),
    added: of("addedBytes"),
  };
}

/** The peers that targets are about: each with its defaults. */
export const peerNames = ["restic", "borg"] as const;
/** Those whose compression is varve's: restic's default is. */
export const tunedNames = ["restic", "borg-zstd"] as const;

/** The smallest `field` of any of `programs`; `undefined` where none of them did `work`. */
export function best(
  samples: readonly Sample[],
  work: string,
  field: keyof Figures,
  programs: readonly ProgramName[] = peerNames,
): number | undefined {
  const found = programs.flatMap((program) => figures(samples, work, program)?.[field] ?? []);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** varve's figure divided by the best of `programs`. */
export function ratio(
  samples: readonly Sample[],
  work: string,
  field: keyof Figures,
  programs: readonly ProgramName[] = peerNames,
): number | undefined {
  const ours = figures(samples, work, "varve")?.[field];
  const theirs = best(samples, work, field, programs);
  return ours === undefined || theirs === undefined ? undefined : ours / theirs;
}

/** The last work of a set that was measured of those that store something. */
export function lastStored(samples: readonly Sample[], set: string): Work | undefined {
  return works.findLast(
    (work) =>
      work.set === set && isSnapshot(work) && figures(samples, work.name, "varve") !== undefined,
  );
}
