/** The work of `varve snapshot`, from an open repository to the report. */
import { type CatalogKey, displayPath, pathFromKey } from "../../base/raw-path.ts";
import {
  createSnapshot,
  type SnapshotOptions,
  type SnapshotProblem,
  type SnapshotResult,
} from "../../engine/snapshot.ts";
import type { CliContext } from "../context.ts";
import { ExitCode } from "../exit-code.ts";
import { countOf, formatBytes, formatCount, formatDuration, isoTime } from "../human.ts";
import type { CreatedRepository, OpenedRepository } from "../open-repository.ts";
import type { JsonRow } from "../output.ts";
import { jsonPath } from "../path-arguments.ts";
import { keyFileAdvice } from "./init.ts";

/** Problems named in the JSON result; all are counted. */
const problemsMax = 1000;
/** Notes named without --verbose, as sockets are; a busy host may have many files that vanish. */
const notesMax = 10;

export async function takeSnapshot(
  context: CliContext,
  opened: OpenedRepository,
  request: SnapshotOptions,
): Promise<ExitCode> {
  const { created } = opened;
  if (created !== undefined) tellCreated(context, created);
  const problems = new Problems(context);
  const startMs = context.clock.monotonicMs();
  const result = await context.withProgress("snapshot", (line) =>
    createSnapshot(opened.repository, {
      ...request,
      signal: context.signal,
      onProblem: (problem) => problems.add(problem),
      onProgress: ({ bytes, files, currentPath, expectedBytes }) =>
        line.update({
          bytes,
          files,
          current: displayPath(pathFromKey(currentPath as CatalogKey)),
          // What the snapshot before held is the best guess of what there is to do.
          ...(expectedBytes === undefined || bytes > expectedBytes
            ? {}
            : { bytesTotal: expectedBytes }),
        }),
    }),
  );
  const durationMs = context.clock.monotonicMs() - startMs;
  report(context, { result, problems, durationMs, created, isDry: request.dryRun === true });
  return problems.errors > 0 ? ExitCode.incomplete : ExitCode.done;
}

function tellCreated(context: CliContext, created: CreatedRepository): void {
  const { output } = context;
  output.note(`Created a repository at ${created.url}.`);
  if (created.keyFile !== undefined) output.note(keyFileAdvice(created.keyFile));
}

class Problems {
  readonly #context: CliContext;
  readonly first: JsonRow[] = [];
  errors = 0;
  notes = 0;

  constructor(context: CliContext) {
    this.#context = context;
  }

  add({ path, operation, code, message, severity }: SnapshotProblem): void {
    const { output } = this.#context;
    const shown = displayPath(path);
    if (severity === "error") {
      this.errors++;
      output.warn(`${shown}: ${operation}: ${message}`);
    } else {
      this.notes++;
      if (output.verbose || this.notes <= notesMax) output.note(`${shown}: ${message}`);
    }
    if (this.first.length < problemsMax) {
      this.first.push({ ...jsonPath(path), operation, code, message, severity });
    }
  }
}

interface SnapshotReport {
  readonly result: SnapshotResult;
  readonly problems: Problems;
  readonly durationMs: number;
  readonly created: CreatedRepository | undefined;
  readonly isDry: boolean;
}

function report(context: CliContext, told: SnapshotReport): void {
  const { output } = context;
  const { result, problems, durationMs, created, isDry } = told;
  if (result.lostPacks > 0) output.warn(lostPacksText(result.lostPacks, isDry));
  output.summary(summaryLine(told, output.verbose));
  const { snapshot, progress } = result;
  // Not what the walk met: an entry that could not be read is not in the snapshot.
  const { entries, files, folders, bytes } = snapshot.totals;
  output.row({
    snapshot_id: result.id ?? null,
    parent_id: result.parent ?? null,
    dry_run: isDry,
    unchanged: result.unchanged,
    time: isoTime(snapshot.timeNs),
    host: snapshot.host,
    series: snapshot.series,
    entries,
    files,
    folders,
    bytes,
    new_files: progress.newFiles,
    changed_files: progress.changedFiles,
    read_bytes: progress.readBytes,
    added_blobs: snapshot.added.blobs,
    added_bytes: snapshot.added.bytes,
    added_raw_bytes: snapshot.added.rawBytes,
    adopted_packs: result.adoptedPacks,
    lost_packs: result.lostPacks,
    duration_seconds: Math.round(durationMs) / 1000,
    problem_count: problems.errors,
    note_count: problems.notes,
    problems: problems.first,
    created_repository: created?.url ?? null,
    created_key_file: created?.keyFile ?? null,
  });
}

function lostPacksText(packs: number, isDry: boolean): string {
  const lost = packs === 1 ? "A pack is" : `${formatCount(packs)} packs are`;
  const stored = isDry ? "would be stored" : "was stored";
  return (
    `${lost} missing from the repository: what the source still has of it ${stored} again, ` +
    "older snapshots may lack the rest. If a disk is not mounted, put it back; else see " +
    "`varve check` and `varve help repair`."
  );
}

function summaryLine(told: SnapshotReport, isVerbose: boolean): string {
  const { result, problems, durationMs, isDry } = told;
  const { id, snapshot, progress } = result;
  const name = id === undefined ? "No snapshot made" : `Snapshot ${id.slice(0, 8)}`;
  const why = id !== undefined ? "" : isDry ? " (dry run)" : " (nothing changed)";
  const { newFiles, changedFiles } = progress;
  const change = `${formatCount(newFiles)} new, ${formatCount(changedFiles)} changed`;
  const { files, bytes: size } = snapshot.totals;
  const { bytes, rawBytes } = snapshot.added;
  const stored =
    bytes > 0 || rawBytes === 0
      ? formatBytes(bytes)
      : `${formatBytes(rawBytes)} before compression`;
  const hidden = problems.notes > notesMax && !isVerbose ? " (--verbose names all)" : "";
  const parts = [
    `${countOf(files, "file")} (${change}), ${formatBytes(size)}`,
    `stored ${stored} in ${formatDuration(durationMs)}`,
    ...(problems.errors > 0 ? [`${countOf(problems.errors, "path")} could not be read`] : []),
    ...(problems.notes > 0 ? [`${problems.notes} passed over${hidden}`] : []),
  ];
  return `${name}${why}: ${parts.join("; ")}.`;
}
