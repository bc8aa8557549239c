/** The tables of RESULTS.md and README.md, from samples alone: this touches no files. */
import { type ProgramName, programNames } from "./programs/program.ts";
import type { Sample } from "./recorder.ts";
import {
  best,
  type Facts,
  type Figures,
  figures,
  lastStored,
  peerNames,
  type Results,
  ratio,
  tunedNames,
} from "./results.ts";
import { setTitles, type Work, works } from "./works.ts";

/** No run of varve may need more. */
const peakBytesMax = 400e6;

const absent = "–";
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
const verdict = (holds: boolean) => (holds ? "reached" : "**missed**");
const shown = (value: number | undefined) => value?.toFixed(2) ?? absent;

/** A Markdown table as the house's formatter leaves it: columns as wide as their widest cell. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) =>
    Math.max(3, ...[head, ...rows].map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const rule = widths.map((width) => "-".repeat(width));
  return [head, rule, ...rows].map(line).join("\n");
}

function cost(of: Figures | undefined): string {
  if (of === undefined) return absent;
  const busy = (of.cpu / of.wall).toFixed(1);
  return `${of.wall.toFixed(2)} s / ${of.cpu.toFixed(1)} s (${busy}) / ${megabytes(of.peak)}`;
}

function storage(of: Figures | undefined): string {
  if (of === undefined) return absent;
  const sign = of.added < 0 ? "−" : "+";
  const size = Math.abs(of.added);
  const added = size < 1e5 ? `${size} B` : megabytes(size);
  return `${megabytes(of.stored)}, ${of.objects} (${sign}${added})`;
}

/** `ratio` and its target as cells, with the verdict. */
function judged(value: number | undefined, target: number | undefined): string[] {
  if (target === undefined) return [shown(value), absent, ""];
  return [shown(value), `≤ ${target}`, value === undefined ? "" : verdict(value <= target)];
}

const wasDone = (samples: readonly Sample[], work: Work) =>
  samples.some((sample) => sample.work === work.name);

/** One table of costs and one of storage for each data set that has samples. */
function setSection(samples: readonly Sample[], set: string): string[] {
  const done = works.filter((work) => work.set === set && wasDone(samples, work));
  if (done.length === 0) return [];
  const programs = programNames.filter((program) =>
    done.some((work) => figures(samples, work.name, program) !== undefined),
  );
  const costs = done.map((work) => [
    work.title,
    ...programs.map((program) => cost(figures(samples, work.name, program))),
    ...judged(ratio(samples, work.name, "wall"), work.target),
    shown(ratio(samples, work.name, "wall", tunedNames)),
  ]);
  const stored = done.map((work) => [
    work.title,
    ...programs.map((program) => storage(figures(samples, work.name, program))),
    shown(ratio(samples, work.name, "stored")),
    shown(ratio(samples, work.name, "stored", tunedNames)),
  ]);
  return [
    `## ${setTitles[set] ?? set}`,
    table(["wall / CPU / peak", ...programs, "ratio", "target", "", "tuned"], costs),
    table(["stored, objects (change)", ...programs, "ratio", "tuned"], stored),
  ];
}

interface Condition {
  readonly holds: boolean;
  readonly what: string;
}

/** Wall time: one condition for each work that has a target and was done. */
function wallConditions(samples: readonly Sample[]): Condition[] {
  return works.flatMap((work) => {
    const value = ratio(samples, work.name, "wall");
    if (work.target === undefined || value === undefined) return [];
    const what = `${setTitles[work.set]}, ${work.title}: ${shown(value)} (≤ ${work.target})`;
    return [{ holds: value <= work.target, what }];
  });
}

function storedConditions(samples: readonly Sample[]): Condition[] {
  return Object.keys(setTitles).flatMap((set) => {
    const work = lastStored(samples, set);
    if (work === undefined) return [];
    const ours = figures(samples, work.name, "varve")?.stored;
    const theirs = best(samples, work.name, "stored");
    if (ours === undefined || theirs === undefined) return [];
    const what = `repository, ${setTitles[set]}: ${megabytes(ours)}, peers ${megabytes(theirs)}`;
    return [{ holds: ours <= theirs, what }];
  });
}

function peakConditions(samples: readonly Sample[]): Condition[] {
  const million = works.flatMap((work) => {
    const ours = figures(samples, work.name, "varve")?.peak;
    const theirs = best(samples, work.name, "peak");
    if (work.set !== "million" || ours === undefined || theirs === undefined) return [];
    const what = `peak memory, ${setTitles[work.set]}, ${work.title}: ${megabytes(ours)}, peers`;
    return [{ holds: ours <= theirs, what: `${what} ${megabytes(theirs)}` }];
  });
  const peaks = works.flatMap((work) => {
    const peak = figures(samples, work.name, "varve")?.peak;
    return peak === undefined ? [] : [{ peak, work }];
  });
  const highest = peaks.sort((a, b) => b.peak - a.peak).at(0);
  if (highest === undefined) return million;
  const { peak, work } = highest;
  const where = `${setTitles[work.set]}, ${work.title}`;
  const what = `peak memory, all works: ${megabytes(peak)} (≤ 400 MB), ${where}`;
  return [...million, { holds: peak <= peakBytesMax, what }];
}

export function targetConditions(samples: readonly Sample[]): Condition[] {
  return [...wallConditions(samples), ...storedConditions(samples), ...peakConditions(samples)];
}

const conditionLine = ({ holds, what }: Condition) => `- ${verdict(holds)}: ${what}`;

/** Says of which works a peer is missing, so that nobody takes one peer for the better of two. */
function absentPeers(samples: readonly Sample[]): string[] {
  return peerNames.flatMap((peer) => {
    const missing = works.filter(
      (work) => wasDone(samples, work) && figures(samples, work.name, peer) === undefined,
    );
    const names = missing.map((work) => work.name).join(", ");
    return missing.length === 0 ? [] : [`Without ${peer}: ${names}.`];
  });
}

/** The body of RESULTS.md: which targets are missed, then everything, set by set. */
export function resultsDocument(samples: readonly Sample[]): string {
  const all = targetConditions(samples);
  const missed = all.filter(({ holds }) => !holds);
  const sections = Object.keys(setTitles).flatMap((set) => setSection(samples, set));
  return [
    `${all.length - missed.length} of ${all.length} targets are reached.`,
    ...absentPeers(samples),
    ...(missed.length === 0 ? [] : [missed.map(conditionLine).join("\n")]),
    ...sections,
    "## All targets",
    all.map(conditionLine).join("\n"),
  ].join("\n\n");
}

/** On which machine, when, and with which versions; a line for each run that still counts. */
export function factsText(all: readonly Results[]): string {
  return all.map(({ facts, samples }) => factsLine(facts, samples)).join("\n");
}

function factsLine(facts: Facts, samples: readonly Sample[]): string {
  const names = [...new Set(samples.map(({ work }) => work))].join(", ");
  const { date, processor, cores, memoryGiB, kernel, runs } = facts;
  return (
    `- ${date}: ${processor}, ${cores} cores, ${memoryGiB} GiB, kernel ${kernel}; ` +
    `${facts.programs.join("; ")}; ${runs} runs of each of: ${names}`
  );
}

/** The table of README.md: restic alone, against the targets that were set for it. */
export function resticTable(samples: readonly Sample[]): string {
  const of = (work: string, program: ProgramName) => figures(samples, work, program);
  const rows = works.flatMap((work) => {
    const { name, title, resticTarget } = work;
    if (resticTarget === undefined || !wasDone(samples, work)) return [];
    return [
      [
        title,
        cost(of(name, "restic")),
        cost(of(name, "varve")),
        ...judged(ratio(samples, name, "wall", ["restic"]), resticTarget),
        storage(of(name, "restic")),
        storage(of(name, "varve")),
      ],
    ];
  });
  const first = "restic: wall / CPU (CPU per wall) / peak";
  const storedHead = ["restic: stored, objects (change)", "varve: the same"];
  return table(["work", first, "varve: the same", "ratio", "target", "", ...storedHead], rows);
}

/** The other conditions of the targets against restic. */
export function resticConditions(samples: readonly Sample[]): string {
  const first = figures(samples, "tree-first", "varve");
  const again = figures(samples, "tree-again", "varve");
  const large = figures(samples, "large-first", "varve");
  const theirs = figures(samples, "tree-first", "restic");
  const found: Condition[] = [];
  if (first !== undefined && theirs !== undefined) {
    const sizes = `${megabytes(first.stored)}, ${megabytes(theirs.stored)}`;
    const holds = first.stored <= theirs.stored;
    found.push({ holds, what: `repository not above restic's: ${sizes}` });
  }
  if (first !== undefined) {
    const what = `peak memory at most 400 MB: ${megabytes(first.peak)}`;
    found.push({ holds: first.peak <= peakBytesMax, what });
  }
  if (again !== undefined) {
    const what = `nothing changed stores less than 10 kB: ${again.added} B`;
    found.push({ holds: again.added < 10_000, what });
  }
  if (large !== undefined) {
    const busy = large.cpu / large.wall;
    const what = `both cores busy with one file: ${busy.toFixed(2)} CPU seconds a second`;
    found.push({ holds: busy >= 1.7, what });
  }
  return found.map(conditionLine).join("\n");
}
