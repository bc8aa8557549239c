/** Options that every command takes, from the command line first and then from the environment. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { parseCount } from "./size-parse.ts";
import { defaultCacheDir, type Environment } from "./xdg.ts";

/** As commander gives them. */
export interface GlobalFlags {
  readonly repo?: string;
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
  readonly cacheDir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** From --no-progress. */
  readonly progress?: boolean;
  readonly threads?: number;
}

export interface GlobalOptions {
  /** Undefined: the default repository. */
  readonly repo: string | undefined;
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
  readonly cacheDir: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly progress: boolean;
  /** Undefined: as many as there are processors. */
  readonly threads: number | undefined;
}

export const threadsMax = 64;

export function addGlobalOptions(program: Command): void {
  program
    .option("-r, --repo <location>", "repository: a folder or URL (VARVE_REPO)")
    .option("-p, --password-file <file>", "file with the password or key (VARVE_PASSWORD_FILE)")
    .option(
      "--password-command <command>",
      "command that prints the password (VARVE_PASSWORD_COMMAND)",
    )
    .option("--cache-dir <folder>", "folder of the local cache (VARVE_CACHE_DIR)")
    .option("--json", "print JSON; see docs/json.md")
    .option("-q, --quiet", "print only warnings and errors")
    .option("-v, --verbose", "print more")
    .option("--no-progress", "draw no progress line")
    .option("--threads <n>", "worker threads (VARVE_THREADS; default: one a processor)", (text) =>
      parseCount(text, 1, threadsMax),
    );
}

export function resolveGlobals(flags: GlobalFlags, env: Environment): GlobalOptions {
  const threadsText = env["VARVE_THREADS"];
  return {
    repo: flags.repo ?? (env["VARVE_REPO"] || undefined),
    ...(flags.passwordFile === undefined ? {} : { passwordFile: flags.passwordFile }),
    ...(flags.passwordCommand === undefined ? {} : { passwordCommand: flags.passwordCommand }),
    cacheDir: resolve(flags.cacheDir ?? (env["VARVE_CACHE_DIR"] || defaultCacheDir(env))),
    json: flags.json === true,
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
    progress: flags.progress !== false,
    threads: flags.threads ?? (threadsText ? parseCount(threadsText, 1, threadsMax) : undefined),
  };
}
