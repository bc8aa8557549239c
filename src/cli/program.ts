/** Builds commander's tree from the list of commands. */
import { Command, CommanderError } from "commander";
import { hasCode, VarveError } from "../base/errors.ts";
import { programVersion } from "../base/program.ts";
import { commandList, type Define, type Run, wholeTreeCommands } from "./command-list.ts";
import { addGlobalOptions } from "./global-options.ts";

const description =
  "Snapshots of files and folders: deduplicated, compressed, encrypted, " +
  "and restored as of any time.";

const footer = `
Start with:      varve snapshot FOLDER
Then:            varve snapshots; varve restore --target DIR
Learn more:      varve help; varve help COMMAND; varve help patterns, time, retention, …`;

export interface ProgramOutput {
  out(text: string): void;
  /** What commander says about wrong usage; we say it in our own way. */
  readonly columns: number;
}

/** `argv` without node and script; decides which commands are loaded whole. */
export async function buildProgram(
  argv: readonly string[],
  run: Run,
  output: ProgramOutput,
): Promise<Command> {
  const program = new Command("varve");
  program
    .description(description)
    .usage("[global options] <command> [options]")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: () => {},
      getOutHelpWidth: () => output.columns,
      getErrHelpWidth: () => output.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .helpCommand(false)
    .version(programVersion, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .addHelpText("after", footer);
  addGlobalOptions(program);
  nameOptions(program);
  await addCommands(program, argv, run);
  return program;
}

async function addCommands(program: Command, argv: readonly string[], run: Run): Promise<void> {
  const all = wholeTreeCommands.some((name) => argv.includes(name));
  for (const { name, summary, group, load } of commandList) {
    const command = program.command(name).description(sentence(summary)).summary(summary);
    command.helpGroup(group);
    if (!all && !argv.includes(name)) continue;
    const { define }: { define: Define } = await load();
    define(command, run);
    nameOptions(command);
  }
}

/** What a value is refused for says which option it was given to. */
function nameOptions(command: Command): void {
  for (const option of command.options) {
    const parse = option.parseArg;
    if (parse === undefined || option.long == null) continue;
    const { long } = option;
    option.argParser((text: string, previous: unknown) => {
      try {
        return parse(text, previous);
      } catch (error) {
        if (!hasCode(error, "usage")) throw error;
        const hint = error.hint === undefined ? {} : { hint: error.hint };
        throw new VarveError("usage", `${long}: ${error.message}`, { ...hint, cause: error });
      }
    });
  }
  for (const below of command.commands) nameOptions(below);
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}

/** Help and version are no errors; commander reports them as such once it has printed. */
export function isHelpShown(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0;
}

/** What commander found wrong with the command line, or undefined. */
export function usageMessage(error: unknown): string | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  if (error.code === "commander.help") return "Name a command.";
  const text = error.message
    .replace(/^error: /, "")
    .replace(/\n\(Did you mean (.*)\)$/s, "; did you mean $1");
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/(?<![.?])$/, ".")}`;
}
