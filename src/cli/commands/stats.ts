/** `varve stats`: sizes and counts. */
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

export const define: Define = (command, run) => {
  command
    .description("Show sizes and counts: snapshots, packs, blobs, and what deduplication saves.")
    .argument("[snapshots...]", "ids, latest or latest~N (default: all)")
    .addHelpText(
      "after",
      `
Examples:
  varve stats
  varve stats latest
  varve stats --json | jq .stored_bytes`,
    );
  addFilterOptions(command);
  command.action(run<FilterOptions>(stats));
};

async function stats(
  context: CliContext,
  names: readonly string[],
  filter: FilterOptions,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { runStats } = await import("./stats-run.ts");
  await withRepository(context, ({ repository }) => runStats(context, repository, names, filter));
}
