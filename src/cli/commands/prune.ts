/** `varve prune`: forgets by rules, then frees space. */
import type { Command } from "commander";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { parseSize, parseUnused, type Share } from "../size-parse.ts";
import { addKeepOptions, type KeepFlags } from "./keep-rules.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

export interface PruneFlags extends KeepFlags, FilterOptions {
  readonly maxUnused?: Exclude<Share, { kind: "part" }>;
  readonly maxRepack?: number;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export const define: Define = (command, run) => {
  command.description(
    "Forget snapshots by rules, each series by itself, and free the space of what is not " +
      "needed any more. Without a keep option nothing is forgotten. It may run while " +
      "others take snapshots.",
  );
  addKeepOptions(command);
  addFilterOptions(command);
  addSpaceOptions(command);
  command.action(run<PruneFlags>(pruneCommand));
};

function addSpaceOptions(command: Command): void {
  command
    .option(
      "--max-unused <share>",
      "leave so much unused space in packs: 5%, a size, or unlimited (default: 5%)",
      parseUnused,
    )
    .option("--max-repack <size>", "write at most so much anew", parseSize)
    .option("--force", "also when the rules remove every snapshot of a series")
    .option("-n, --dry-run", "only say which snapshot each rule keeps, and what space comes back")
    .addHelpText(
      "after",
      `
Examples:
  varve prune --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly 10
  varve prune --keep-within 30d --keep-tag yearly --dry-run
  varve prune                                       frees space after varve forget

See \`varve help retention\`.`,
    );
}

async function pruneCommand(
  context: CliContext,
  _args: readonly string[],
  flags: PruneFlags,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { runPrune } = await import("./prune-run.ts");
  await withRepository(context, ({ repository }) => runPrune(context, repository, flags));
}
