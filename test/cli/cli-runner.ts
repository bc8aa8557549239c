/**
 * Runs varve in this process, with streams that are kept, an environment of its own and a folder
 * for everything it would otherwise put into the user's.
 */
import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import type { System } from "../../src/cli/context.ts";
import type { OutputStream } from "../../src/cli/output.ts";
import type { PromptTerminal } from "../../src/cli/prompt.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { systemHost } from "../../src/cli/system-host.ts";

// The program asks its process for the local zone; here that is UTC, wherever tests are run.
process.env["TZ"] = "UTC";

/** An output that is kept. */
export class KeptStream extends EventEmitter implements OutputStream {
  readonly chunks: Buffer[] = [];
  readonly isTTY: boolean;
  readonly columns = 100;

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  write(text: string | Uint8Array, done?: () => void): boolean {
    this.chunks.push(Buffer.from(text as string));
    if (done !== undefined) setImmediate(done);
    return true;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString("utf8");
  }
}

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliRunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: PromptTerminal["input"];
  readonly isTTY?: boolean;
  readonly stdout?: OutputStream;
  readonly signal?: AbortSignal;
}

/** A user's home of its own; `remove` it at the end. */
export class CliHome {
  readonly folder = mkdtempSync(join(tmpdir(), "varve-cli-"));

  get env(): Record<string, string> {
    return { HOME: this.folder, PATH: process.env["PATH"] ?? "" };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  async run(argv: readonly string[], options: CliRunOptions = {}): Promise<CliRun> {
    const stdout = new KeptStream(options.isTTY);
    const stderr = new KeptStream(options.isTTY);
    const controller = new AbortController();
    const system: System = {
      env: { ...this.env, ...options.env },
      stdin: options.stdin ?? new PassThrough(),
      stdout: options.stdout ?? stdout,
      stderr,
      clock: systemClock,
      random: systemRandom,
      host: systemHost,
      signal: options.signal ?? controller.signal,
      abort: (reason) => controller.abort(reason),
    };
    const code = await runCli(argv, system);
    return { code, out: stdout.text, err: stderr.text };
  }
}

/** Runs `work` with a home that is removed after it. */
export async function withCliHome<T>(work: (home: CliHome) => Promise<T>): Promise<T> {
  const home = new CliHome();
  try {
    return await work(home);
  } finally {
    home.remove();
  }
}
