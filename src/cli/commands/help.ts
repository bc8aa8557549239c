/** `varve help`: the overview, a command's help, or a topic. */
import type { Command } from "commander";
import { VarveError } from "../../base/errors.ts";
import type { Define } from "../command-list.ts";
import { wholeHelp } from "../help-text.ts";
import { helpTopics, tour } from "../help-topics.ts";

export const define: Define = (command, run) => {
  command
    .description("Explain varve, a command, or a topic.")
    .argument("[topic...]", `a command, or one of: ${Object.keys(helpTopics).join(", ")}`);
  command.action(
    run(async (context, args, _options, self) => {
      const program = self.parent ?? self;
      const text = helpText(program, args);
      context.output.lines(text.split("\n"));
      context.output.row({ text });
      return undefined;
    }),
  );
};

/** What `varve help NAMES…` prints. Throws `usage` for a name that is none. */
export function helpText(program: Command, names: readonly string[]): string {
  if (names.length === 0) return tour(program);
  const topic = names.length === 1 ? helpTopics[names[0] ?? ""] : undefined;
  if (topic !== undefined) return `${topic.title}\n\n${topic.text.replace(/^\n/, "").trimEnd()}`;
  let command: Command = program;
  for (const name of names) {
    const next = command.commands.find((candidate) => candidate.name() === name);
    if (next === undefined) {
      throw new VarveError("usage", `There is no help on "${names.join(" ")}".`, {
        hint: "`varve help` lists all commands and topics.",
      });
    }
    command = next;
  }
  return wholeHelp(command).trimEnd();
}
