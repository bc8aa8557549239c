/** The work of `varve stats`. */
import { repositoryStats } from "../../engine/stats.ts";
import type { Repository } from "../../repo/repository.ts";
import type { CliContext } from "../context.ts";
import { formatBytes, formatCount, isoTime } from "../human.ts";
import { formatTable } from "../table.ts";
import { filterRecords, resolveSnapshot } from "./selection.ts";
import type { FilterOptions } from "./snapshot-filter.ts";

export async function runStats(
  context: CliContext,
  repository: Repository,
  names: readonly string[],
  filter: FilterOptions,
): Promise<void> {
  const { output, signal } = context;
  const records = filterRecords(await repository.snapshots(), filter);
  const named = names.map((name) => resolveSnapshot(records, name));
  const ids = [...new Set((names.length === 0 ? records : named).map(({ id }) => id))];
  const stats = await context.withProgress("stats", (line) =>
    repositoryStats(repository, {
      snapshots: ids,
      signal,
      onSnapshot: (done, total) => line.update({ steps: { done, total } }),
    }),
  );
  const times = (factor: number) => `${factor.toFixed(2)} x`;
  const rows = [
    ["Snapshots", formatCount(stats.snapshots.length)],
    ["Entries in them", formatCount(stats.entries)],
    ["Bytes in them", formatBytes(stats.logicalBytes)],
    ["Distinct bytes", formatBytes(stats.uniqueBytes)],
    ["Catalog bytes", formatBytes(stats.catalogBytes)],
    ["Stored bytes", formatBytes(stats.storedBytes)],
    ["Deduplication", times(stats.deduplication)],
    ["Compression", times(stats.compression)],
    ["Blobs", formatCount(stats.blobs)],
    ["Packs", `${formatCount(stats.packs)} (${formatBytes(stats.packBytes)})`],
    ["Repository", `${formatCount(stats.objects)} objects (${formatBytes(stats.objectBytes)})`],
  ];
  output.lines(formatTable([{ title: "" }, { title: "" }], rows).slice(1));
  if (stats.absentBlobs > 0) {
    output.warn(`${formatCount(stats.absentBlobs)} blobs are absent; run \`varve check\``);
  }
  output.row({
    snapshots: stats.snapshots.map(({ id, timeNs, series, entries, files, restoreBytes }) => ({
      id,
      time: isoTime(timeNs),
      series,
      entries,
      files,
      restore_bytes: restoreBytes,
    })),
    entries: stats.entries,
    logical_bytes: stats.logicalBytes,
    unique_bytes: stats.uniqueBytes,
    catalog_bytes: stats.catalogBytes,
    stored_bytes: stats.storedBytes,
    deduplication: stats.deduplication,
    compression: stats.compression,
    blobs: stats.blobs,
    absent_blobs: stats.absentBlobs,
    packs: stats.packs,
    pack_bytes: stats.packBytes,
    objects: stats.objects,
    object_bytes: stats.objectBytes,
  });
}
