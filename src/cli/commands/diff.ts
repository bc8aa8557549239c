/** `varve diff`: what changed between two snapshots. */

import { EntryType } from "../../base/entry.ts";
import { displayPath, pathFromKey } from "../../base/raw-path.ts";
import type { DiffCount, DiffTotals } from "../../engine/diff.ts";
import type { CatalogChange } from "../../repo/catalog/catalog-diff.ts";
import { absentPaths } from "../../repo/format/snapshot.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatBytes } from "../human.ts";
import { jsonPath, snapshotKey } from "../path-arguments.ts";
import { typeNames } from "./entry-rows.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

interface DiffFlags extends FilterOptions {
  readonly metadata?: boolean;
}

export const define: Define = (command, run) => {
  command
    .description("Show what changed between two snapshots.")
    .argument("<a>", "the earlier snapshot: id, latest or latest~N")
    .argument("<b>", "the later snapshot")
    .argument("[path]", "only this file or folder")
    .option("--metadata", "also what changed in mode, owner, time or attributes only")
    .addHelpText(
      "after",
      `
Each line begins with what happened: + added, - removed, M content changed, T type changed,
U only mode, owner, time or attributes changed (with --metadata).

Examples:
  varve diff latest~1 latest
  varve diff 1a2b3c4d 5e6f7a8b /etc --json`,
    );
  addFilterOptions(command);
  command.action(run<DiffFlags>(diff));
};

async function diff(
  context: CliContext,
  args: readonly string[],
  flags: DiffFlags,
): Promise<undefined> {
  const [{ loadIndex, withRepository }, { diffSnapshots, newDiffTotals }, { chooseSnapshot }] =
    await Promise.all([
      import("../open-repository.ts"),
      import("../../engine/diff.ts"),
      import("./selection.ts"),
    ]);
  const [before, after, path] = args;
  await withRepository(context, async ({ repository }) => {
    const records = await repository.snapshots();
    const a = chooseSnapshot(context, records, { ...flags, name: before });
    const b = chooseSnapshot(context, records, { ...flags, name: after });
    for (const record of [a, b]) tellAbsent(context, record);
    await loadIndex(context, repository);
    const totals = newDiffTotals();
    const changes = diffSnapshots(repository.catalog(a), repository.catalog(b), totals, {
      metadata: flags.metadata === true,
      ...(path === undefined ? {} : { prefix: snapshotKey(path) }),
    });
    for await (const batch of changes) {
      context.signal.throwIfAborted();
      for (const change of batch) showChange(context, change);
    }
    showTotals(context, totals);
  });
}

/** What was not there to be read looks added or removed, and nobody did either. */
function tellAbsent({ output }: CliContext, { id, snapshot }: SnapshotRecord): void {
  for (const path of absentPaths(snapshot)) {
    output.warn(`${displayPath(path)} was absent when snapshot ${id.slice(0, 8)} was made`);
  }
}

const letters: Readonly<Record<CatalogChange["kind"], string>> = {
  added: "+",
  removed: "-",
  content: "M",
  type: "T",
  meta: "U",
  internal: "U",
};

function showChange({ output }: CliContext, { kind, before, after }: CatalogChange): void {
  const entry = after ?? before;
  if (entry === undefined) return;
  const path = pathFromKey(entry.key);
  const isFolder = entry.type === EntryType.folder;
  output.line(`${letters[kind]}  ${displayPath(path)}${isFolder ? "/" : ""}`);
  output.row({
    change: kind === "meta" ? "metadata" : kind,
    ...jsonPath(path),
    type_before: before === undefined ? null : typeNames[before.type],
    type_after: after === undefined ? null : typeNames[after.type],
    size_before: before?.size ?? null,
    size_after: after?.size ?? null,
  });
}

function showTotals({ output }: CliContext, totals: DiffTotals): void {
  const { added, removed, changed, changedBytesBefore, typeChanged, metaChanged } = totals;
  const text = ({ files, folders, others, bytes }: DiffCount) => {
    const entries = countOf(files + folders + others, "entry", "entries");
    return `${entries} (${formatBytes(bytes)})`;
  };
  output.summary(
    `${text(added)} added, ${text(removed)} removed, ${text(changed)} changed; ` +
      `${countOf(metaChanged, "entry", "entries")} with other metadata only.`,
  );
  output.row({
    totals: {
      added,
      removed,
      changed,
      changed_bytes_before: changedBytesBefore,
      type_changed: typeChanged,
      metadata_changed: metaChanged,
    },
  });
}
