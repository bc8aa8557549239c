/** `varve completion`: a completion script for a shell. */
import { Argument } from "commander";
import type { Define } from "../command-list.ts";
import { bashCompletion } from "../completion/bash.ts";
import { completionTree } from "../completion/completion-tree.ts";
import { fishCompletion } from "../completion/fish.ts";
import { zshCompletion } from "../completion/zsh.ts";

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
type Shell = keyof typeof shells;
const shellNames = Object.keys(shells) as Shell[];

export const define: Define = (command, run) => {
  command
    .description("Print a completion script for bash, zsh or fish.")
    .addArgument(new Argument("<shell>", "which shell").choices(shellNames))
    .addHelpText(
      "after",
      `
Examples:
  source <(varve completion bash)                                          this shell
  varve completion bash > ~/.local/share/bash-completion/completions/varve
  varve completion zsh > ~/.zfunc/_varve          with fpath+=~/.zfunc before compinit
  varve completion fish > ~/.config/fish/completions/varve.fish`,
    );
  command.action(
    run(async (context, args, _options, self) => {
      const shell = args[0] as Shell;
      const script = shells[shell](completionTree(self.parent ?? self));
      context.output.lines(script.trimEnd().split("\n"));
      context.output.row({ shell, script });
      return undefined;
    }),
  );
};
