/**
 * One run of a bench of scale: a work folder with a repository and a cache, and a table of what
 * each command of the program cost there, all in all and for each of the very many things. Costs
 * are kept in the work folder, so that a later run of another size can be held against them.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Cost, measure } from "../measure.ts";

/** Of issue 3: no command may need more, whatever it has to do with. */
const peakBytesMax = 500e6;

const built = resolve(import.meta.dirname, "../..");
const top = findUp("package.json");

/** The folder above this file that holds `name`. */
function findUp(name: string): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, name))) folder = dirname(folder);
  return folder;
}

export class ScaleRun {
  readonly folder: string;
  readonly repository: string;
  readonly cache: string;
  readonly keyFile: string;
  readonly #kind: string;
  readonly #count: number;
  readonly #costs: Record<string, Cost> = {};

  /** `kind` names what there are `count` of: it is part of the work folder's name. */
  constructor(kind: string, count: number) {
    this.#kind = kind;
    this.#count = count;
    this.folder = folderOf(kind, count);
    this.repository = join(this.folder, "repository");
    this.cache = join(this.folder, "cache");
    this.keyFile = join(this.folder, "key");
    mkdirSync(this.folder, { recursive: true });
    console.log(`${count} ${kind}; µs of CPU for each, and by how much more than at a tenth`);
  }

  /** Whether an earlier run was through with this step. */
  isDone(step: string): boolean {
    return existsSync(join(this.folder, `${step}.done`));
  }

  setDone(step: string): void {
    writeFileSync(join(this.folder, `${step}.done`), "");
  }

  /** Runs a step unless an earlier run was through with it. */
  async once(step: string, work: () => void | Promise<void>): Promise<void> {
    if (this.isDone(step)) return;
    await work();
    this.setDone(step);
  }

  /** A file in the work folder, or a folder that is empty. */
  path(name: string): string {
    return join(this.folder, name);
  }

  emptyPath(name: string): string {
    rmSync(this.path(name), { recursive: true, force: true });
    return this.path(name);
  }

  /** Runs the program and prints what it cost; `each`: of how many things that is the cost. */
  program(what: string, each: number, ...args: string[]): void {
    const program = [process.execPath, join(built, "src/cli/main.js"), ...args];
    const place = ["--repo", this.repository, "--cache-dir", this.cache];
    this.#measure(what, each, [...program, ...place, "--password-file", this.keyFile]);
  }

  /** The same with one of our own scripts, which is given repository, cache and key file. */
  script(what: string, each: number, name: string): void {
    const script = [process.execPath, join(built, "bench/scale", name)];
    this.#measure(what, each, [...script, this.repository, this.cache, this.keyFile]);
  }

  #measure(what: string, each: number, argv: string[]): void {
    const cost = measure({ argv, env: {} }, top, this.path("log"));
    this.#costs[what] = cost;
    const name = `costs-${new Date().toISOString().slice(0, 10)}.json`;
    writeFileSync(this.path(name), JSON.stringify(this.#costs));
    writeFileSync(this.path("costs.json"), JSON.stringify({ ...this.#before(), ...this.#costs }));
    this.#say(what, each, cost);
  }

  #before(): Record<string, Cost> {
    return readCosts(this.folder);
  }

  #say(what: string, each: number, cost: Cost): void {
    const tenth = readCosts(folderOf(this.#kind, this.#count / 10))[what];
    const isShared = each === this.#count;
    const ratio = tenth && cost.cpuSeconds / tenth.cpuSeconds / (isShared ? 10 : 1);
    const columns = [
      what.padEnd(34),
      `${cost.wallSeconds.toFixed(1)} s`.padStart(9),
      `${cost.cpuSeconds.toFixed(1)} s CPU`.padStart(12),
      `${Math.round(cost.peakBytes / 1e6)} MB`.padStart(7),
      isShared ? `${((cost.cpuSeconds / each) * 1e6).toFixed(1)} µs`.padStart(9) : "".padStart(9),
      ratio === undefined ? "" : `× ${ratio.toFixed(2)}`,
    ];
    console.log(columns.join(" "));
    if (cost.peakBytes <= peakBytesMax) return;
    console.log(`  above ${peakBytesMax / 1e6} MB`);
    process.exitCode = 1;
  }
}

function folderOf(kind: string, count: number): string {
  const bench = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));
  return join(bench, `scale-${kind}-${count}`);
}

function readCosts(folder: string): Record<string, Cost> {
  const file = join(folder, "costs.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, Cost>) : {};
}
