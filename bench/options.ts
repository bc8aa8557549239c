/** What the bench is asked to do, and where it works. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

export const usage = `usage: npm run bench -- [options]
  --quick            small data, one run: does it work at all? (npm run bench:quick)
  --runs N           runs of each work and program, at least 3 to count (default 3; quick 1)
  --only-work NAME   only this work; may be repeated
  --only PROGRAM     varve or restic alone
  --varve PATH       another varve: its main.js (default dist/src/cli/main.js)
  --tree PATH        another file tree, for works that do not change it
  --list             names of the works
Work folder: VARVE_BENCH_DIR, or bench/work. About 25 GB. Data sets are kept there and used again.
restic 0.19.1: RESTIC, or $PEERS/bin/restic-0.19.1, or restic on the PATH.`;

export const programNames = ["restic", "varve"] as const;
export type ProgramName = (typeof programNames)[number];

export interface Options {
  /** The checkout. */
  readonly top: string;
  readonly folder: string;
  readonly quick: boolean;
  readonly runs: number;
  readonly works: readonly string[];
  readonly programs: readonly ProgramName[];
  readonly varve: string;
  readonly tree: string | undefined;
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

export function readOptions(argv: readonly string[], workNames: readonly string[]): Options {
  const top = checkout();
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      runs: { type: "string" },
      "only-work": { type: "string", multiple: true, default: [] },
      only: { type: "string" },
      varve: { type: "string" },
      tree: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || values.list) {
    console.log(values.help ? usage : workNames.join("\n"));
    process.exit(0);
  }
  const unknown = values["only-work"].find((name) => !workNames.includes(name));
  if (unknown !== undefined) fail(`There is no work ${unknown}.`);
  const only = programNames.filter((name) => values.only === undefined || values.only === name);
  if (only.length === 0) fail(`There is no program ${values.only}.`);
  const runs = Number(values.runs ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(runs) || runs < 1) fail("--runs is a number from 1.");
  const folder = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));
  mkdirSync(join(folder, "data"), { recursive: true });
  return {
    top,
    folder,
    quick: values.quick,
    runs,
    works: values["only-work"].length > 0 ? values["only-work"] : workNames,
    programs: only,
    varve: resolve(values.varve ?? join(top, "dist/src/cli/main.js")),
    tree: values.tree === undefined ? undefined : resolve(values.tree),
  };
}
