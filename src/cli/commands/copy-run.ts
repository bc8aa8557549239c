/** The work of `varve copy`, from two open repositories to the report. */
import { VarveError } from "../../base/errors.ts";
import { type CopyFailure, type CopyResult, copySnapshots } from "../../engine/copy.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatBytes, formatDuration, formatTime } from "../human.ts";
import { safeLine } from "../safe-text.ts";
import type { CopyFlags } from "./copy.ts";
import { filterRecords, resolveSnapshot } from "./selection.ts";
import { latestOfEach } from "./snapshots.ts";

export interface CopyPair {
  readonly source: Repository;
  readonly target: Repository;
}

export async function runCopy(
  context: CliContext,
  { source, target }: CopyPair,
  names: readonly string[],
  flags: CopyFlags,
): Promise<void> {
  const startMs = context.clock.monotonicMs();
  const result = await context.withProgress("copy", (line) =>
    copySnapshots(source, target, {
      choose: (records) => chosen(records, names, flags),
      dryRun: flags.dryRun === true,
      signal: context.signal,
      onProgress: ({ snapshots, snapshotsTotal, bytes }) =>
        line.update({ steps: { done: snapshots, total: snapshotsTotal }, bytes }),
      onCopied: ({ record }) => tellCopied(context, record),
    }),
  );
  // A snapshot that nobody asked for may be as damaged as it likes.
  const failed = result.failed.filter(({ record }) => record !== undefined || names.length === 0);
  for (const failure of failed) tellFailure(context, failure);
  const ms = context.clock.monotonicMs() - startMs;
  context.output.summary(summaryLine(result, flags, ms));
  writeJson(context, { ...result, failed }, { source, target }, flags, ms);
  if (failed.length === 0) return;
  const count = countOf(failed.length, "snapshot needs", "snapshots need");
  throw new VarveError("damage-found", `${count} what is damaged or absent, and was not copied.`, {
    hint: "Run `varve check --read-data` on the one that is copied; see `varve help repair`.",
  });
}

function chosen(
  records: readonly SnapshotRecord[],
  names: readonly string[],
  flags: CopyFlags,
): readonly SnapshotRecord[] {
  const filtered = filterRecords(records, flags);
  const named = new Set(names.map((name) => resolveSnapshot(filtered, name)));
  const wanted = names.length === 0 ? filtered : filtered.filter((record) => named.has(record));
  return latestOfEach(wanted, flags.latest);
}

function tellCopied({ output, zone }: CliContext, { id, snapshot }: SnapshotRecord): void {
  const time = formatTime(snapshot.timeNs, zone);
  output.detail(`${id.slice(0, 8)}  ${time}  ${safeLine(snapshot.series)}`);
}

function tellFailure({ output }: CliContext, { id, error }: CopyFailure): void {
  const { blob } = error.context;
  const which = blob === undefined ? "" : ` (blob ${String(blob).slice(0, 12)})`;
  output.warn(`snapshot ${id.slice(0, 8)} was not copied: ${error.message}${which}`);
}

function summaryLine({ copied, present, added }: CopyResult, flags: CopyFlags, ms: number) {
  const isDry = flags.dryRun === true;
  const count = `${isDry ? "Would copy" : "Copied"} ${countOf(copied.length, "snapshot")}`;
  const there = present.length === 0 ? "" : ` (${present.length} there already)`;
  const size = isDry
    ? `about ${formatBytes(added.rawBytes)} before compression`
    : `${formatBytes(added.bytes)} added in ${countOf(added.blobs, "blob")}`;
  return `${[`${count}${there}`, size, formatDuration(ms)].join("; ")}.`;
}

function writeJson(
  context: CliContext,
  { copied, present, failed, added, readBytes }: CopyResult,
  { source, target }: CopyPair,
  flags: CopyFlags,
  ms: number,
): void {
  context.output.row({
    dry_run: flags.dryRun === true,
    repository_id: source.description.id,
    to_repository_id: target.description.id,
    copied_count: copied.length,
    copied: copied.map(({ record, id }) => ({ snapshot_id: record.id, copy_id: id ?? null })),
    present_count: present.length,
    failed: failed.map(({ id, error }) => ({
      snapshot_id: id,
      code: error.code,
      message: error.message,
      blob: error.context["blob"] ?? null,
    })),
    read_bytes: readBytes,
    added_blobs: added.blobs,
    added_bytes: added.bytes,
    added_raw_bytes: added.rawBytes,
    duration_seconds: Math.round(ms) / 1000,
  });
}
