/**
 * Restores a snapshot, or some of its paths, into a folder.
 *
 * The main thread goes through the catalog in order, makes folders and nodes, and plans the content
 * of files in windows bounded in bytes (file-window.ts); ranges of packs are read once a window and
 * workers open, verify and write (window-runner.ts). Every file gets its name only when it is
 * complete; folders get their attributes when all in them is done. Nothing below the target is
 * reached through a symbolic link (target-tree.ts). Memory does not grow with the snapshot.
 *
 * On return everything is on the disk of the target's file system (0015 in docs/decisions; other
 * file systems mounted below it write theirs when they see fit); with `verify` it was read back as
 * well. When it is stopped half way, what is under its name is whole; folders that were not left
 * yet are still open to their owner only.
 */

import { hasCode, VarveError } from "../base/errors.ts";
import { type CatalogKey, displayPath, keyFromPath, type RawPath } from "../base/raw-path.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import type { Repository } from "../repo/repository.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { credentials } from "../sources/linux/process-calls.ts";
import { syncFileSystem } from "../sources/linux/write-calls.ts";
import { faultOf } from "../sources/target/target-faults.ts";
import { TemporaryNames } from "../sources/target/target-names.ts";
import { TargetOwners } from "../sources/target/target-owners.ts";
import { makeTarget, TargetTree, targetExists } from "../sources/target/target-tree.ts";
import { PackMemory } from "./check/pack-memory.ts";
import { BlobFetcher, rangeLimits } from "./restore/blob-fetcher.ts";
import { normalPaths, requirePaths, selectEntries } from "./restore/entry-selection.ts";
import { HardLinkTable } from "./restore/hard-link-table.ts";
import { ReadBack } from "./restore/read-back.ts";
import type { RestoreContext } from "./restore/restore-context.ts";
import type { RestoreOptions, RestoreResult } from "./restore/restore-options.ts";
import { RestoreReport } from "./restore/restore-report.ts";
import { RestoreThreads } from "./restore/restore-threads.ts";
import { RestoreWalk } from "./restore/restore-walk.ts";
import { requireStrip } from "./restore/strip-check.ts";
import { TargetSync } from "./restore/target-sync.ts";
import { rangesAtOnce, WindowRunner } from "./restore/window-runner.ts";

export type {
  OverwritePolicy,
  RestoreAction,
  RestoreOptions,
  RestoreProblem,
  RestoreProgress,
  RestoreResult,
} from "./restore/restore-options.ts";

/**
 * The index must be loaded. Problems with single entries are told and counted, and the rest is
 * restored. Throws `path-absent`, `target-refused`, `target-full`, `usage` for options that do not
 * go together, `interrupted`, and what the store throws.
 */
export async function restoreSnapshot(
  repo: Repository,
  record: SnapshotRecord,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const paths = normalPaths(options.paths ?? []);
  const catalog = repo.catalog(record);
  await requirePaths(catalog, paths);
  if (options.strip) await requireStrip(catalog, paths, options.strip, options.delete === true);
  const report = new RestoreReport(options);
  const links = new HardLinkTable();
  const tree = openTarget(options);
  try {
    const context = contextOf(repo, record, options, { tree, report, links });
    if (tree === undefined || options.dryRun) await pretend(repo, record, paths, context);
    else await new Run(repo, record, paths, options, context, tree).run();
    return report.result(context.owners);
  } finally {
    links.close();
    tree?.close();
  }
}

/** Undefined in a dry run whose target does not exist. */
function openTarget(options: RestoreOptions): TargetTree | undefined {
  try {
    if (options.dryRun && !targetExists(options.target)) return undefined;
    if (!options.dryRun) makeTarget(options.target);
    return TargetTree.open(options.target, { readOnly: options.dryRun ?? false });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const target = displayPath(options.target);
    throw new VarveError("target-refused", `The target ${target} cannot be used: ${reason}.`, {
      hint: "Name a folder that you may write to.",
      cause: error,
    });
  }
}

function contextOf(
  repo: Repository,
  record: SnapshotRecord,
  options: RestoreOptions,
  parts: Pick<RestoreContext, "tree" | "report" | "links">,
): RestoreContext {
  const who = credentials();
  return {
    ...parts,
    target: options.target,
    names: new TemporaryNames(repo.host.pid, repo.random),
    owners: new TargetOwners(who, options.numericOwner ?? false),
    overwrite: options.overwrite ?? "always",
    delete: options.delete ?? false,
    dryRun: options.dryRun ?? false,
    strip: options.strip ?? 0,
    widenModes: who.uid !== 0,
    isProcessGone: (pid) => repo.host.isProcessGone(pid),
    wholeKeys: new Set(record.snapshot.paths.map((path: RawPath) => keyFromPath(path))),
  };
}

function readListOf(repo: Repository): (id: Uint8Array) => Promise<Uint8Array> {
  return (id) => repo.blobs.read(BlobKind.list, id);
}

async function pretend(
  repo: Repository,
  record: SnapshotRecord,
  paths: readonly CatalogKey[],
  context: RestoreContext,
): Promise<void> {
  const readList = readListOf(repo);
  const walk = new RestoreWalk({ context, runner: undefined, readList, sparse: false });
  const damage = walk.noteDamage.bind(walk);
  for await (const { entries, isSelected } of selectEntries(repo.catalog(record), paths, damage)) {
    for (const entry of entries) await walk.take(entry, isSelected);
  }
  await walk.finish();
}

class Run {
  readonly #repo: Repository;
  readonly #record: SnapshotRecord;
  readonly #paths: readonly CatalogKey[];
  readonly #options: RestoreOptions;
  readonly #context: RestoreContext;
  readonly #tree: TargetTree;

  constructor(
    repo: Repository,
    record: SnapshotRecord,
    paths: readonly CatalogKey[],
    options: RestoreOptions,
    context: RestoreContext,
    tree: TargetTree,
  ) {
    this.#repo = repo;
    this.#record = record;
    this.#paths = paths;
    this.#options = options;
    this.#context = context;
    this.#tree = tree;
  }

  async run(): Promise<void> {
    const { signal, verify, workers, threads: count } = this.#options;
    const threads = (workers ?? new RestoreThreads(count)).useKeys(this.#repo.keys);
    const sync = this.#newSync();
    try {
      await this.#restore(threads, sync);
      // Also what `verify` needs: to compare what is in memory proves nothing about the disk.
      await sync.finish();
      if (verify) await this.#verify(threads);
    } catch (error) {
      if (!signal?.aborted || hasCode(error, "interrupted")) throw error;
      throw new VarveError("interrupted", "The restore was stopped before it was complete.", {
        hint: "With --overwrite if-changed, another restore goes on where this one ended.",
        cause: error,
      });
    } finally {
      await sync.settle();
      await threads.close();
    }
  }

  #newSync(): TargetSync {
    const { syncTarget = syncFileSystem, target } = this.#options;
    const { report } = this.#context;
    return new TargetSync({
      tree: this.#tree,
      syncTarget,
      onFault: (error) => report.problem(target, faultOf("sync", error)),
    });
  }

  async #restore(threads: RestoreThreads, sync: TargetSync): Promise<void> {
    const { signal, sparse = false } = this.#options;
    const context = this.#context;
    const memory = new PackMemory(rangeLimits.rangeBytesMax, rangesAtOnce(threads.count));
    const fetcher = new BlobFetcher(this.#repo, memory);
    const runner = new WindowRunner({
      context,
      tree: this.#tree,
      fetcher,
      memory,
      blobs: this.#repo.blobs,
      threads,
      sparse,
      signal,
    });
    const readList = readListOf(this.#repo);
    const walk = new RestoreWalk({ context, runner, readList, sparse });
    const catalog = this.#repo.catalog(this.#record);
    const damage = walk.noteDamage.bind(walk);
    try {
      for await (const { entries, isSelected } of selectEntries(catalog, this.#paths, damage)) {
        signal?.throwIfAborted();
        for (const entry of entries) {
          const wait = walk.take(entry, isSelected);
          if (wait !== undefined) await wait;
        }
        sync.note(context.report.counts.bytes);
      }
      await walk.finish();
    } catch (error) {
      await runner.abandon();
      throw error;
    }
  }

  async #verify(threads: RestoreThreads): Promise<void> {
    this.#context.report.startVerify();
    const readBack = new ReadBack({
      context: this.#context,
      tree: this.#tree,
      threads,
      readList: readListOf(this.#repo),
      signal: this.#options.signal,
    });
    // Damage was told in the first pass.
    const catalog = this.#repo.catalog(this.#record);
    await readBack.run(selectEntries(catalog, this.#paths, () => {}));
  }
}
