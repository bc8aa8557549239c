/** docs/cli.md: every command with its options, in Markdown, from the same tree as the help. */
import type { Command, Option } from "commander";
import { exitCodeMeanings } from "./exit-code.ts";
import { examplesOf } from "./help-text.ts";
import { helpTopics } from "./help-topics.ts";

/** Characters that would end a cell of a table, or begin a tag. */
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("<", "\\<");

function optionTable(options: readonly Option[]): string {
  const rows = options.map((option) => {
    const choices = option.argChoices?.join(", ");
    const text = choices === undefined ? option.description : `${choices}; ${option.description}`;
    return `| \`${option.flags.replaceAll("|", "\\|")}\` | ${cell(text)} |`;
  });
  return ["| option | |", "|---|---|", ...rows].join("\n");
}

function commandParts(command: Command, path: string): string[] {
  const options = command.options.filter((option) => !option.hidden);
  const examples = examplesOf(command);
  const usage = command.createHelp().commandUsage(command);
  return [
    `${path.includes(" ") ? "###" : "##"} ${path}`,
    command.description().replaceAll("\n", " "),
    command.commands.length > 0 ? "" : `    ${usage}`,
    options.length === 0 ? "" : optionTable(options),
    examples === "" ? "" : `\`\`\`\n${examples}\n\`\`\``,
    ...command.commands.flatMap((child) => commandParts(child, `${path} ${child.name()}`)),
  ];
}

/** `program` must be the whole tree. */
export function referencePage(program: Command): string {
  const topics = Object.values(helpTopics).flatMap((topic) =>
    topic === undefined || topic.title === "Exit codes"
      ? []
      : [`## ${topic.title}`, `\`\`\`\n${topic.text.trim()}\n\`\`\``],
  );
  const codes = Object.entries(exitCodeMeanings).map(
    ([code, text]) => `| ${code} | ${cell(text)} |`,
  );
  const parts = [
    "# The command line",
    "Made by `varve man --format markdown`; `varve help` shows the same in a terminal.",
    "## Global options",
    optionTable(program.options.filter((option) => !option.hidden)),
    ...program.commands.flatMap((command) => commandParts(command, command.name())),
    ...topics,
    "## Exit codes",
    ["| code | |", "|---|---|", ...codes].join("\n"),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}
