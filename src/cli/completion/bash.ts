/** Completion for bash 4 and newer; needs no bash-completion package. */
import { allCommands, type Completes, type CompletionCommand } from "./completion-tree.ts";

/** A word for single quotes in shell code. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function completesAs(what: Completes | undefined): string {
  if (what === undefined || what === "none") return "";
  return typeof what === "string" ? `@${what}` : what.join(" ");
}

/** Cases "path:option) value" for all options with a value, at the top and in each command. */
function valueCases(top: CompletionCommand): string {
  const lines: string[] = [];
  for (const command of [top, ...allCommands(top)]) {
    const key = command.path.join(" ");
    for (const { names, value } of command.options) {
      if (value === undefined) continue;
      // A global option takes its value behind any command.
      const patterns = names.map((name) => (key === "" ? `*:${name}` : `${quoted(key)}:${name}`));
      lines.push(`    ${patterns.join("|")}) echo ${quoted(completesAs(value) || "@none")} ;;`);
    }
  }
  return lines.join("\n");
}

function commandCases(top: CompletionCommand): string {
  return [top, ...allCommands(top)]
    .filter((command) => command.commands.length > 0)
    .map((command) => {
      const names = command.commands.map((child) => child.path.at(-1)).join(" ");
      return `    ${quoted(command.path.join(" "))}) echo ${quoted(names)} ;;`;
    })
    .join("\n");
}

function optionCases(top: CompletionCommand): string {
  return [top, ...allCommands(top)]
    .map((command) => {
      const own = command.options.flatMap((option) => option.names);
      const all = command === top ? own : [...own, ...top.options.flatMap(({ names }) => names)];
      const names = [...new Set(all)].join(" ");
      return `    ${quoted(command.path.join(" "))}) echo ${quoted(names)} ;;`;
    })
    .join("\n");
}

function argumentCases(top: CompletionCommand): string {
  return allCommands(top)
    .filter((command) => command.arguments.length > 0)
    .map((command) => {
      const key = command.path.join(" ");
      const lines = command.arguments.map((completes, at) => {
        const last = at === command.arguments.length - 1 && command.repeats;
        const pattern = `${quoted(key)}:${last ? "*" : at}`;
        return `    ${pattern}) echo ${quoted(completesAs(completes) || "@none")} ;;`;
      });
      return lines.join("\n");
    })
    .join("\n");
}

export function bashCompletion(top: CompletionCommand): string {
  return `# bash completion for varve; made by: varve completion bash

_varve_commands() {
  case "$1" in
${commandCases(top)}
  esac
}

_varve_options() {
  case "$1" in
${optionCases(top)}
  esac
}

_varve_value() {
  case "$1:$2" in
${valueCases(top)}
  esac
}

_varve_argument() {
  case "$1:$2" in
${argumentCases(top)}
  esac
}

_varve_fill() {
  local word="$2"
  case "$1" in
    '' | @none) ;;
    @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    @snapshot)
      # Only where no password would be asked for.
      mapfile -t COMPREPLY < <(
        compgen -W "latest latest~1 $(varve snapshots --json 2>/dev/null </dev/null |
          sed -n 's/^{"id":"\\([0-9a-f]\\{8\\}\\).*/\\1/p')" -- "$word"
      ) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word") ;;
  esac
}

_varve() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" given=0 at item value
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    item="\${COMP_WORDS[at]}"
    if [[ $item == -* ]]; then
      value="$(_varve_value "$path" "$item")"
      if [[ -n $value ]]; then
        if ((at + 1 == COMP_CWORD)); then
          _varve_fill "$value" "$word"
          return
        fi
        ((at++))
      fi
    elif [[ " $(_varve_commands "$path") " == *" $item "* ]]; then
      path="\${path:+$path }$item"
    else
      ((given++))
    fi
  done
  if [[ $word == -* ]]; then
    _varve_fill "$(_varve_options "$path")" "$word"
  elif [[ -n $(_varve_commands "$path") ]]; then
    _varve_fill "$(_varve_commands "$path")" "$word"
  else
    _varve_fill "$(_varve_argument "$path" "$given")" "$word"
  fi
}

complete -F _varve varve
`;
}
