/** Runs of the whole program, each on a new repository. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Command,
  type Cost,
  folderSize,
  measure,
  run,
  warmData,
  warmNames,
} from "../measure.ts";
import { freshRepository, type Program, repositoryIn } from "../programs/program.ts";
import { writeSecrets } from "../programs/secrets.ts";
import { varve } from "../programs/varve.ts";
import { readProfiles, type ThreadProfile } from "./profile.ts";
import type { StageOptions } from "./stage-options.ts";

export interface RealRun extends Cost {
  readonly repositoryBytes: number;
  /** CPU that all other programs took meanwhile. */
  readonly othersSeconds: number;
}

/** CPU that everybody has taken since the system started; 0 where nobody counts. */
function systemCpuSeconds(): number {
  if (!existsSync("/proc/stat")) return 0;
  const [first = ""] = readFileSync("/proc/stat", "latin1").split("\n");
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = first
    .split(/ +/)
    .slice(1)
    .map(Number);
  // Linux tells them in hundredths, whatever it counts in.
  return (user + nice + system + irq + softIrq + steal) / 100;
}

export class RealRuns {
  readonly program: Program;
  readonly #top: string;
  /** Of its own, for the repository, profiles and logs. */
  readonly #folder: string;

  static async create({ bench }: StageOptions): Promise<RealRuns> {
    const program = varve(bench.varve, await writeSecrets(bench.folder));
    return new RealRuns(program, bench.top, join(bench.folder, "stages"));
  }

  constructor(program: Program, top: string, folder: string) {
    this.program = program;
    this.#top = top;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  get #place(): string {
    return join(this.#folder, "place");
  }

  #measured(path: string, change: (command: Command) => Command): RealRun {
    const { program } = this;
    freshRepository(program, this.#place);
    warm(path);
    run("sync");
    const command = change(program.snapshot(this.#place, path));
    const before = systemCpuSeconds();
    const cost = measure(command, this.#top, join(this.#folder, "log"));
    const othersSeconds = Math.max(0, systemCpuSeconds() - before - cost.cpuSeconds);
    const { bytes: repositoryBytes } = folderSize(repositoryIn(this.#place));
    rmSync(this.#place, { recursive: true });
    return { ...cost, repositoryBytes, othersSeconds };
  }

  snapshot(path: string): RealRun {
    return this.#measured(path, (command) => command);
  }

  /** Of an empty folder: what is left of a snapshot without its stages. */
  empty(): RealRun {
    const path = join(this.#folder, "empty");
    mkdirSync(path, { recursive: true });
    return this.snapshot(path);
  }

  profiled(path: string): ThreadProfile[] {
    const folder = join(this.#folder, "profiles");
    rmSync(folder, { recursive: true, force: true });
    this.#measured(path, ({ argv: [node = "", ...args], ...rest }) => ({
      argv: [node, "--cpu-prof", "--cpu-prof-dir", folder, ...args],
      ...rest,
    }));
    const profiles = readProfiles(folder);
    rmSync(folder, { recursive: true });
    return profiles;
  }

  /** Passes get a folder beside the repository: on the same disk. */
  passPlace(number: number): string {
    return join(this.#folder, `pass-${number}`);
  }
}

/** Before every run and every pass. */
export function warm(path: string): void {
  warmData([path]);
  warmNames([path]);
}
