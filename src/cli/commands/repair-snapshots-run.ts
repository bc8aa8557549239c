/** The work of `varve repair snapshots`. */
import { displayPath } from "../../base/raw-path.ts";
import type { HurtPath } from "../../engine/check.ts";
import {
  type RepairedSnapshot,
  type RepairSnapshotsResult,
  repairSnapshots,
} from "../../engine/repair-snapshots.ts";
import type { Repository } from "../../repo/repository.ts";
import type { CliContext } from "../context.ts";
import { countOf } from "../human.ts";
import type { JsonRow } from "../output.ts";
import { jsonPath } from "../path-arguments.ts";
import { safeLine } from "../safe-text.ts";
import type { RepairFlags } from "./repair.ts";
import { resolveSnapshot } from "./selection.ts";

/** Dropped paths named in the JSON result. */
const droppedMax = 10_000;

export async function runRepairSnapshots(
  context: CliContext,
  repository: Repository,
  names: readonly string[],
  flags: RepairFlags,
): Promise<void> {
  const { output, signal } = context;
  const { records } = await repository.listSnapshots();
  const chosen = names.map((name) => resolveSnapshot(records, name).id);
  const dropped: JsonRow[] = [];
  const result = await repairSnapshots(repository, {
    ...(chosen.length === 0 ? {} : { snapshots: chosen }),
    forget: flags.forget === true,
    dryRun: flags.dryRun === true,
    signal,
    onDropped: (hurt) => {
      output.line(droppedLine(hurt));
      if (dropped.length < droppedMax) dropped.push(droppedJson(hurt));
    },
  });
  for (const { object, message } of result.unreadable) {
    output.warn(`${object}: ${safeLine(message)}`);
  }
  for (const repaired of result.repaired) output.line(repairedLine(repaired));
  report(context, result, dropped, flags);
}

function droppedLine({ snapshot, path, lastPath }: HurtPath): string {
  const range = lastPath === undefined ? "" : ` up to ${displayPath(lastPath)}`;
  return `${snapshot.slice(0, 8)}  drops ${displayPath(path)}${range}`;
}

function droppedJson({ snapshot, path, lastPath, entries }: HurtPath): JsonRow {
  const last_path = lastPath === undefined ? null : jsonPath(lastPath).path;
  return { snapshot_id: snapshot, ...jsonPath(path), last_path, entries };
}

function repairedLine({ id, replacement, earlier, forgotten, ...counts }: RepairedSnapshot) {
  const now = replacement ?? earlier;
  const what =
    now === undefined
      ? "nothing is left of it, or this is a dry run"
      : `${now.slice(0, 8)} stands for it`;
  const lost = countOf(counts.droppedEntries, "entry", "entries");
  return `${id.slice(0, 8)}  ${lost} dropped; ${what}${forgotten ? "; forgotten" : ""}`;
}

function report(
  context: CliContext,
  result: RepairSnapshotsResult,
  dropped: readonly JsonRow[],
  flags: RepairFlags,
): void {
  const { output } = context;
  const { repaired, unreadable, whole } = result;
  const dryRun = flags.dryRun === true;
  output.summary(
    `${dryRun ? "Would repair" : "Repaired"} ${countOf(repaired.length, "snapshot")}; ` +
      `${whole} lack nothing; ${unreadable.length} cannot be read.`,
  );
  if (!dryRun && flags.forget !== true && repaired.length > 0) {
    output.note("The hurt originals are still there; --forget removes them.");
  }
  output.row({
    dry_run: dryRun,
    repaired: repaired.map((one) => ({
      snapshot_id: one.id,
      replacement_id: one.replacement ?? one.earlier ?? null,
      dropped_entries: one.droppedEntries,
      made_up_folders: one.madeUpFolders,
      entries_left: one.entriesLeft,
      forgotten: one.forgotten,
    })),
    unreadable: unreadable.map(({ object, message, forgotten }) => ({
      object,
      message,
      forgotten,
    })),
    whole,
    dropped,
  });
}
