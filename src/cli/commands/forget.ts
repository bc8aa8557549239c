/** `varve forget`: removes snapshots by name. */
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatTime } from "../human.ts";
import { safeLine } from "../safe-text.ts";

interface ForgetFlags {
  readonly dryRun?: boolean;
}

export const define: Define = (command, run) => {
  command
    .description(
      "Remove snapshots by name. Their space comes back with `varve prune`, which also " +
        "forgets by rules.",
    )
    .argument("<snapshots...>", "ids, latest or latest~N")
    .option("-n, --dry-run", "only say what would be removed")
    .addHelpText(
      "after",
      `
Examples:
  varve forget 1a2b3c4d 5e6f7a8b
  varve forget latest && varve prune`,
    );
  command.action(run<ForgetFlags>(forget));
};

async function forget(
  context: CliContext,
  names: readonly string[],
  flags: ForgetFlags,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { forgetSnapshots } = await import("../../engine/forget.ts");
  const { resolveSnapshot } = await import("./selection.ts");
  await withRepository(context, async ({ repository }) => {
    const { output, signal, zone } = context;
    const records = await repository.snapshots();
    // All names first: a mistyped one must not leave the work half done.
    const chosen = [...new Set(names.map((name) => resolveSnapshot(records, name)))];
    const ids = chosen.map(({ id }) => id);
    if (flags.dryRun !== true) await forgetSnapshots(repository, ids, { signal });
    for (const { id, snapshot } of chosen) {
      const time = formatTime(snapshot.timeNs, zone);
      output.detail(`${id.slice(0, 8)}  ${time}  ${safeLine(snapshot.series)}`);
    }
    const verb = flags.dryRun === true ? "Would forget" : "Forgot";
    output.summary(
      `${verb} ${countOf(ids.length, "snapshot")}. \`varve prune\` frees their space.`,
    );
    output.row({ dry_run: flags.dryRun === true, forgotten_count: ids.length, forgotten: ids });
  });
}
