/** `varve restore`: files as of a snapshot or a time, into a folder. */
import type { Command } from "commander";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { parseCount } from "../size-parse.ts";
import { choice } from "./option-values.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

export const overwriteChoices = ["always", "if-changed", "if-newer", "never"] as const;

export interface RestoreFlags extends FilterOptions {
  readonly at?: string;
  readonly target: string;
  readonly overwrite?: (typeof overwriteChoices)[number];
  readonly delete?: boolean;
  readonly verify?: boolean;
  readonly dryRun?: boolean;
  readonly sparse?: boolean;
  readonly strip?: number;
  readonly numericOwner?: boolean;
}

export const define: Define = (command, run) => {
  command.argument("[snapshot]", "id, latest or latest~N (default: latest, or see --at)");
  command.argument("[paths...]", "only these files and folders (default: everything)");
  addOptions(addFilterOptions(command));
  command.action(run<RestoreFlags>(restore));
};

function addOptions(command: Command): void {
  command
    .description(
      "Restore files as of a snapshot or a time into a folder. Nothing outside of that folder " +
        "is touched. Each file gets its name when it is complete: it is whole or not there.",
    )
    .requiredOption("-t, --target <folder>", "where to restore to; made when it is not there")
    .option("--at <time>", "the newest snapshot that is not after this time; see `varve help time`")
    .addOption(
      choice(
        "--overwrite <when>",
        "replace files that are there already (default: always; changed: size or time differ)",
        overwriteChoices,
      ),
    )
    .option("--delete", "remove what is in the target and not in the snapshot")
    .option("--verify", "read everything back and compare it")
    .option("--sparse", "write stretches of zeros as holes")
    .option("--strip <n>", "leave out the first n folders of each path", (text) =>
      parseCount(text, 0, 4096),
    )
    .option("--numeric-owner", "owners by their numbers, never by name")
    .option("-n, --dry-run", "only say what would be done")
    .addHelpText(
      "after",
      `
Examples:
  varve restore --target /tmp/all                                the newest snapshot, whole
  varve restore --at "yesterday 18:00" --target /tmp/then ~/mail
  varve restore latest~3 --target / --overwrite if-changed /etc/ssh
  varve restore 1a2b3c4d --target ~/site --strip 2 --delete /var/www

Paths keep their folders: /home/ann/mail comes back as TARGET/home/ann/mail. Without root,
owners and devices cannot be restored. What could not be restored is named and counted; the exit
code is then 1.`,
    );
}

async function restore(
  context: CliContext,
  args: readonly string[],
  flags: RestoreFlags,
): Promise<undefined> {
  const { RestoreThreads } = await import("../../engine/restore/restore-threads.ts");
  const workers = new RestoreThreads(context.globals.threads);
  // One loads on another core while the repository is opened: any restore with content needs it.
  if (flags.dryRun !== true) workers.start(1);
  try {
    const { withRepository } = await import("../open-repository.ts");
    const { runRestore } = await import("./restore-run.ts");
    await withRepository(context, ({ repository }) =>
      runRestore(context, repository, args, flags, workers),
    );
  } finally {
    await workers.close();
  }
}
