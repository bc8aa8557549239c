/**
 * Runs one command to its end and says what it cost. Output goes to a log file beside the data, so
 * that a failure can be read and printing is not what is measured.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface Command {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where it runs; otherwise where the bench does. */
  readonly cwd?: string;
}

export interface Cost {
  readonly wallSeconds: number;
  /** User and system time, of all threads and children. */
  readonly cpuSeconds: number;
  /** Largest resident set, of the command and all processes that it started. */
  readonly peakBytes: number;
}

function runLogged(helper: string, { argv, env, cwd }: Command, logPath: string): string {
  const log = openSync(logPath, "w");
  try {
    const stdio = ["ignore", log, log, "pipe"] as const;
    const result = spawnSync("python3", [helper, ...argv], {
      stdio: [...stdio],
      env: { ...process.env, ...env },
      cwd,
    });
    if (result.error !== undefined) throw result.error;
    return String(result.output[3] ?? "");
  } finally {
    closeSync(log);
  }
}

/** Measures `command`; throws with the end of its output when it fails. */
export function measure(command: Command, top: string, logPath: string): Cost {
  const line = runLogged(join(top, "bench/measure.py"), command, logPath);
  const cost = JSON.parse(line || '{"status":"it did not start"}') as Cost & { status: unknown };
  if (cost.status !== 0) {
    const tail = readFileSync(logPath, "utf8").split("\n").slice(-12).join("\n");
    throw new Error(`${command.argv.join(" ")}\nended with ${String(cost.status)}:\n${tail}`);
  }
  return cost;
}

/** Standard output of a command that is not measured. */
export function output(command: Command): string {
  const [program = "", ...args] = command.argv;
  const result = spawnSync(program, args, {
    encoding: "utf8",
    env: { ...process.env, ...command.env },
    cwd: command.cwd,
    maxBuffer: 2 ** 28,
  });
  if (result.status !== 0) {
    throw new Error(`${command.argv.join(" ")}\n${result.error ?? result.stderr}`);
  }
  return result.stdout;
}

/** A command line that is not measured. */
export function run(...argv: string[]): void {
  output({ argv, env: {} });
}

/**
 * Brings all files below `paths` into the page cache: this machine's system may have dropped what
 * was read a few seconds ago, and what was read twice it drops later.
 */
export function warmData(paths: readonly string[]): void {
  const script = 'find "$@" -type f -print0 | xargs -0 -r -n 500 -P 2 cat >/dev/null';
  for (let times = 0; times < 2; times++) run("sh", "-c", script, "warm", ...paths);
}

/** Brings the names and attributes of all files below `paths` into memory. */
export function warmNames(paths: readonly string[]): void {
  for (let times = 0; times < 2; times++) {
    run("sh", "-c", 'find "$@" -newermt "2000-01-01" >/dev/null', "warm", ...paths);
  }
}

/** Drops all that the system keeps of files in memory; needs root. */
export function dropCaches(): void {
  run("sh", "-c", "sync; echo 3 >/proc/sys/vm/drop_caches");
}

export interface FolderSize {
  readonly bytes: number;
  readonly objects: number;
}

/** Sum of the sizes of all files below `folder`, and their number. */
export function folderSize(folder: string): FolderSize {
  const sum = { bytes: 0, objects: 0 };
  for (const item of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    sum.bytes += statSync(join(item.parentPath, item.name)).size;
    sum.objects++;
  }
  return sum;
}
