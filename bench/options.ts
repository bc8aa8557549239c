/** What the bench is asked to do, and where it works. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ProgramName, programNames } from "./programs/program.ts";

export const usage = `usage: npm run bench -- [options]
  --quick            small data, one run: does it work at all? (npm run bench:quick)
  --runs N           runs of each work and program, at least 3 to count (default 3; quick 1)
  --only-work NAME   only this work, or all works of this data set (repeatable)
  --only PROGRAM     only restic, borg, borg-zstd or varve (repeatable; quick: without borg-zstd)
  --varve PATH       another varve: its main.js (default dist/src/cli/main.js)
  --cold             drop the system's file caches before each run instead of filling them (root);
                     does not count
  --prepare          make the data sets, and the repositories that works start from; measure nothing
  --report           write the documents again from results.json; measure nothing
  --list             names of the works
Work folder: VARVE_BENCH_DIR, or bench/work. About 45 GB. Data sets are kept there and used again.
restic 0.19.1: RESTIC, or $PEERS/bin/restic-0.19.1, or restic on the PATH.
Borg: BORG, or the newest in $PEERS/bin, or borg2 or borg on the PATH.`;

export interface Options {
  /** The checkout. */
  readonly top: string;
  readonly folder: string;
  readonly quick: boolean;
  readonly cold: boolean;
  readonly prepare: boolean;
  readonly report: boolean;
  readonly runs: number;
  readonly works: readonly string[];
  readonly programs: readonly ProgramName[];
  readonly varve: string;
}

/** What `readOptions` has to know of a work. */
interface NamedWork {
  readonly name: string;
  readonly set: string;
}

function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function read(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      cold: { type: "boolean", default: false },
      prepare: { type: "boolean", default: false },
      report: { type: "boolean", default: false },
      runs: { type: "string" },
      "only-work": { type: "string", multiple: true, default: [] },
      only: { type: "string", multiple: true, default: [] },
      varve: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return values;
}

function wantedWorks(asked: readonly string[], works: readonly NamedWork[]): string[] {
  const fits = (work: NamedWork, name: string) => work.name === name || work.set === name;
  const unknown = asked.find((name) => !works.some((work) => fits(work, name)));
  if (unknown !== undefined) fail(`There is no work ${unknown}.`);
  return works
    .filter((work) => asked.length === 0 || asked.some((name) => fits(work, name)))
    .map((work) => work.name);
}

function wantedPrograms(asked: readonly string[], quick: boolean): ProgramName[] {
  const unknown = asked.find((name) => !(programNames as readonly string[]).includes(name));
  if (unknown !== undefined) fail(`There is no program ${unknown}.`);
  if (asked.length > 0) return programNames.filter((name) => asked.includes(name));
  // Borg's commands take a second each to start, and the tuned one's are the same.
  return programNames.filter((name) => !quick || name !== "borg-zstd");
}

export function readOptions(argv: readonly string[], works: readonly NamedWork[]): Options {
  const top = checkout();
  const values = read(argv);
  if (values.help || values.list) {
    console.log(values.help ? usage : works.map((work) => work.name).join("\n"));
    process.exit(0);
  }
  const runs = Number(values.runs ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(runs) || runs < 1) fail("--runs is a number from 1.");
  const folder = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));
  mkdirSync(join(folder, "data"), { recursive: true });
  mkdirSync(join(folder, "prepared"), { recursive: true });
  return {
    top,
    folder,
    quick: values.quick,
    cold: values.cold,
    prepare: values.prepare,
    report: values.report,
    runs,
    works: wantedWorks(values["only-work"], works),
    programs: wantedPrograms(values.only, values.quick),
    varve: resolve(values.varve ?? join(top, "dist/src/cli/main.js")),
  };
}
