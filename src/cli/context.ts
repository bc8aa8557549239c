/** What a command works with: its process, its options, its output. Tests pass their own. */
import { type Clock, type Random, systemClock, systemRandom } from "../base/clock.ts";
import type { VarveError } from "../base/errors.ts";
import type { Host } from "../base/host.ts";
import { TimeZone } from "../base/time-zone.ts";
import type { GlobalOptions } from "./global-options.ts";
import { Output, type OutputStream } from "./output.ts";
import { noProgress, type Progress, type ProgressOptions, startProgress } from "./progress.ts";
import type { PromptTerminal } from "./prompt.ts";
import { systemHost } from "./system-host.ts";
import type { Environment } from "./xdg.ts";

/** The process around us. */
export interface System {
  readonly env: Environment;
  readonly stdin: PromptTerminal["input"];
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: () => Host;
  readonly signal: AbortSignal;
  abort(reason: VarveError): void;
}

/** The real process; its streams are only opened when they are asked for. */
export function processSystem(stop: Pick<System, "signal" | "abort">): System {
  return {
    env: process.env,
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return process.stdout;
    },
    get stderr() {
      return process.stderr;
    },
    clock: systemClock,
    random: systemRandom,
    host: systemHost,
    signal: stop.signal,
    abort: (reason) => stop.abort(reason),
  };
}

export class CliContext {
  readonly system: System;
  readonly globals: GlobalOptions;
  readonly output: Output;
  #zone: TimeZone | undefined;

  constructor(system: System, globals: GlobalOptions) {
    this.system = system;
    this.globals = globals;
    this.output = new Output(system.stdout, system.stderr, globals);
  }

  get signal(): AbortSignal {
    return this.system.signal;
  }

  get clock(): Clock {
    return this.system.clock;
  }

  /** The user's own time zone: TZ, or that of the system. */
  get zone(): TimeZone {
    this.#zone ??= new TimeZone();
    return this.#zone;
  }

  get terminal(): PromptTerminal {
    return { input: this.system.stdin, output: this.system.stderr };
  }

  /** Runs `work` with a progress line, where there is a terminal to draw it on. */
  async withProgress<T>(
    label: string,
    work: (progress: Progress) => Promise<T>,
    options: ProgressOptions = {},
  ): Promise<T> {
    const { output, system, globals } = this;
    const wanted = globals.progress && !output.quiet && !output.json;
    if (!wanted || system.stderr.isTTY !== true) return work(noProgress);
    const progress = await startProgress(system.stderr, system.clock, label, options);
    output.progress = progress;
    try {
      return await work(progress);
    } finally {
      output.progress = undefined;
      progress.stop();
    }
  }
}
