/** STAGES.md from results: this touches no files. */
import { setTitles } from "../works.ts";
import { type Bound, boundOf, type Pipeline, pipelineOf } from "./bound.ts";
import type { ThreadProfile } from "./profile.ts";
import { stages } from "./stage-list.ts";
import type { SetResults, StageSet } from "./stage-results.ts";

/** Shares of the bound's speed that the pipeline is to reach. */
export const shareTargets: Readonly<Record<StageSet, number>> = {
  tree: 0.7,
  large: 0.8,
  dump: 0.8,
};

/** Where other programs take more of the cores, wall times are not the pipeline's. */
const othersShareMax = 0.1;

const introduction = `# Stages, and how close the pipeline comes to their sum

Made by \`npm run bench:stages\`; [README.md](README.md#stages-and-their-bound) says how it is
measured. Figures are medians of CPU time, user and system.

The **bound** of a first snapshot is the larger of two: the CPU of all its stages divided by the
cores, and the most expensive stage that one thread does alone. It has no part for start-up, for
messages between threads, for waiting on the disk or for the commit.`;

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
const seconds = (value: number) => `${value.toFixed(2)} s`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

/** A Markdown table as the house's formatter leaves it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) =>
    Math.max(3, ...[head, ...rows].map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [head, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("\n");
}

function costCells(cost: number, { bytes, files }: SetResults): string[] {
  return [seconds(cost), ((cost / bytes) * 1e9).toFixed(3), ((cost / files) * 1e6).toFixed(1)];
}

function stageTable(of: SetResults, bound: Bound): string {
  const done = stages.filter(({ name }) => of.costs[name] !== undefined);
  const rows = done.map(({ name, title, thread, isSnapshot }) => {
    const cost = of.costs[name] ?? 0;
    const share = isSnapshot ? percent(cost / bound.cpuSeconds) : "–";
    return [title, thread, ...costCells(cost, of), share];
  });
  const sum = ["all of a snapshot", "", ...costCells(bound.cpuSeconds, of), percent(1)];
  return table(["stage", "thread", "CPU", "ns a byte", "µs a file", "share"], [...rows, sum]);
}

/** What part of the time between bound and wall is whose. */
function shortfall({ work, busy }: Pipeline, { empty, real }: SetResults): string {
  return (
    `- of the program's CPU time, ${seconds(real.cpuSeconds)}, the stages are ${percent(work)}; ` +
    `of the cores' time it took ${percent(busy)}; start-up and commit (\`snapshot\` of an empty ` +
    `folder) take ${seconds(empty.wallSeconds)}, ${seconds(empty.cpuSeconds)} of CPU`
  );
}

function verdictLines(of: SetResults, bound: Bound): string {
  const { cores } = of.facts;
  const pipeline = pipelineOf(bound, of.real, cores);
  const target = shareTargets[of.set];
  const others = of.real.othersSeconds / (of.real.wallSeconds * cores);
  const judged = pipeline.share >= target ? "reached" : "**missed**";
  const verdict =
    others <= othersShareMax
      ? judged
      : `not judged, as other programs took ${percent(others)} of the cores' time`;
  const { stage, seconds: alone } = bound.sequential;
  return [
    `- bound: ${seconds(bound.seconds)}, of ${seconds(bound.dividedSeconds)} ` +
      `(${seconds(bound.cpuSeconds)} of CPU on ${cores} cores) and ${seconds(alone)} ` +
      `(${stage}, in one thread)`,
    `- \`varve snapshot\`: ${seconds(of.real.wallSeconds)}, **${percent(pipeline.share)}** of ` +
      `the bound's speed; target ${percent(target)}: ${verdict}`,
    shortfall(pipeline, of),
    `- stored: ${megabytes(of.storedBytes)} of blobs in a pass, a repository of ` +
      `${megabytes(of.real.repositoryBytes)} in the program's run`,
  ].join("\n");
}

function profileTable(profile: readonly ThreadProfile[]): string {
  const rows = profile.map(({ thread, seconds: all, busySeconds, collectorSeconds, functions }) => [
    thread,
    percent(busySeconds / all),
    percent(collectorSeconds / all),
    functions.map(({ name, seconds: own }) => `${name} ${percent(own / all)}`).join(", "),
  ]);
  return table(["thread", "busy", "collector", "functions, own time"], rows);
}

function section(of: SetResults): string[] {
  const bound = boundOf(of.costs, of.facts.cores);
  const { files, entries, bytes, chunks } = of;
  return [
    `## ${setTitles[of.set] ?? of.set}`,
    `${files} files, ${entries} entries, ${megabytes(bytes)}, ${chunks} chunks.`,
    verdictLines(of, bound),
    stageTable(of, bound),
    ...(of.profile.length === 0
      ? []
      : [
          "One run with the profiler on, as shares of each thread's time:",
          profileTable(of.profile),
        ]),
  ];
}

function factsLine({ set, facts }: SetResults): string {
  const { date, processor, cores, memoryGiB, kernel, programs, runs } = facts;
  return (
    `- ${set}, ${date}: ${processor}, ${cores} cores, ${memoryGiB} GiB, kernel ${kernel}; ` +
    `${programs.join("; ")}; ${runs} rounds`
  );
}

/** The whole document, ending with a line break. */
export function stagesDocument(all: readonly SetResults[]): string {
  const facts = ["## Measured", all.map(factsLine).join("\n")];
  return `${[introduction, ...all.flatMap(section), ...facts].join("\n\n")}\n`;
}
