/** `varve copy`: copies snapshots to another repository. */
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { addOtherPasswordOptions, type OtherFlags } from "../other-repository.ts";
import { parseCount } from "../size-parse.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

export interface CopyFlags extends FilterOptions, OtherFlags {
  readonly to: string;
  readonly latest?: number;
  readonly dryRun?: boolean;
}

export const define: Define = (command, run) => {
  command
    .description(
      "Copy snapshots from the repository of --repo to another one: all, or those chosen. Only " +
        "what is not there yet is read and stored; all that is read is verified. What was " +
        "interrupted goes on where it stood.",
    )
    .argument("[snapshots...]", "ids, latest or latest~N; otherwise all")
    .requiredOption("--to <location>", "the other repository: a folder or URL");
  addOtherPasswordOptions(command, "to").option(
    "--latest <n>",
    "only the newest n of each series",
    (text) => parseCount(text, 1),
  );
  addFilterOptions(command)
    .option("-n, --dry-run", "only say what would be copied")
    .addHelpText(
      "after",
      `
Examples:
  varve --repo s3://far/backup init --copy-chunker-from /mnt/disk/backup
  varve --repo /mnt/disk/backup copy --to s3://far/backup --to-password-file ~/far.key
  varve copy --to /mnt/usb/backup --host web1 --latest 3

The repositories may be of any kind and have passwords of their own. One that was made with
\`varve init --copy-chunker-from\` takes blobs as they are; any other gets everything under new
names, and what its own hosts snapshot does not share data with what is copied.

A snapshot that needs damaged data is not copied, and is named; the exit code is then 4.`,
    );
  command.action(run<CopyFlags>(copy));
};

async function copy(
  context: CliContext,
  names: readonly string[],
  flags: CopyFlags,
): Promise<undefined> {
  const { withOther, withRepository } = await import("../open-repository.ts");
  const { otherLocation } = await import("../other-repository.ts");
  const { runCopy } = await import("./copy-run.ts");
  const location = otherLocation(context, flags.to, "to", flags);
  await withRepository(context, ({ repository }) =>
    withOther(context, location, (target) =>
      runCopy(context, { source: repository, target }, names, flags),
    ),
  );
}
