/** `varve find`: which snapshots hold paths of a pattern. */

import { EntryType } from "../../base/entry.ts";
import type { FindQuery, FoundEntry } from "../../engine/find.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { formatTime, isoTime } from "../human.ts";
import { rawArgument } from "../path-arguments.ts";
import { safeLine } from "../safe-text.ts";
import { parseSize } from "../size-parse.ts";
import { parseTime } from "../time-parse.ts";
import { entryJson, entryLine } from "./entry-rows.ts";
import { choice } from "./option-values.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

const { file, folder, symlink, fifo, charDevice, blockDevice } = EntryType;
const types = {
  file: [file],
  folder: [folder],
  symlink: [symlink],
  other: [fifo, charDevice, blockDevice],
} as const;
const typeChoices = Object.keys(types) as (keyof typeof types)[];

interface FindFlags extends FilterOptions {
  readonly ignoreCase?: boolean;
  readonly type?: (typeof typeChoices)[number];
  readonly newer?: string;
  readonly older?: string;
  readonly larger?: number;
  readonly smaller?: number;
  readonly long?: boolean;
}

export const define: Define = (command, run) => {
  command
    .description("Find paths in all snapshots, or in some.")
    .argument("<pattern>", "a name, or a pattern with *, ? and **; see `varve help patterns`")
    .option("-i, --ignore-case", "letters of both cases are equal")
    .addOption(choice("--type <type>", "only entries of this type", typeChoices))
    .option("--newer <time>", "only what was changed after this time")
    .option("--older <time>", "only what was changed before this time")
    .option("--larger <size>", "only files of at least this size", parseSize)
    .option("--smaller <size>", "only files of at most this size", parseSize)
    .option("-l, --long", "with mode, owner, size and time")
    .addHelpText(
      "after",
      `
Examples:
  varve find '*.ods'
  varve find --newer 2026-11-01 'report*'
  varve find '/home/*/.bashrc' --host web1`,
    );
  addFilterOptions(command);
  command.action(run<FindFlags>(find));
};

async function find(
  context: CliContext,
  [pattern = ""]: readonly string[],
  flags: FindFlags,
): Promise<undefined> {
  const { loadIndex, withRepository } = await import("../open-repository.ts");
  const { filterRecords } = await import("./selection.ts");
  const { Finder } = await import("../../engine/find.ts");
  const finder = new Finder(queryOf(context, pattern, flags));
  await withRepository(context, async ({ repository }) => {
    const records = filterRecords(await repository.snapshots(), flags);
    await loadIndex(context, repository);
    let count = 0;
    // What was lost last is what people look for.
    for (const record of records.toReversed()) {
      let isFirst = true;
      for await (const entries of finder.search(repository.catalog(record))) {
        context.signal.throwIfAborted();
        if (isFirst) context.output.line(`${count > 0 ? "\n" : ""}${heading(context, record)}`);
        isFirst = false;
        count += entries.length;
        show(context, record, entries, flags);
      }
    }
    if (count === 0) context.output.summary("Nothing was found.");
  });
}

function queryOf(context: CliContext, pattern: string, flags: FindFlags): FindQuery {
  const { zone, clock } = context;
  const time = (text: string) => parseTime(text, { nowNs: clock.nowNs(), zone, dayMeans: "start" });
  return {
    pattern: rawArgument(pattern),
    ignoreCase: flags.ignoreCase === true,
    ...(flags.type === undefined ? {} : { types: types[flags.type] }),
    ...(flags.newer === undefined ? {} : { newerNs: time(flags.newer) }),
    ...(flags.older === undefined ? {} : { olderNs: time(flags.older) }),
    ...(flags.larger === undefined ? {} : { sizeMin: flags.larger }),
    ...(flags.smaller === undefined ? {} : { sizeMax: flags.smaller }),
  };
}

function heading(context: CliContext, { id, snapshot }: SnapshotRecord): string {
  const time = formatTime(snapshot.timeNs, context.zone);
  return `Snapshot ${id.slice(0, 8)} of ${time} (${safeLine(snapshot.series)}):`;
}

function show(
  context: CliContext,
  record: SnapshotRecord,
  entries: readonly FoundEntry[],
  flags: FindFlags,
): void {
  const { output, zone } = context;
  const { id: snapshot_id, snapshot } = record;
  for (const entry of entries) {
    if (output.json) {
      output.row({ snapshot_id, snapshot_time: isoTime(snapshot.timeNs), ...entryJson(entry) });
    } else {
      output.line(`  ${entryLine(entry, zone, flags.long === true)}`);
    }
  }
}
