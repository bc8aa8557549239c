/** `varve repair`: rebuilds the index; drops what is beyond repair. */
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";

export interface RepairFlags {
  readonly all?: boolean;
  readonly forget?: boolean;
  readonly readData?: boolean;
  readonly dryRun?: boolean;
}

export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    `
After damage, in this order:
  varve check                      what is hurt
  varve repair index               when index objects are gone or damaged
  varve repair packs               when packs are gone or damaged; see its --read-data
  varve snapshot FOLDER            stores again what the source still has
  varve repair snapshots --forget  drops the rest, path by path
A snapshot into a folder sees by itself that packs are gone, stores what it has of
them again, and says so; packs that are damaged are found by varve check --read-data.`,
  );
  command
    .command("index")
    .description(
      "Rebuild the index from the packs alone. Removes nothing but damaged index objects.",
    )
    .summary("rebuild the index from the packs alone")
    .option("-n, --dry-run", "only say what would be done")
    .option("--all", "read all packs, not only those that the index lacks")
    .action(run<RepairFlags>(index));
  command
    .command("packs")
    .description(
      "Give up packs that are absent or damaged. What still opens is copied out of them; what " +
        "is lost counts as absent from then on, so that a new snapshot stores it again.",
    )
    .summary("give up packs that are absent or damaged")
    .argument("[packs...]", "packs that a check of the data found damaged")
    .option("--read-data", "read all data first, to find the damaged ones")
    .option("-n, --dry-run", "only say what would be done")
    .action(run<RepairFlags>(packs));
  command
    .command("snapshots")
    .description(
      "Write snapshots anew without the files whose content is lost, and name each such path. " +
        "The originals stay unless --forget is given.",
    )
    .summary("drop from snapshots what is beyond repair")
    .argument("[snapshots...]", "ids, latest or latest~N (default: all)")
    .option("-n, --dry-run", "only say what would be dropped")
    .option("--forget", "remove the hurt originals, and snapshots that cannot be read at all")
    .action(run<RepairFlags>(snapshots));
};

async function index(
  context: CliContext,
  _args: readonly string[],
  flags: RepairFlags,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { runRepairIndex } = await import("./repair-index-run.ts");
  await withRepository(context, ({ repository }) => runRepairIndex(context, repository, flags), {
    freshCache: true,
  });
}

async function packs(
  context: CliContext,
  names: readonly string[],
  flags: RepairFlags,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { runRepairPacks } = await import("./repair-packs-run.ts");
  await withRepository(
    context,
    ({ repository }) => runRepairPacks(context, repository, names, flags),
    { freshCache: true },
  );
}

async function snapshots(
  context: CliContext,
  names: readonly string[],
  flags: RepairFlags,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { runRepairSnapshots } = await import("./repair-snapshots-run.ts");
  await withRepository(
    context,
    ({ repository }) => runRepairSnapshots(context, repository, names, flags),
    { freshCache: true },
  );
}
