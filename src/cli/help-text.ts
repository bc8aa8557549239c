/** Commander's help as text. */
import type { Command } from "commander";

/** All of it, as `--help` prints it. */
export function wholeHelp(command: Command): string {
  let text = "";
  const before = command.configureOutput();
  const writeOut = (part: string) => {
    text += part;
  };
  command.configureOutput({ ...before, writeOut });
  command.outputHelp();
  command.configureOutput(before);
  return text;
}

/** What follows the generated help: examples and remarks. */
export function examplesOf(command: Command): string {
  return wholeHelp(command).slice(command.helpInformation().length).trim();
}
