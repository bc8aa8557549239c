/** Completion for zsh, as a function for \`compinit\`; also works when it is sourced. */
import { quoted } from "./bash.ts";
import type { Completes, CompletionCommand, CompletionOption } from "./completion-tree.ts";

/** In a specification of _arguments: no brackets, colons or backslashes unescaped. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&");
}

function action(what: Completes): string {
  if (what === "file") return "_files";
  if (what === "snapshot") return "_varve_snapshots";
  return what === "none" ? " " : `(${what.join(" ")})`;
}

function optionSpecs(option: CompletionOption): string[] {
  const text = escaped(option.text);
  const value = option.value === undefined ? "" : `:value:${action(option.value)}`;
  // "*": repeatable as far as zsh is concerned; varve itself knows better.
  return option.names.map((name) => quoted(`*${name}[${text}]${value}`));
}

function argumentSpecs(command: CompletionCommand): string[] {
  return command.arguments.map((completes, at) => {
    const last = at === command.arguments.length - 1 && command.repeats;
    return quoted(`${last ? "*" : at + 1}:argument:${action(completes)}`);
  });
}

const functionName = (path: readonly string[]) => ["_varve", ...path].join("__");

function describe(commands: readonly CompletionCommand[]): string {
  return commands
    .map(({ path, text }) => quoted(`${path.at(-1)}:${text.split("\n")[0]}`))
    .join(" ");
}

function commandFunctions(command: CompletionCommand, top: CompletionCommand): string {
  const options = [...command.options, ...(command === top ? [] : top.options)];
  const specs = options.flatMap(optionSpecs);
  const places = ["1:command:->command", "*::argument:->argument"].map(quoted);
  const body =
    command.commands.length === 0
      ? `  _arguments -s ${[...specs, ...argumentSpecs(command)].join(" \\\n    ")}\n`
      : `  local state line
  local -a commands
  commands=(${describe(command.commands)})
  _arguments -C ${[...specs, ...places].join(" \\\n    ")}
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
${command.commands.map(({ path }) => `        ${path.at(-1)}) ${functionName(path)} ;;`).join("\n")}
      esac ;;
  esac
`;
  const own = `${functionName(command.path)}() {\n${body}}\n`;
  return [own, ...command.commands.map((child) => commandFunctions(child, top))].join("\n");
}

export function zshCompletion(top: CompletionCommand): string {
  return `#compdef varve
# zsh completion for varve; made by: varve completion zsh

_varve_snapshots() {
  local -a ids
  ids=(latest 'latest~1' \${(f)"$(varve snapshots --json 2>/dev/null </dev/null |
    sed -n 's/^{"id":"\\([0-9a-f]\\{8\\}\\).*/\\1/p')"})
  compadd -a ids
}

${commandFunctions(top, top)}
if [ "$funcstack[1]" = "_varve" ]; then
  _varve "$@"
else
  compdef _varve varve
fi
`;
}
