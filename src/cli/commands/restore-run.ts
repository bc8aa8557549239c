/** The work of `varve restore`, from an open repository to the report. */
import { VarveError } from "../../base/errors.ts";
import { displayPath, pathFromKey } from "../../base/raw-path.ts";
import type { RestoreThreads } from "../../engine/restore/restore-threads.ts";
import {
  type RestoreAction,
  type RestoreOptions,
  type RestoreProblem,
  type RestoreResult,
  restoreSnapshot,
} from "../../engine/restore.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import { normalizePath } from "../../sources/source-plan.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatBytes, formatDuration, formatTime, isoTime } from "../human.ts";
import { loadIndex } from "../open-repository.ts";
import type { JsonRow } from "../output.ts";
import { jsonPath, snapshotKey, sourcePath } from "../path-arguments.ts";
import { safeLine } from "../safe-text.ts";
import type { RestoreFlags } from "./restore.ts";
import { chooseSnapshot } from "./selection.ts";

/** Problems told in full; the others are only counted. */
const problemsMax = 1000;
/** A thread more costs 0.1 s of CPU. */
const largeBytesMin = 64 * 1024 * 1024;

export async function runRestore(
  context: CliContext,
  repository: Repository,
  args: readonly string[],
  flags: RestoreFlags,
  workers: RestoreThreads,
): Promise<void> {
  const { name, paths } = splitArguments(args, flags);
  const options = optionsOf(context, flags, paths);
  const records = await repository.snapshots();
  const covered = paths.map((path) => pathFromKey(snapshotKey(path)));
  const record = chooseSnapshot(context, records, { ...flags, name, covered });
  if (flags.dryRun !== true && isLarge(record, paths)) workers.start();
  await loadIndex(context, repository);
  tellChosen(context, record, flags);
  const told: JsonRow[] = [];
  const startMs = context.clock.monotonicMs();
  const result = await context.withProgress("restore", (line) =>
    restoreSnapshot(repository, record, {
      ...options,
      workers,
      signal: context.signal,
      onProblem: (problem) => tellProblem(context, problem, told),
      // To make the path of each entry that nobody is told of costs as much as to plan it.
      ...(flags.dryRun === true || context.output.verbose
        ? { onAction: (action: RestoreAction) => tellAction(context, action, flags) }
        : {}),
      onProgress: ({ phase, files, bytes }) =>
        line.update({ phase, files, bytes, ...totalOf(record, paths) }),
    }),
  );
  report(context, { record, result, flags, told, ms: context.clock.monotonicMs() - startMs });
  if (result.failed === 0 && result.problems === 0) return;
  throw new VarveError("restore-incomplete", incompleteText(result), {
    hint: "What is missing was named above; everything else is restored.",
  });
}

/** `restore --at TIME PATH…` has no snapshot name before the paths. */
function splitArguments(args: readonly string[], flags: RestoreFlags) {
  const [first, ...rest] = args;
  const isPath = first?.includes("/") === true || flags.at !== undefined;
  if (first === undefined || isPath) return { name: undefined, paths: args };
  return { name: first, paths: rest };
}

function optionsOf(
  context: CliContext,
  flags: RestoreFlags,
  paths: readonly string[],
): RestoreOptions {
  const { threads } = context.globals;
  return {
    target: normalizePath(sourcePath(flags.target)),
    paths: paths.map((path) => snapshotKey(path)),
    strip: flags.strip ?? 0,
    overwrite: flags.overwrite ?? "always",
    delete: flags.delete === true,
    dryRun: flags.dryRun === true,
    verify: flags.verify === true,
    sparse: flags.sparse === true,
    numericOwner: flags.numericOwner === true,
    ...(threads === undefined ? {} : { threads }),
  };
}

/** Certainly work for all threads. */
function isLarge({ snapshot }: SnapshotRecord, paths: readonly string[]): boolean {
  return paths.length === 0 && snapshot.totals.bytes > largeBytesMin;
}

/** Everything has a known size; some paths do not. */
function totalOf({ snapshot }: SnapshotRecord, paths: readonly string[]) {
  return paths.length === 0 ? { bytesTotal: snapshot.totals.bytes } : {};
}

/** Where the newest was meant, or a time, people want to know which one that was. */
function tellChosen(context: CliContext, { id, snapshot }: SnapshotRecord, flags: RestoreFlags) {
  const time = formatTime(snapshot.timeNs, context.zone);
  const target = safeLine(flags.target);
  context.output.note(
    `Snapshot ${id.slice(0, 8)} of ${time} (${safeLine(snapshot.series)}) -> ${target}`,
  );
}

function tellProblem(context: CliContext, problem: RestoreProblem, told: JsonRow[]): void {
  const { path, operation, code, message } = problem;
  if (told.length >= problemsMax) return;
  told.push({ ...jsonPath(path), operation, code, message });
  context.output.warn(`${displayPath(path)}: ${operation}: ${message}`);
}

function tellAction(context: CliContext, { action, path }: RestoreAction, flags: RestoreFlags) {
  const { output } = context;
  const text = `${action.padEnd(9)} ${displayPath(path)}`;
  if (flags.dryRun === true && action !== "unchanged") output.line(text);
  else output.detail(text);
}

interface RestoreReport {
  readonly record: SnapshotRecord;
  readonly result: RestoreResult;
  readonly flags: RestoreFlags;
  readonly told: readonly JsonRow[];
  readonly ms: number;
}

function report(context: CliContext, { record, result, flags, told, ms }: RestoreReport): void {
  const { output } = context;
  output.summary(summaryLine(result, flags, ms));
  if (result.stripped > 0) {
    const entries = countOf(result.stripped, "entry was", "entries were");
    output.warn(`${entries} left out: --strip leaves nothing of the path`);
  }
  if (result.ownersNotGiven > 0) {
    output.warn(`${countOf(result.ownersNotGiven, "owner")} could not be set: that takes root`);
  }
  if (result.setIdsNotGiven > 0) {
    const entries = countOf(result.setIdsNotGiven, "entry is", "entries are");
    output.warn(`${entries} without setuid or setgid, which would lend another owner's rights`);
  }
  output.row({
    snapshot_id: record.id,
    time: isoTime(record.snapshot.timeNs),
    dry_run: flags.dryRun === true,
    files: result.files,
    folders: result.folders,
    symlinks: result.symlinks,
    hard_links: result.hardLinks,
    specials: result.specials,
    bytes: result.bytes,
    created: result.created,
    replaced: result.replaced,
    unchanged: result.unchanged,
    kept: result.kept,
    stripped: result.stripped,
    deleted: result.deleted,
    verified: result.verified,
    failed: result.failed,
    problem_count: result.problems,
    owners_not_given: result.ownersNotGiven,
    set_ids_not_given: result.setIdsNotGiven,
    duration_seconds: Math.round(ms) / 1000,
    problems: told,
  });
}

function summaryLine(result: RestoreResult, flags: RestoreFlags, ms: number): string {
  const isDry = flags.dryRun === true;
  const verb = isDry ? "Would restore" : "Restored";
  const others = result.symlinks + result.hardLinks + result.specials;
  const what = `${countOf(result.files, "file")} and ${countOf(result.folders, "folder")}`;
  const parts = [
    `${verb} ${what}${others > 0 ? ` and ${countOf(others, "other entry", "other entries")}` : ""}`,
    isDry ? formatBytes(result.bytes) : `${formatBytes(result.bytes)} in ${formatDuration(ms)}`,
  ];
  const counts: [number, string][] = [
    [result.unchanged, isDry ? "are there already" : "were there already"],
    [result.kept, isDry ? "would be left as they are" : "left as they were"],
    [result.deleted, isDry ? "would be deleted" : "deleted"],
    [result.verified, "read back and equal"],
    [result.failed, isDry ? "would fail" : "failed"],
  ];
  for (const [count, text] of counts) if (count > 0) parts.push(`${count} ${text}`);
  return `${parts.join("; ")}.`;
}

function incompleteText({ failed, problems }: RestoreResult): string {
  const what =
    failed > 0
      ? `${countOf(failed, "entry", "entries")} could not be restored`
      : "All entries are there";
  return `${what}; ${countOf(problems, "problem")} in all.`;
}
