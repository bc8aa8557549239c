/**
 * `varve man`: the manual page, in roff or Markdown. docs/man/varve.1 and docs/cli.md are its
 * output.
 */
import type { Define } from "../command-list.ts";
import { choice } from "./option-values.ts";

interface ManFlags {
  readonly format?: "roff" | "markdown";
}

export const define: Define = (command, run) => {
  command
    .description("Print the manual page.")
    .addOption(choice("--format <format>", "default: roff", ["roff", "markdown"]))
    .addHelpText("after", "\nExample:\n  varve man | man -l -");
  command.action(
    run<ManFlags>(async (context, _args, { format = "roff" }, self) => {
      const { manualPage } = await import("../man-page.ts");
      const { referencePage } = await import("../reference-page.ts");
      const page = format === "roff" ? manualPage : referencePage;
      const text = page(self.parent ?? self);
      context.output.lines(text.trimEnd().split("\n"));
      context.output.row({ format, text });
      return undefined;
    }),
  );
};
