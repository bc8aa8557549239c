/** The manual page `varve(1)`, in roff with the `man` macros, from the same tree as the help. */
import type { Command, Option } from "commander";
import { errorCodes } from "../base/errors.ts";
import { programVersion } from "../base/program.ts";
import { exitCodeMeanings } from "./exit-code.ts";
import { examplesOf } from "./help-text.ts";
import { helpTopics, tourSteps } from "./help-topics.ts";

/**
 * Text of a paragraph: backslashes, dashes that are to be minus signs, no line begins a request.
 */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replaceAll("–", "\\(en")
    .replace(/^([.'])/gm, "\\&$1");
}

const bold = (text: string) => `\\fB${roff(text)}\\fR`;

/** Text as it stands, in a fixed font. */
function literal(text: string): string {
  return `.nf\n${roff(text.replace(/^\n+|\s+$/g, ""))}\n.fi`;
}

function optionList(options: readonly Option[]): string {
  return options
    .map((option) => {
      const choices = option.argChoices?.join(", ");
      const text = choices === undefined ? option.description : `${choices}; ${option.description}`;
      return `.TP\n${bold(option.flags)}\n${roff(text)}`;
    })
    .join("\n");
}

function ownOptions(command: Command): Option[] {
  return command.options.filter((option) => !option.hidden);
}

function commandSection(command: Command, path: string): string {
  const children = command.commands.map((child) =>
    commandSection(child, `${path} ${child.name()}`),
  );
  const usage = command.createHelp().commandUsage(command);
  const options = optionList(ownOptions(command));
  const examples = examplesOf(command);
  const parts = [
    `.SS ${bold(path)}`,
    children.length > 0 ? "" : `${bold(usage)}\n.PP`,
    roff(command.description().replaceAll("\n", " ")),
    options,
    examples === "" ? "" : `.PP\n${literal(examples)}`,
    ...children,
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function listOf(rows: readonly (readonly [string, string])[]): string {
  return rows.map(([name, text]) => `.TP\n${bold(name)}\n${roff(text)}`).join("\n");
}

const environment = [
  ["VARVE_REPO", "The repository, when --repo is not given."],
  ["VARVE_PASSWORD_FILE", "A file with the password, or a key file."],
  ["VARVE_PASSWORD_COMMAND", "A command that prints the password; run without a shell."],
  ["VARVE_PASSWORD", "The password itself."],
  [
    "VARVE_TO_PASSWORD_FILE, VARVE_TO_PASSWORD_COMMAND, VARVE_TO_PASSWORD",
    "The same for the repository that `varve copy` copies to.",
  ],
  [
    "VARVE_FROM_PASSWORD_FILE, VARVE_FROM_PASSWORD_COMMAND, VARVE_FROM_PASSWORD",
    "The same for the repository of `varve init --copy-chunker-from`.",
  ],
  ["VARVE_CACHE_DIR", "The folder of the local cache."],
  ["VARVE_THREADS", "The number of worker threads."],
  ["TZ", "The local time zone."],
] as const;

const files = [
  ["~/.local/share/varve/repository", "The repository that is used when none is named."],
  ["~/.config/varve/key", "Its key file. Keep a copy of it somewhere else."],
  ["~/.cache/varve", "The local cache. It may be deleted at any time."],
] as const;

/** `program` must be the whole tree. */
export function manualPage(program: Command): string {
  const topics = Object.values(helpTopics).flatMap((topic) =>
    topic === undefined || topic.title === "Exit codes"
      ? []
      : [`.SH ${roff(topic.title.toUpperCase())}\n${literal(topic.text)}`],
  );
  const commands = program.commands.map((command) => commandSection(command, command.name()));
  const sections = [
    `.\\" Made by: varve man\n.TH VARVE 1 "" "varve ${programVersion}" "User Commands"`,
    `.SH NAME\nvarve \\- ${roff(lowerFirst(program.description()))}`,
    `.SH SYNOPSIS\n${bold("varve")} [global options] ${bold("command")} [options]`,
    `.SH DESCRIPTION\n${literal(tourSteps)}`,
    `.SH GLOBAL OPTIONS\n${optionList(ownOptions(program))}`,
    `.SH COMMANDS\n${commands.join("\n")}`,
    ...topics,
    `.SH EXIT STATUS\n${listOf(Object.entries(exitCodeMeanings))}`,
    `.SH ERRORS\nCodes of errors in JSON.\n${listOf(Object.entries(errorCodes))}`,
    `.SH ENVIRONMENT\n${listOf(environment)}`,
    `.SH FILES\n${listOf(files)}`,
  ];
  return `${sections.join("\n")}\n`;
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`.replace(/\.$/, "");
}
