/**
 * Runs the built program as a user would: in a process of its own, with a home of its own,
 * without a
 * terminal, from a folder that has nothing to do with it.
 *
 * Every secret that a home knows is looked for in all that its runs print.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { removeTree } from "./file-fixtures.ts";

/** The program beside the compiled tests. */
export const program = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export const isLong = process.env["VARVE_TEST_LONG"] === "1";

/** The user "nobody", whom every Linux has. */
export const nobody = 65_534;

export type Json = Readonly<Record<string, unknown>>;

export interface Run {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly bytes: Buffer;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly uid?: number;
  /** Another program, such as a copy that others may read. */
  readonly program?: string;
  /** What runs node with the program, such as `prlimit`. */
  readonly before?: readonly string[];
}

export interface Started {
  readonly child: ChildProcess;
  readonly done: Promise<Run>;
}

export interface RunError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

export class E2eHome {
  /** Everything lies in it: the user's folders, and what the test makes. */
  readonly folder: string;
  /** Set for all runs, besides what a user's session has. */
  readonly env: Record<string, string> = {};
  readonly secrets: string[] = [];
  readonly uid: number | undefined;
  /** Codes of failures whose text for people was looked at. */
  readonly #seen = new Set<string>();

  constructor(uid?: number) {
    this.uid = uid;
    this.folder = mkdtempSync(join(tmpdir(), "varve-e2e-"));
    mkdirSync(this.path("elsewhere"));
    if (uid === undefined) return;
    for (const path of [this.folder, this.path("elsewhere")]) chownSync(path, uid, uid);
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  remove(): void {
    removeTree(this.folder);
  }

  /** A repository at `name` with a new key file, which all further runs use. */
  async makeRepository(name = "repository", options: readonly string[] = []): Promise<string> {
    const repository = this.path(name);
    const keyFile = this.path(`${name}.key`);
    await this.ok(["--repo", repository, "init", "--new-key-file", keyFile, ...options]);
    this.env["VARVE_REPO"] = repository;
    this.env["VARVE_PASSWORD_FILE"] = keyFile;
    this.secrets.push(keyOf(keyFile));
    return repository;
  }

  start(args: readonly string[], options: RunOptions = {}): Started {
    const uid = options.uid ?? this.uid;
    const [command = "", ...rest] = [
      ...(options.before ?? []),
      process.execPath,
      options.program ?? program,
      ...args,
    ];
    const child = spawn(command, rest, {
      cwd: options.cwd ?? this.path("elsewhere"),
      env: { ...this.session(), ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    return { child, done: this.#ended(child, args) };
  }

  /** The environment of all runs. */
  session(): Record<string, string> {
    return {
      HOME: this.folder,
      PATH: process.env["PATH"] ?? "",
      LANG: "C.UTF-8",
      TZ: "UTC",
      XDG_CACHE_HOME: this.path("cache"),
      XDG_CONFIG_HOME: this.path("config"),
      XDG_DATA_HOME: this.path("data"),
      ...this.env,
    };
  }

  run(args: readonly string[], options?: RunOptions): Promise<Run> {
    return this.start(args, options).done;
  }

  async ok(args: readonly string[], options?: RunOptions): Promise<Run> {
    const run = await this.run(args, options);
    assert.equal(run.code, 0, told(args, run));
    return run;
  }

  /** The rows that a command prints with --json. */
  async rows(args: readonly string[], code = 0, options?: RunOptions): Promise<Json[]> {
    const run = await this.run([...args, "--json"], options);
    assert.equal(run.code, code, told(args, run));
    return jsonLines(run.out);
  }

  /** The one row that a command prints with --json. */
  async row(args: readonly string[], code = 0, options?: RunOptions): Promise<Json> {
    const rows = await this.rows(args, code, options);
    assert.equal(rows.length, 1, `varve ${args.join(" ")}: one object`);
    return rows[0] ?? {};
  }

  /** How a command fails: said to programs and, the first time, to people, each with a hint. */
  async fails(
    args: readonly string[],
    code: string,
    exit: number,
    options?: RunOptions,
  ): Promise<RunError> {
    const json = await this.run(["--json", ...args], options);
    assert.equal(json.code, exit, told(args, json));
    const { error } = JSON.parse(json.err) as { error: RunError };
    assert.deepEqual(Object.keys(error), ["code", "message", "hint"]);
    assert.equal(error.code, code, told(args, json));
    assert.ok(error.hint !== null && error.hint.length > 10, `${code} needs a hint`);
    if (this.#seen.has(code)) return error;
    this.#seen.add(code);
    const people = await this.run(args, options);
    assert.equal(people.code, exit, told(args, people));
    assert.match(people.err, /^varve: .+$/m);
    assert.match(people.err, /^hint: .+$/m);
    assert.doesNotMatch(people.err, /\n +at |node:|internal/, "people see no stack");
    return error;
  }

  async #ended(child: ChildProcess, args: readonly string[]): Promise<Run> {
    const [out, err]: Buffer[][] = [[], []];
    child.stdout?.on("data", (chunk: Buffer) => out?.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => err?.push(chunk));
    const run = await new Promise<Run>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        const bytes = Buffer.concat(out ?? []);
        const text = Buffer.concat(err ?? []).toString("utf8");
        resolve({ code, signal, out: bytes.toString("utf8"), err: text, bytes });
      });
    });
    for (const secret of this.secrets) {
      assert.ok(!run.out.includes(secret), `varve ${args.join(" ")} printed a secret`);
      assert.ok(!run.err.includes(secret), `varve ${args.join(" ")} told a secret`);
    }
    return run;
  }
}

/** The random part of a key file. */
export function keyOf(keyFile: string): string {
  const key = readFileSync(keyFile, "utf8").split(":")[1] ?? "";
  assert.equal(key.length, 64, `${keyFile} holds a key`);
  return key;
}

export function jsonLines(text: string): Json[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Json);
}

/** Everything that a run said, for a failing assertion. */
export function told(args: readonly string[], { code, signal, out, err }: Run): string {
  return `varve ${args.join(" ")}: exit code ${code ?? signal}\n${out}${err}`;
}

/** Runs `work` with a home that is removed after it. */
export async function withHome<T>(work: (home: E2eHome) => Promise<T>): Promise<T> {
  const home = new E2eHome();
  try {
    return await work(home);
  } finally {
    home.remove();
  }
}
