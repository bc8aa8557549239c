/** The work of `varve prune`: decide, forget, free space, report. */
import { VarveError } from "../../base/errors.ts";
import type { SnapshotId } from "../../base/ids.ts";
import type { TimeZone } from "../../base/time-zone.ts";
import { type PruneResult, prune } from "../../engine/prune.ts";
import {
  applyRetention,
  type RetentionItem,
  type RetentionRules,
  type SeriesRetention,
} from "../../engine/retention.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatBytes, formatTime, isoTime } from "../human.ts";
import type { Output } from "../output.ts";
import { safeLine } from "../safe-text.ts";
import { formatTable } from "../table.ts";
import { rulesOf } from "./keep-rules.ts";
import type { PruneFlags } from "./prune.ts";
import { filterRecords, readableRecords } from "./selection.ts";

interface Item extends RetentionItem {
  readonly record: SnapshotRecord;
}

type Decisions = readonly SeriesRetention<Item>[];

export async function runPrune(
  context: CliContext,
  repository: Repository,
  flags: PruneFlags,
): Promise<void> {
  const dryRun = flags.dryRun === true;
  const rules = rulesOf(flags, context.zone);
  const records = await readableRecords(repository);
  const decisions = rules === undefined ? [] : decide(filterRecords(records, flags), rules);
  const zone = rules?.zone ?? context.zone;
  if (dryRun || context.output.verbose) showDecisions(context.output, decisions, zone);
  if (!dryRun && flags.force !== true) refuseEmptying(decisions);
  const forgotten = decisions.flatMap((series) =>
    series.decisions.filter((decision) => !decision.keep).map(({ item }) => item.id),
  );
  const result = await context.withProgress("prune", (line) =>
    prune(repository, {
      dryRun,
      forget: forgotten,
      ...(flags.maxUnused === undefined ? {} : { maxUnused: flags.maxUnused }),
      ...(flags.maxRepack === undefined ? {} : { maxRepackBytes: flags.maxRepack }),
      signal: context.signal,
      onProgress: (phase, done, total) => line.update({ phase, steps: { done, total } }),
    }),
  );
  report(context, { result, decisions, forgotten, dryRun, count: records.length, zone });
}

function decide(records: readonly SnapshotRecord[], rules: RetentionRules): Decisions {
  const items = records.map((record) => {
    const { timeNs, tags } = record.snapshot;
    return { id: record.id, timeNs, tags, series: seriesKey(record), record };
  });
  return applyRetention(items, rules);
}

/** Equal for snapshots of the same thing; two hosts may have given a series the same name. */
function seriesKey({ snapshot }: SnapshotRecord): string {
  const { host, name, paths } = snapshot.seriesParts;
  return JSON.stringify([host, name ?? null, paths ?? null]);
}

function seriesName(series: SeriesRetention<Item>): string {
  return series.decisions[0]?.item.record.snapshot.series ?? "";
}

/** For people: a name that was given is told with its host, as several hosts may have given it. */
function seriesTitle(series: SeriesRetention<Item>): string {
  const { name, host } = series.decisions[0]?.item.record.snapshot.seriesParts ?? {};
  return safeLine(name === undefined ? seriesName(series) : `${name} of ${host}`);
}

function refuseEmptying(decisions: Decisions): void {
  const emptied = decisions.find((series) => series.emptied);
  if (emptied === undefined) return;
  const count = countOf(emptied.decisions.length, "snapshot");
  const name = seriesTitle(emptied);
  throw new VarveError("retention-refused", `The rules would remove all of ${name} (${count}).`, {
    hint: "Nothing was removed. Look with --dry-run; --force does it all the same.",
  });
}

/** All times are those of `zone`, whose hours and days the rules count. */
function showDecisions(output: Output, decisions: Decisions, zone: TimeZone): void {
  if (decisions.length > 0) output.line(`Hours and days are those of ${zone.name}.`);
  for (const series of decisions) {
    const title = seriesTitle(series);
    output.line(`Series ${title}:`);
    const rows = series.decisions.map(({ item, keep, reasons }) => [
      keep ? "  keep" : "  forget",
      item.id.slice(0, 8),
      formatTime(item.timeNs, zone),
      safeLine(reasons.map((reason) => reason.text).join("; ")),
    ]);
    const columns = ["", "", "", ""].map((title) => ({ title }));
    output.lines(formatTable(columns, rows).slice(1));
    if (series.emptied) output.warn(`These rules remove all of ${title}: that needs --force.`);
  }
}

interface PruneReport {
  readonly result: PruneResult;
  readonly decisions: Decisions;
  readonly forgotten: readonly SnapshotId[];
  readonly dryRun: boolean;
  /** Snapshots before. */
  readonly count: number;
  readonly zone: TimeZone;
}

function report(context: CliContext, all: PruneReport): void {
  const { output } = context;
  const { result, decisions, forgotten, dryRun, count } = all;
  const { plan, orphans, sweep } = result;
  output.summary(summaryLine(all));
  output.row({
    dry_run: dryRun,
    snapshots: count,
    time_zone: all.zone.name,
    forgotten_count: forgotten.length,
    forgotten,
    series: decisions.map((series) => ({
      series: seriesName(series),
      host: series.decisions[0]?.item.record.snapshot.host ?? "",
      emptied: series.emptied,
      snapshots: series.decisions.map(({ item, keep, reasons }) => ({
        id: item.id,
        time: isoTime(item.timeNs),
        keep,
        reasons: reasons.map((reason) => reason.text),
      })),
    })),
    dropped_packs: plan.drop.length,
    dropped_bytes: plan.droppedBytes,
    rewritten_packs: plan.rewrite.length,
    rewritten_bytes: plan.rewrittenBytes,
    kept_packs: plan.keptPacks,
    used_bytes: plan.usedBytes,
    unused_bytes: plan.unusedBytes,
    freed_bytes: plan.freedBytes,
    orphan_packs: orphans.packs,
    orphan_bytes: orphans.bytes,
    deleted_packs: sweep?.deletedPacks ?? 0,
    deleted_bytes: sweep?.deletedBytes ?? 0,
    waiting_packs: sweep?.waitingPacks ?? 0,
    fenced_sessions: sweep?.fencedSessions ?? 0,
  });
}

function summaryLine({ result, forgotten, dryRun, count }: PruneReport): string {
  const { plan, orphans, sweep } = result;
  const [forgot, freed] = dryRun ? ["Would forget", "would free"] : ["Forgot", "freed"];
  const bytes = dryRun ? plan.freedBytes + orphans.bytes : (sweep?.deletedBytes ?? 0);
  const packs = plan.drop.length + orphans.packs;
  const parts = [
    `${forgot} ${forgotten.length} of ${countOf(count, "snapshot")}`,
    `${freed} ${formatBytes(bytes)}`,
    `${countOf(packs, "pack")} dropped, ${plan.rewrite.length} rewritten`,
    `${formatBytes(plan.usedBytes)} in use, ${formatBytes(plan.unusedBytes)} unused`,
  ];
  if (sweep !== undefined && sweep.waitingPacks > 0) {
    parts.push(`${countOf(sweep.waitingPacks, "pack")} wait for others at work`);
  }
  return `${parts.join("; ")}.`;
}
