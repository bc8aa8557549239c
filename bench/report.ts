/** Medians, ratios and the table of bench/README.md. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import type { Options } from "./options.ts";
import { type Sample, works } from "./works.ts";

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

type Figure = Exclude<keyof Sample, "work" | "program">;

/** What one program needs for one work: medians over its runs. */
function figures(samples: readonly Sample[], work: string, program: string) {
  const runs = samples.filter((sample) => sample.work === work && sample.program === program);
  const of = (field: Figure) => median(runs.map((sample) => sample[field]));
  return {
    runs: runs.length,
    wall: of("wallSeconds"),
    cpu: of("cpuSeconds"),
    peak: of("peakBytes"),
    stored: of("repositoryBytes"),
    objects: of("repositoryObjects"),
    added: of("addedBytes"),
  };
}

type Figures = ReturnType<typeof figures>;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;

function cells(of: Figures): string {
  if (of.runs === 0) return "–";
  const busy = (of.cpu / of.wall).toFixed(1);
  return `${of.wall.toFixed(2)} s / ${of.cpu.toFixed(1)} s (${busy}) / ${megabytes(of.peak)}`;
}

function storage(of: Figures): string {
  if (of.runs === 0) return "–";
  const sign = of.added < 0 ? "−" : "+";
  const added =
    Math.abs(of.added) < 1e5 ? `${Math.abs(of.added)} B` : megabytes(Math.abs(of.added));
  return `${megabytes(of.stored)}, ${of.objects} (${sign}${added})`;
}

/** The table, one line a work. */
export function table(samples: readonly Sample[]): string {
  const head = [
    "| work | restic: wall / CPU (CPU per wall) / peak | varve: the same | ratio | target | |" +
      " restic: stored, objects (change) | varve: the same |",
    "|---|---|---|---|---|---|---|---|",
  ];
  const rows = works.flatMap(({ name, title, target }) => {
    const theirs = figures(samples, name, "restic");
    const ours = figures(samples, name, "varve");
    if (theirs.runs + ours.runs === 0) return [];
    const ratio = ours.wall / theirs.wall;
    const verdict = Number.isNaN(ratio) ? "" : ratio <= target ? "reached" : "**missed**";
    const shown = Number.isNaN(ratio) ? "–" : ratio.toFixed(2);
    return [
      `| ${title} | ${cells(theirs)} | ${cells(ours)} | ${shown} | ≤ ${target} | ${verdict} |` +
        ` ${storage(theirs)} | ${storage(ours)} |`,
    ];
  });
  return [...head, ...rows].join("\n");
}

/** The other conditions of the targets, each true or false. */
export function conditions(samples: readonly Sample[]): string {
  const first = figures(samples, "tree-first", "varve");
  const again = figures(samples, "tree-again", "varve");
  const large = figures(samples, "large-first", "varve");
  const theirs = figures(samples, "tree-first", "restic");
  const busy = large.cpu / large.wall;
  const row = (holds: boolean, what: string) => `* ${holds ? "reached" : "**missed**"}: ${what}`;
  const lines = [
    row(
      first.stored <= theirs.stored,
      `repository not above restic's: ${megabytes(first.stored)}, ${megabytes(theirs.stored)}`,
    ),
    row(first.peak <= 400e6, `peak memory at most 400 MB: ${megabytes(first.peak)}`),
    row(again.added < 10_000, `nothing changed stores less than 10 kB: ${again.added} B`),
    row(busy >= 1.7, `both cores busy with one file: ${busy.toFixed(2)} CPU seconds a second`),
  ];
  return lines.filter((line) => !line.includes("NaN")).join("\n");
}

/** What was measured where. */
export function machine(options: Options, versions: readonly string[]): Record<string, unknown> {
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: os.cpus()[0]?.model,
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    node: process.version,
    programs: versions,
    runs: options.runs,
  };
}

/** The samples of before for works that were not measured now. */
function olderSamples(path: string, samples: readonly Sample[]): Sample[] {
  if (!existsSync(path)) return [];
  const { samples: older } = JSON.parse(readFileSync(path, "utf8")) as { samples: Sample[] };
  const measured = new Set(samples.map(({ work }) => work));
  return older.filter(({ work }) => !measured.has(work));
}

/** Writes results.json, and the table between its marks in README.md. */
export function publish(
  options: Options,
  facts: Record<string, unknown>,
  measured: readonly Sample[],
): void {
  const folder = join(options.top, "bench");
  const results = join(folder, "results.json");
  const samples = [...olderSamples(results, measured), ...measured];
  writeFileSync(results, `${JSON.stringify({ facts, samples }, null, 1)}\n`);
  const about = Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`);
  const block = `${table(samples)}\n\n${conditions(samples)}\n\nMeasured: ${about.join("; ")}.`;
  const path = join(folder, "README.md");
  const text = readFileSync(path, "utf8");
  const marks = /(<!-- results -->\n)[\s\S]*?(\n<!-- end of results -->)/;
  if (!marks.test(text)) throw new Error("bench/README.md has lost its marks");
  writeFileSync(
    path,
    text.replace(marks, (_, start: string, end: string) => `${start}\n${block}\n${end}`),
  );
}
