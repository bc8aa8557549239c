/** `varve snapshots`: lists snapshots, oldest first. */

import { toHex } from "../../base/ids.ts";
import { displayPath } from "../../base/raw-path.ts";
import { absentPaths, type Snapshot } from "../../repo/format/snapshot.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatBytes, formatCount, formatTime, isoTime } from "../human.ts";
import type { JsonRow } from "../output.ts";
import { jsonPath } from "../path-arguments.ts";
import { safeLine } from "../safe-text.ts";
import { parseCount } from "../size-parse.ts";
import { type Column, formatTable, shorten } from "../table.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

interface SnapshotsFlags extends FilterOptions {
  readonly latest?: number;
}

export const define: Define = (command, run) => {
  command
    .description("List snapshots, the newest last.")
    .option("--latest <n>", "only the newest n of each series", (text) => parseCount(text, 1));
  addFilterOptions(command).addHelpText(
    "after",
    `
Examples:
  varve snapshots
  varve snapshots --latest 1
  varve snapshots --host web1 --json | jq -r .id`,
  );
  command.action(run<SnapshotsFlags>(snapshots));
};

async function snapshots(
  context: CliContext,
  _args: readonly string[],
  flags: SnapshotsFlags,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { filterRecords } = await import("./selection.ts");
  await withRepository(context, async ({ repository }) => {
    const { records, damaged } = await repository.listSnapshots();
    const wanted = latestOfEach(filterRecords(records, flags), flags.latest);
    showSnapshots(context, wanted);
    for (const { id } of damaged) {
      context.output.warn(`snapshot ${id.slice(0, 8)} is damaged; run \`varve check\``);
    }
  });
}

/** The newest `count` of each series; without a count all. */
export function latestOfEach(records: readonly SnapshotRecord[], count: number | undefined) {
  if (count === undefined) return records;
  const seen = new Map<string, number>();
  const latest = records.toReversed().filter(({ snapshot }) => {
    const key = `${snapshot.host}\0${snapshot.series}`;
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return before < count;
  });
  return latest.reverse();
}

const columns: readonly Column[] = [
  { title: "ID" },
  { title: "Time" },
  { title: "Host" },
  { title: "Paths" },
  { title: "Tags" },
  { title: "Files", align: "right" },
  { title: "Size", align: "right" },
];

function showSnapshots(context: CliContext, records: readonly SnapshotRecord[]): void {
  const { output, zone } = context;
  if (output.json) {
    for (const record of records) output.row(snapshotRow(record));
    return;
  }
  if (records.length === 0) {
    output.summary("There are no snapshots.");
    return;
  }
  const rows = records.map(({ id, snapshot }) => [
    id.slice(0, 8),
    formatTime(snapshot.timeNs, zone),
    safeLine(snapshot.host),
    safeLine(whatOf(snapshot)),
    safeLine(snapshot.tags.join(",")),
    formatCount(snapshot.totals.files),
    formatBytes(snapshot.totals.bytes) + (snapshot.problems > 0 ? " !" : ""),
  ]);
  output.lines(formatTable(columns, rows));
  output.summary(countOf(records.length, "snapshot"));
  if (records.some(({ snapshot }) => snapshot.problems > 0)) {
    output.summary("! some of the source could not be read");
  }
}

function whatOf(snapshot: Snapshot): string {
  const { seriesParts, paths } = snapshot;
  const absent = absentPaths(snapshot).map((path) => `(absent: ${displayPath(path)})`);
  const shown = shorten([...absent, ...paths.map(displayPath)].join(" "), 60);
  return seriesParts.name === undefined ? shown : `${seriesParts.name}: ${shown}`;
}

/** The completion scripts rely on \`id\` coming first. */
export function snapshotRow({ id, snapshot }: SnapshotRecord): JsonRow {
  return {
    id,
    time: isoTime(snapshot.timeNs),
    started: isoTime(snapshot.startedNs),
    ended: isoTime(snapshot.endedNs),
    host: snapshot.host,
    user: snapshot.user,
    series: snapshot.series,
    series_name: snapshot.seriesParts.name ?? null,
    paths: snapshot.paths.map((path) => jsonPath(path)),
    absent_paths: absentPaths(snapshot).map((path) => jsonPath(path)),
    tags: snapshot.tags,
    entries: snapshot.totals.entries,
    files: snapshot.totals.files,
    folders: snapshot.totals.folders,
    bytes: snapshot.totals.bytes,
    added_blobs: snapshot.added.blobs,
    added_bytes: snapshot.added.bytes,
    added_raw_bytes: snapshot.added.rawBytes,
    previous: snapshot.previous,
    root: toHex(snapshot.root),
    program: snapshot.program,
    problems: snapshot.problems,
  };
}
