/** What the stage benches are asked to do. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Options } from "../options.ts";
import { type StageSet, stageSets } from "./stage-results.ts";

const usage = `usage: npm run bench:stages -- [options]
  --only SET        only tree, large or dump (repeatable)
  --data SET=PATH   this file or folder in place of the bench's data set (repeatable)
  --runs N          rounds, at least 3 to count (default 3; quick 1)
  --quick           small data, one round: does it work at all?
  --no-profile      no run with the profiler on
  --varve PATH      another varve: its main.js (default dist/src/cli/main.js)
  --report          write STAGES.md again from results.json; measure nothing
Work folder: VARVE_BENCH_DIR, or bench/work. About 10 GB. Data sets are kept there and used again.`;

export interface StageOptions {
  /** As the other benches have them; for the data sets. */
  readonly bench: Options;
  readonly sets: readonly StageSet[];
  readonly given: ReadonlyMap<StageSet, string>;
  readonly profile: boolean;
}

/** The folder with package.json above the built file. */
export function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function setNamed(name: string): StageSet {
  const found = stageSets.find((set) => set === name);
  return found ?? fail(`There is no set ${name}.`);
}

function givenData(texts: readonly string[]): Map<StageSet, string> {
  return new Map(
    texts.map((text) => {
      const at = text.indexOf("=");
      const path = resolve(text.slice(at + 1));
      if (at < 0 || !existsSync(path)) fail(`--data ${text}: there is no such file.`);
      return [setNamed(text.slice(0, at)), path];
    }),
  );
}

function read(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: "string", multiple: true, default: [] },
      data: { type: "string", multiple: true, default: [] },
      runs: { type: "string" },
      quick: { type: "boolean", default: false },
      "no-profile": { type: "boolean", default: false },
      varve: { type: "string" },
      report: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return values;
}

export function readStageOptions(argv: readonly string[]): StageOptions {
  const values = read(argv);
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const top = checkout();
  const { quick, report } = values;
  const runs = Number(values.runs ?? (quick ? 1 : 3));
  if (!Number.isInteger(runs) || runs < 1) fail("--runs is a number from 1.");
  const folder = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));
  mkdirSync(join(folder, "data"), { recursive: true });
  const varve = resolve(values.varve ?? join(top, "dist/src/cli/main.js"));
  const unused = { cold: false, prepare: false, works: [], programs: ["varve"] } as const;
  return {
    bench: { ...unused, top, folder, quick, report, runs, varve },
    sets: values.only.length === 0 ? stageSets : values.only.map(setNamed),
    given: givenData(values.data),
    profile: !values["no-profile"],
  };
}
