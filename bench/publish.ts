/**
 * Writes what counts: results.json with every single run, RESULTS.md, its plots, and the table of
 * README.md between its marks.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { barChart, memoryChart, repositoryChart, wallChart } from "./plots.ts";
import { factsText, resticConditions, resticTable, resultsDocument } from "./report.ts";
import { merge, type Results } from "./results.ts";

const introduction = `# Results

Made by \`npm run bench\`; [README.md](README.md) says what each work is and how it is measured,
results.json has every single run. Figures are medians. "ratio" is varve's figure divided by the
better of restic's and Borg's with their defaults; "tuned" is the same with Borg's compression at
zstd 3, the higher of varve's levels, measured once (restic's default is there already). CPU: in
brackets, how many cores were busy. Peak: the resident sets of all processes. File caches were warm.

![wall time](plots/wall.svg)

![peak memory](plots/memory.svg)

![repository size](plots/repository.svg)
`;

const resultsPath = (top: string) => join(top, "bench/results.json");

function readResults(top: string): Results[] {
  const path = resultsPath(top);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Results[]) : [];
}

function writeReadme(folder: string, all: readonly Results[]): void {
  const samples = all.flatMap((results) => results.samples);
  const path = join(folder, "README.md");
  const before = readFileSync(path, "utf8");
  const block = `${resticTable(samples)}\n\n${resticConditions(samples)}\n\n${factsText(all)}`;
  const marks = /(<!-- results -->\n)[\s\S]*?(\n<!-- end of results -->)/;
  if (!marks.test(before)) throw new Error("bench/README.md has lost its marks");
  const after = before.replace(
    marks,
    (_, start: string, end: string) => `${start}\n${block}\n${end}`,
  );
  writeFileSync(path, after);
}

/** Writes all documents from results.json. */
export function republish(top: string): void {
  const folder = join(top, "bench");
  const all = readResults(top);
  const samples = all.flatMap((results) => results.samples);
  mkdirSync(join(folder, "plots"), { recursive: true });
  const charts = { wall: wallChart, memory: memoryChart, repository: repositoryChart };
  for (const [name, chart] of Object.entries(charts)) {
    writeFileSync(join(folder, "plots", `${name}.svg`), barChart(chart(samples)));
  }
  const facts = `## Measured\n\n${factsText(all)}\n`;
  const document = `${introduction}\n${resultsDocument(samples)}\n\n${facts}`;
  writeFileSync(join(folder, "RESULTS.md"), document);
  writeReadme(folder, all);
}

/** Takes `newest` into results.json and writes all documents. */
export function publish(top: string, newest: Results): void {
  const all = merge(readResults(top), newest);
  writeFileSync(resultsPath(top), `${JSON.stringify(all, null, 1)}\n`);
  republish(top);
}
