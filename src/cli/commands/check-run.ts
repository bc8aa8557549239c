/** The work of `varve check`, from an open repository to the report. */
import { VarveError } from "../../base/errors.ts";
import { displayPath } from "../../base/raw-path.ts";
import type { Damage, HurtPath } from "../../engine/check/damage.ts";
import { type CheckOptions, type CheckReport, checkRepository } from "../../engine/check.ts";
import { type CalendarDuration, momentBefore } from "../../engine/retention-period.ts";
import type { Repository } from "../../repo/repository.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatBytes, formatCount, formatDuration } from "../human.ts";
import { jsonPath } from "../path-arguments.ts";
import { safeLine } from "../safe-text.ts";
import { formatTable } from "../table.ts";
import type { CheckFlags } from "./check.ts";

/** Paths shown to people for one damaged object; JSON has more. */
const pathsShownMax = 20;

export async function runCheck(
  context: CliContext,
  repository: Repository,
  flags: CheckFlags,
): Promise<void> {
  const startMs = context.clock.monotonicMs();
  const report = await context.withProgress("check", (line) =>
    checkRepository(repository, {
      ...optionsOf(context, flags),
      signal: context.signal,
      onProgress: ({ phase, done, total, bytes, bytesTotal }) =>
        line.update({
          phase: `check ${phase}`,
          ...(total > 0 ? { steps: { done, total } } : {}),
          ...(bytesTotal > 0 ? { bytes, bytesTotal } : {}),
        }),
    }),
  );
  show(context, report);
  const ms = context.clock.monotonicMs() - startMs;
  context.output.summary(summaryLine(report, ms));
  writeJson(context, report, ms);
  if (report.isClean) return;
  const count = countOf(report.damageCount, "object is damaged", "objects are damaged");
  const hurt = countOf(report.hurtSnapshots.length, "snapshot is hurt", "snapshots are hurt");
  throw new VarveError("damage-found", `${count} or absent; ${hurt}.`, {
    hint: "See `varve help repair`. A prune that meets the damage stops, and removes nothing.",
  });
}

function optionsOf(context: CliContext, flags: CheckFlags): CheckOptions {
  const { threads } = context.globals;
  const { readDataSubset, maxAge, budget } = flags;
  return {
    readData: flags.readData === true,
    ...(readDataSubset === undefined ? {} : { readDataSubset }),
    ...(maxAge === undefined ? {} : { maxAgeMs: ageMs(context, maxAge) }),
    ...(budget === undefined ? {} : { budgetBytes: budget }),
    ...(threads === undefined ? {} : { threads }),
  };
}

function ageMs(context: CliContext, duration: CalendarDuration): number {
  const nowNs = context.clock.nowNs();
  return Number((nowNs - momentBefore(nowNs, duration, context.zone)) / 1_000_000n);
}

function show(context: CliContext, report: CheckReport): void {
  const { output } = context;
  for (const note of report.notes) {
    // After each prune the oldest snapshot misses the one before it.
    if (note.kind === "previous-absent") output.detail(`note: ${note.message}`);
    else output.note(`note: ${note.message}`);
  }
  if (report.isClean) return;
  const rows = report.damage.map((damage) => [
    damage.kind,
    shortName(damage),
    String(damage.snapshots.length),
    formatCount(damage.entriesHurt),
    safeLine(damage.message),
  ]);
  const columns = [
    { title: "Kind" },
    { title: "Object" },
    { title: "Snapshots", align: "right" },
    { title: "Entries", align: "right" },
    { title: "Damage" },
  ] as const;
  output.lines(formatTable(columns, rows));
  for (const damage of report.damage) output.lines(hurtLines(damage));
}

function shortName({ object }: Damage): string {
  return object.replace(/[0-9a-f]{32,}/g, (hex) => hex.slice(0, 12));
}

function hurtLines(damage: Damage): string[] {
  if (damage.paths.length === 0) return [];
  const shown = damage.paths.slice(0, pathsShownMax).map(hurtLine);
  const more = damage.entriesHurt - shown.length;
  return [
    "",
    `Hurt by ${damage.kind} ${shortName(damage)}:`,
    ...shown,
    ...(more > 0 ? [`  and ${formatCount(more)} more in all snapshots`] : []),
  ];
}

function hurtLine({ snapshot, path, lastPath }: HurtPath): string {
  const range = lastPath === undefined ? "" : ` up to ${safeLine(displayPath(lastPath))}`;
  return `  ${snapshot.slice(0, 8)}  ${safeLine(displayPath(path))}${range}`;
}

function summaryLine(report: CheckReport, ms: number): string {
  const { data } = report;
  const packs = `${countOf(report.packs, "pack")} (${formatBytes(report.packBytes)})`;
  const parts = [
    report.isClean ? "No damage" : `Damage: ${countOf(report.damageCount, "object")}`,
    `${countOf(report.snapshots, "snapshot")}, ${packs}`,
    data === undefined
      ? "structure only"
      : `${formatBytes(data.bytes)} of ${formatBytes(data.bytesAll)} read and verified`,
    formatDuration(ms),
  ];
  return `${parts.join("; ")}.`;
}

function writeJson(context: CliContext, report: CheckReport, ms: number): void {
  const { data } = report;
  context.output.row({
    clean: report.isClean,
    damage_count: report.damageCount,
    damage: report.damage.map((damage) => ({
      kind: damage.kind,
      object: damage.object,
      message: damage.message,
      snapshots: damage.snapshots,
      entries_hurt: damage.entriesHurt,
      paths: damage.paths.map((hurt) => ({
        snapshot_id: hurt.snapshot,
        ...jsonPath(hurt.path),
        last_path: hurt.lastPath === undefined ? null : jsonPath(hurt.lastPath).path,
        entries: hurt.entries,
      })),
    })),
    hurt_snapshots: report.hurtSnapshots.map((hurt) => ({
      snapshot_id: hurt.snapshot,
      entries_hurt: hurt.entriesHurt,
    })),
    notes: report.notes.map(({ kind, message, count, objects }) => ({
      kind,
      message,
      count,
      objects,
    })),
    snapshots: report.snapshots,
    key_slots: report.keySlots,
    sessions: report.sessions,
    index_objects: report.indexObjects,
    packs: report.packs,
    pack_bytes: report.packBytes,
    orphan_packs: report.orphanPacks,
    dying_packs: report.dyingPacks,
    read_packs: data?.packs ?? 0,
    read_bytes: data?.bytes ?? 0,
    readable_packs: data?.packsAll ?? null,
    readable_bytes: data?.bytesAll ?? null,
    duration_seconds: Math.round(ms) / 1000,
  });
}
