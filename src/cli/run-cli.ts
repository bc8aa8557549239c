/** One run of varve: parse, do, report. Gives back the exit code and never throws. */
import type { Command } from "commander";
import { hasCode, VarveError } from "../base/errors.ts";
import { commandList, type Run } from "./command-list.ts";
import { CliContext, type System } from "./context.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import { type GlobalFlags, resolveGlobals } from "./global-options.ts";
import { Output } from "./output.ts";
import { buildProgram, isHelpShown, usageMessage } from "./program.ts";

/** Commands whose only purpose is their output: without a reader they stop. */
const outputOnly = new Set([
  "snapshots",
  "ls",
  "find",
  "diff",
  "dump",
  "help",
  "man",
  "completion",
]);

interface RunState {
  context: CliContext | undefined;
  exitCode: ExitCode;
}

/** `argv` without node and script. */
export async function runCli(argv: readonly string[], system: System): Promise<ExitCode> {
  const state: RunState = { context: undefined, exitCode: ExitCode.done };
  const output = {
    out: (text: string) => void system.stdout.write(text),
    columns: columns(system),
  };
  let program: Command | undefined;
  try {
    program = await buildProgram(argv, makeRun(system, state), output);
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!isHelpShown(error)) state.exitCode = report(error, argv, system, state);
  }
  state.context?.output.flush();
  return state.exitCode;
}

/** A failure that nobody waits for: a bug. Gives the exit code. */
export function reportCrash(error: unknown, argv: readonly string[], system: System): ExitCode {
  // Help goes to the terminal by itself; `varve --help | head` is no bug.
  if ((error as NodeJS.ErrnoException).code === "EPIPE") return ExitCode.readerGone;
  new Output(system.stdout, system.stderr, earlyOptions(argv)).error(error);
  return exitCodeOf(error);
}

function columns(system: System): number {
  return Math.min(system.stdout.columns || 100, 120);
}

function makeRun(system: System, state: RunState): Run {
  return (handler) =>
    async (...all) => {
      const command = all.at(-1) as Command;
      const globals = resolveGlobals(command.optsWithGlobals<GlobalFlags>(), system.env);
      const context = new CliContext(system, globals);
      state.context = context;
      if (outputOnly.has(command.name())) {
        context.output.onReaderGone = () =>
          system.abort(new VarveError("interrupted", "Nobody reads the output any more."));
      }
      const options = command.opts() as Parameters<typeof handler>[2];
      state.exitCode = (await handler(context, command.args, options, command)) ?? ExitCode.done;
    };
}

function report(
  error: unknown,
  argv: readonly string[],
  system: System,
  state: RunState,
): ExitCode {
  const known = state.context?.output;
  // Stopped for want of a reader, who knows best why.
  if (known?.readerGone === true && system.signal.aborted) return ExitCode.readerGone;
  const output = known ?? new Output(system.stdout, system.stderr, earlyOptions(argv));
  const message = usageMessage(error);
  const told = message === undefined ? asTold(error, system, argv) : usageError(message, argv);
  output.error(told);
  return exitCodeOf(told);
}

/** Before the command line is understood, what it plainly says about output still counts. */
function earlyOptions(argv: readonly string[]) {
  const end = argv.indexOf("--");
  const flags = end < 0 ? argv : argv.slice(0, end);
  return { json: flags.includes("--json"), quiet: false, verbose: flags.includes("--verbose") };
}

/**
 * After Ctrl-C every failure is that interruption: what it tore apart reports all sorts of things.
 */
function asTold(error: unknown, system: System, argv: readonly string[]): unknown {
  if (system.signal.aborted) return system.signal.reason;
  const isBare = hasCode(error, "usage") && error.hint === undefined;
  return isBare ? usageError(error.message, argv) : error;
}

function usageError(message: string, argv: readonly string[]): VarveError {
  const command = commandList.find(({ name }) => argv.includes(name));
  const topic = command === undefined ? "" : ` ${command.name}`;
  return new VarveError("usage", message, { hint: `See \`varve help${topic}\`.` });
}
