/** `varve ls`: what a snapshot holds. */
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { snapshotKey } from "../path-arguments.ts";
import { entryJson, entryLine } from "./entry-rows.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

interface LsFlags extends FilterOptions {
  readonly long?: boolean;
  readonly recursive?: boolean;
}

export const define: Define = (command, run) => {
  command
    .description("List what a snapshot holds, at its top or in a folder.")
    .argument("<snapshot>", "id, latest or latest~N")
    .argument("[path]", "a file or folder (default: what was snapshotted)")
    .option("-l, --long", "with mode, owner, size and time")
    .option("-R, --recursive", "with everything below")
    .addHelpText(
      "after",
      `
Examples:
  varve ls latest
  varve ls --long latest /etc
  varve ls --recursive --json 1a2b3c4d /home | jq -r 'select(.size > 1e9) | .path'`,
    );
  addFilterOptions(command);
  command.action(run<LsFlags>(ls));
};

async function ls(
  context: CliContext,
  args: readonly string[],
  flags: LsFlags,
): Promise<undefined> {
  const [{ loadIndex, withRepository }, { listEntries, listSnapshot }, { chooseSnapshot }] =
    await Promise.all([
      import("../open-repository.ts"),
      import("../../engine/entry-list.ts"),
      import("./selection.ts"),
    ]);
  const [name, path] = args;
  await withRepository(context, async ({ repository }) => {
    const record = chooseSnapshot(context, await repository.snapshots(), { ...flags, name });
    await loadIndex(context, repository);
    const { output, zone } = context;
    const catalog = repository.catalog(record);
    const options = { recursive: flags.recursive === true };
    const batches =
      path === undefined
        ? listSnapshot(catalog, record.snapshot.paths, options)
        : listEntries(catalog, snapshotKey(path), options);
    for await (const entries of batches) {
      context.signal.throwIfAborted();
      for (const entry of entries) {
        if (output.json) output.row(entryJson(entry));
        else output.line(entryLine(entry, zone, flags.long === true));
      }
    }
  });
}
