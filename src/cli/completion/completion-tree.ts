/** What the completion scripts of all shells are made from: commander's tree, without commander. */
import type { Argument, Command, Option } from "commander";
import { helpTopics } from "../help-topics.ts";

/** What may stand in a place of the command line. */
export type Completes = "file" | "snapshot" | "none" | readonly string[];

export interface CompletionOption {
  /** "-r", "--repo". */
  readonly names: readonly string[];
  readonly text: string;
  /** Undefined: the option takes no value. */
  readonly value: Completes | undefined;
}

export interface CompletionCommand {
  /** From the top: [], ["key"], ["key", "add"]. */
  readonly path: readonly string[];
  readonly text: string;
  /** Its own; global options are those of the top. */
  readonly options: readonly CompletionOption[];
  readonly arguments: readonly Completes[];
  /** The last argument may be repeated. */
  readonly repeats: boolean;
  readonly commands: readonly CompletionCommand[];
}

export function completionTree(program: Command): CompletionCommand {
  return commandNode(program, []);
}

function commandNode(command: Command, path: readonly string[]): CompletionCommand {
  const help = command.createHelp();
  const places = command.registeredArguments;
  return {
    path,
    text: command.summary() || command.description(),
    options: help.visibleOptions(command).map(optionNode),
    arguments: places.map((place) => argumentCompletes(place, command)),
    repeats: places.at(-1)?.variadic === true,
    commands: command.commands.map((child) => commandNode(child, [...path, child.name()])),
  };
}

function optionNode(option: Option): CompletionOption {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  const takesValue = option.required || option.optional;
  return {
    names,
    text: option.description,
    value: takesValue ? valueCompletes(option) : undefined,
  };
}

const nameOf = (command: Command) => command.name();

const valueName = /<([^>]+)>/;

function valueCompletes(option: Option): Completes {
  const name = valueName.exec(option.flags)?.[1] ?? "";
  if (["file", "folder", "location", "path"].includes(name)) return "file";
  return option.argChoices ?? "none";
}

function argumentCompletes(argument: Argument, command: Command): Completes {
  switch (argument.name()) {
    case "snapshot":
    case "snapshots":
    case "a":
    case "b":
      return "snapshot";
    case "path":
    case "paths":
      return "file";
    case "topic":
      return [...(command.parent?.commands ?? []).map(nameOf), ...Object.keys(helpTopics)];
    default:
      return argument.argChoices ?? "none";
  }
}

/** Every command below the top with its words, parents first. */
export function allCommands(top: CompletionCommand): CompletionCommand[] {
  return top.commands.flatMap((command) => [command, ...allCommands(command)]);
}
