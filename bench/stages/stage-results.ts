/** What a run of the stage benches found, set by set, and how it is kept. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Facts } from "../results.ts";
import type { ThreadProfile } from "./profile.ts";
import type { StageCosts } from "./stage-list.ts";

/** The sets that have a target, in the order of the report. */
export const stageSets = ["tree", "large", "dump"] as const;
export type StageSet = (typeof stageSets)[number];

export interface SetResults {
  readonly set: StageSet;
  readonly facts: Facts;
  readonly files: number;
  readonly entries: number;
  readonly bytes: number;
  readonly chunks: number;
  /** Sealed blobs of a pass. */
  readonly storedBytes: number;
  /** Medians over all passes. */
  readonly costs: StageCosts;
  /** Medians of `varve snapshot`, by turns with the passes. */
  readonly real: {
    readonly wallSeconds: number;
    readonly cpuSeconds: number;
    readonly repositoryBytes: number;
    /** CPU of all other programs meanwhile. */
    readonly othersSeconds: number;
  };
  /** The same of an empty folder: start-up and commit. */
  readonly empty: { readonly wallSeconds: number; readonly cpuSeconds: number };
  /** Of one more run, with the profiler on. */
  readonly profile: readonly ThreadProfile[];
}

const pathIn = (top: string) => join(top, "bench/stages/results.json");

export function readStageResults(top: string): SetResults[] {
  const path = pathIn(top);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as SetResults[]) : [];
}

/** Takes `newest` in, in place of what there was of those sets. */
export function mergeSets(
  earlier: readonly SetResults[],
  newest: readonly SetResults[],
): SetResults[] {
  const all = [...earlier, ...newest];
  return stageSets.flatMap((name) => all.findLast(({ set }) => set === name) ?? []);
}

export function writeStageResults(top: string, all: readonly SetResults[]): void {
  // A list of one text on one line, as the house's formatter has it.
  const text = JSON.stringify(all, null, 2).replace(/\[\s+("[^"]*")\s+\]/g, "[$1]");
  writeFileSync(pathIn(top), `${text}\n`);
}
