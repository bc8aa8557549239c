/** Completion for fish, version 3 and newer. */
import { quoted as shellQuoted } from "./bash.ts";
import {
  allCommands,
  type Completes,
  type CompletionCommand,
  type CompletionOption,
} from "./completion-tree.ts";

/** fish knows backslashes in single quotes, other shells do not. */
const quoted = (text: string) =>
  shellQuoted(text.replaceAll("\\", "\\\\")).replaceAll("'\\''", "\\'");

function fill(what: Completes): string {
  if (what === "file") return " -F";
  if (what === "snapshot") return " -f -a '(__varve_snapshots)'";
  return what === "none" ? " -f" : ` -f -a ${quoted(what.join(" "))}`;
}

function optionLine(condition: string, option: CompletionOption): string {
  const names = option.names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const value = option.value === undefined ? "" : ` -r${fill(option.value)}`;
  return `complete -c varve${condition} ${names.join(" ")}${value} -d ${quoted(option.text)}`;
}

function condition(command: CompletionCommand): string {
  const [name, child] = command.path;
  if (name === undefined) return "";
  const own = `__fish_seen_subcommand_from ${name}`;
  const text = child === undefined ? own : `${own}; and __fish_seen_subcommand_from ${child}`;
  return ` -n ${quoted(text)}`;
}

function childLines(command: CompletionCommand): string[] {
  const names = command.commands.map((child) => child.path.at(-1)).join(" ");
  const seen = "__fish_seen_subcommand_from";
  const notYet =
    command.path.length === 0
      ? "__fish_use_subcommand"
      : `${seen} ${command.path[0]}; and not ${seen} ${names}`;
  return command.commands.map(
    (child) =>
      `complete -c varve -n ${quoted(notYet)} -f -a ${child.path.at(-1)} -d ${quoted(child.text)}`,
  );
}

function argumentLines(command: CompletionCommand): string[] {
  const whats = [...new Set(command.arguments.map((what) => fill(what)))];
  if (command.commands.length > 0) return [];
  if (whats.length === 0) return [`complete -c varve${condition(command)} -f`];
  return whats.map((what) => `complete -c varve${condition(command)}${what}`);
}

export function fishCompletion(top: CompletionCommand): string {
  const lines = [
    ...top.options.map((option) => optionLine("", option)),
    ...childLines(top),
    ...allCommands(top).flatMap((command) => [
      ...command.options.map((option) => optionLine(condition(command), option)),
      ...childLines(command),
      ...argumentLines(command),
    ]),
  ];
  return `# fish completion for varve; made by: varve completion fish

function __varve_snapshots
    printf '%s\\n' latest 'latest~1'
    varve snapshots --json 2>/dev/null </dev/null |
        string replace -rf '^{"id":"([0-9a-f]{8}).*' '$1'
end

${lines.join("\n")}
`;
}
