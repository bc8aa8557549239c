/**
 * Makes a snapshot of file trees. The order of what is written is that of format.md, "Order":
 * lease, packs, index, (no fence?) snapshot, (no fence?) lease removed; a crash anywhere leaves
 * garbage that a prune removes, never damage.
 */
import { bytesEqual } from "../base/bytes.ts";
import type { Content } from "../base/entry.ts";
import { hasCode } from "../base/errors.ts";
import { type BlobId, type SnapshotId, toHex } from "../base/ids.ts";
import { programName } from "../base/program.ts";
import {
  type CatalogKey,
  displayPath,
  isWithin,
  keyFromPath,
  type RawPath,
} from "../base/raw-path.ts";
import { type BlobWriter, withBlobWriter } from "../repo/blob-writer.ts";
import { blake3 } from "../repo/crypto/hash.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import { fileSourceFacts, type SeriesParts, type Snapshot } from "../repo/format/snapshot.ts";
import { mergeIndexObjects } from "../repo/index-writer.ts";
import { findLostPacks } from "../repo/lost-packs.ts";
import { adoptPendingPacks } from "../repo/pending-packs.ts";
import type { Repository } from "../repo/repository.ts";
import { Session, withSession } from "../repo/session.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { OpenTargets } from "../sources/open-targets.ts";
import type { AbsentSource } from "../sources/source-globs.ts";
import { normalizePath } from "../sources/source-plan.ts";
import type { TreeWalkerOptions } from "../sources/tree-walker.ts";
import { commitSnapshot } from "./commit-snapshot.ts";
import { BaseFetcher } from "./snapshot/base-fetcher.ts";
import { isContentPresent } from "./snapshot/content-presence.ts";
import { LargeFiles, slotsFor } from "./snapshot/large-files.ts";
import { chooseParent, type Parents } from "./snapshot/parent-choice.ts";
import { defaultThreads, SnapshotWorkers } from "./snapshot/snapshot-workers.ts";
import {
  type ParentCatalog,
  type SnapshotProblem,
  type SnapshotProgress,
  TreeSnapshot,
  type TreeSnapshotResult,
} from "./snapshot/tree-snapshot.ts";
import { type Walk, type Walks, WalkThread } from "./snapshot/walk-thread.ts";

export type { SnapshotProblem, SnapshotProgress } from "./snapshot/tree-snapshot.ts";

/** How often a fenced run starts again before it gives up. */
const attemptsMax = 3;
const seriesLengthMax = 200;

export interface SnapshotOptions {
  /** Absolute paths of what is to be snapshotted. */
  readonly roots: readonly RawPath[];
  /** What was named besides, but is not there: told as problems, and noted in the manifest. */
  readonly absent?: readonly AbsentSource[];
  readonly walk: Omit<TreeWalkerOptions, "roots" | "owners">;
  /** Where the walk is done: in a thread that was started before, or else in one of its own. */
  readonly walks?: Walks;
  readonly host: string;
  readonly tags: readonly string[];
  /** Groups snapshots for retention; made from host and paths when not given. */
  readonly seriesName?: string;
  /**
   * The paths that make the series, when they are not the roots: patterns, as the user gave them,
   * so that a folder that appears does not begin another series.
   */
  readonly seriesPaths?: readonly RawPath[];
  /** The time that the snapshot carries, when it is not now. */
  readonly timeNs?: bigint;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly ignoreCtime?: boolean;
  readonly ignoreInode?: boolean;
  readonly skipIfUnchanged?: boolean;
  readonly threads?: number;
  /** Of zstd, for chunks; without it, by what is gained. */
  readonly compressionLevel?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SnapshotProgress) => void;
  readonly onProblem?: (problem: SnapshotProblem) => void;
}

export interface SnapshotResult {
  /** Absent after a dry run, or when nothing had changed and that was to be skipped. */
  readonly id?: SnapshotId;
  readonly snapshot: Snapshot;
  readonly progress: SnapshotProgress;
  /** The snapshot that this one was compared with. */
  readonly parent?: SnapshotId;
  /** Whether it shows exactly what its parent shows. */
  readonly unchanged: boolean;
  /** Packs of an interrupted run that were taken over. */
  readonly adoptedPacks: number;
  /**
   * Packs that the index names and the store has not. What they held, and the source has, is stored
   * again; what else they held is lost to older snapshots.
   */
  readonly lostPacks: number;
}

export async function createSnapshot(
  repo: Repository,
  options: SnapshotOptions,
): Promise<SnapshotResult> {
  if (options.walks !== undefined) return tryToCreate(repo, options, options.walks);
  const thread = new WalkThread();
  try {
    return await tryToCreate(repo, options, thread);
  } finally {
    await thread.close();
  }
}

async function tryToCreate(
  repo: Repository,
  options: SnapshotOptions,
  walks: Walks,
): Promise<SnapshotResult> {
  for (let attempt = 1; ; attempt++) {
    const work = (session: Session) => new SnapshotRun(repo, options, session).run(walks);
    try {
      if (options.dryRun === true) return await work(Session.unseen(repo));
      return await withSession(repo, "snapshot", work);
    } catch (error) {
      if (!hasCode(error, "session-fenced") || attempt === attemptsMax) throw error;
    }
  }
}

/** What a snapshot is of, and the short text that stands for it. */
export function seriesOf(options: SnapshotOptions): { series: string; seriesParts: SeriesParts } {
  const { host, seriesName, roots } = options;
  if (seriesName !== undefined) {
    return { series: seriesName, seriesParts: { host, name: seriesName } };
  }
  const paths = [...(options.seriesPaths ?? roots)].sort();
  const text = `${host}:${paths.map(displayPath).join(",")}`;
  return { series: shortened(text), seriesParts: { host, paths } };
}

/** Long lists of paths stay apart by a hash of the whole. */
function shortened(text: string): string {
  if (text.length <= seriesLengthMax) return text;
  const hash = toHex(blake3(Buffer.from(text, "utf8"))).slice(0, 16);
  return `${text.slice(0, seriesLengthMax - 17)}#${hash}`;
}

interface TreeOutcome extends TreeSnapshotResult {
  readonly freshChunks: { readonly chunks: number; readonly bytes: number };
}

class SnapshotRun {
  readonly #repo: Repository;
  readonly #options: SnapshotOptions;
  readonly #session: Session;
  readonly #startedNs: bigint;
  #lostPacks: readonly number[] = [];
  #problems = 0;

  constructor(repo: Repository, options: SnapshotOptions, session: Session) {
    this.#repo = repo;
    this.#options = options;
    this.#session = session;
    this.#startedNs = repo.clock.nowNs();
  }

  /** The walk begins while the index is still being loaded. */
  async run(walks: Walks): Promise<SnapshotResult> {
    const { walk: plan, roots, signal } = this.#options;
    const walk = walks.begin({ ...plan, roots }, signal);
    try {
      return await this.#take(walk);
    } finally {
      await walk.end();
    }
  }

  async #take(walk: Walk): Promise<SnapshotResult> {
    const repo = this.#repo;
    const options = this.#options;
    // An earlier run of this process may have left some out.
    repo.index.leaveOut([]);
    await repo.loadIndex(options.signal);
    const { view } = repo;
    const { generation } = view;
    await this.#leaveOutLostPacks();
    const { parent, previous } = await this.#findParents();
    this.#tellAbsent();
    let adoptedPacks = 0;
    const dryRun = options.dryRun === true;
    const work = async (writer: BlobWriter) => {
      if (!dryRun) adoptedPacks = await adoptPendingPacks(repo, writer);
      try {
        const outcome = await this.#readTrees(walk, writer, parent, generation);
        return { outcome, added: writer.added };
      } catch (error) {
        // What is stored already is worth keeping: the next run finds it.
        if (options.signal?.aborted === true) await writer.flush();
        throw error;
      }
    };
    const { outcome, added } = await withBlobWriter(repo, this.#session, work, dryRun);
    const snapshot = this.#manifest(outcome, added, previous);
    // What an older one shows is not what stands as the latest.
    const unchanged =
      parent !== undefined && parent === previous && showsTheSame(parent.snapshot, outcome);
    const result = {
      snapshot,
      progress: outcome.progress,
      unchanged,
      adoptedPacks,
      lostPacks: this.#lostPacks.length,
      ...(parent === undefined ? {} : { parent: parent.id }),
    };
    if (dryRun) return result;
    if (options.skipIfUnchanged === true && unchanged) return result;
    options.signal?.throwIfAborted();
    const id = await commitSnapshot(repo, this.#session, snapshot, view);
    repo.wholeRoots.remember(outcome.root, generation);
    if (added.blobs > 0) await mergeIndexObjects(repo);
    return { ...result, id };
  }

  async #leaveOutLostPacks(): Promise<void> {
    this.#lostPacks = await findLostPacks(this.#repo);
    this.#repo.index.leaveOut(this.#lostPacks);
  }

  async #findParents(): Promise<Parents> {
    const { series } = seriesOf(this.#options);
    const records = await this.#repo.snapshots();
    const ofSeries = records.filter(({ snapshot }) => snapshot.series === series);
    return chooseParent(ofSeries, this.#options.absent ?? []);
  }

  #tellAbsent(): void {
    for (const { path, code, message } of this.#options.absent ?? []) {
      this.#onProblem({ path, operation: "find", code, message, severity: "error" });
    }
  }

  async #readTrees(
    walk: Walk,
    writer: BlobWriter,
    parent: SnapshotRecord | undefined,
    generation: number,
  ): Promise<TreeOutcome> {
    const repo = this.#repo;
    const options = this.#options;
    const threads = options.threads ?? defaultThreads();
    const profile = repo.description.chunkers.tree;
    const slots = slotsFor(profile, threads);
    const { keys, cipher, description } = repo;
    const workers = new SnapshotWorkers(
      writer,
      {
        keys,
        cipher,
        profile,
        compressionLevel: options.compressionLevel,
        packBytes: description.pack.bytes,
        padPacks: description.pack.padding,
        slots: slots.buffer,
      },
      {
        threads,
        dryRun: options.dryRun === true,
        bases: repo.store.isNear === true ? new BaseFetcher(repo) : undefined,
      },
    );
    const largeOptions = {
      profile,
      gearMaterial: keys.gearMaterial,
      signal: options.signal,
      readList: (id: BlobId) => repo.blobs.read(BlobKind.list, id),
      readData: repo.store.isNear === true ? readDataOf(repo) : undefined,
    };
    try {
      const tree = new TreeSnapshot({
        walk,
        targets: new OpenTargets(options.roots),
        writer,
        workers,
        cutSeed: keys.cutSeed,
        largeFiles: new LargeFiles(workers, writer, slots, largeOptions),
        parent: parent === undefined ? undefined : this.#parentCatalog(parent, generation),
        force: options.force === true,
        ignoreCtime: options.ignoreCtime === true,
        ignoreInode: options.ignoreInode === true,
        isOnTheWay: onTheWayTo(options.roots),
        signal: options.signal,
        onProblem: (problem) => this.#onProblem(problem),
        onProgress: options.onProgress ?? (() => undefined),
        monotonicMs: () => repo.clock.monotonicMs(),
      });
      const outcome = await tree.run();
      const { freshChunks, freshBytes } = workers.counts;
      return { ...outcome, freshChunks: { chunks: freshChunks, bytes: freshBytes } };
    } finally {
      await workers.close();
    }
  }

  #onProblem(problem: SnapshotProblem): void {
    if (problem.severity === "error") this.#problems++;
    this.#options.onProblem?.(problem);
  }

  #parentCatalog(parent: SnapshotRecord, generation: number): ParentCatalog {
    const repo = this.#repo;
    const { root, startedNs, totals } = parent.snapshot;
    return {
      bytes: totals.bytes,
      cursor: repo.keptCatalogAt(root).parentCursor(() => undefined),
      startedNs,
      isWhole: this.#lostPacks.length === 0 && repo.wholeRoots.isWhole(root, generation),
      isContentPresent: (content: Content | undefined) => isContentPresent(repo, content),
    };
  }

  #manifest(
    outcome: TreeOutcome,
    added: BlobWriter["added"],
    previous: SnapshotRecord | undefined,
  ): Snapshot {
    const options = this.#options;
    const { chunks, bytes: rawBytes } = outcome.freshChunks;
    const dryAdded = { blobs: chunks, bytes: 0, rawBytes };
    return {
      version: 1,
      timeNs: options.timeNs ?? this.#startedNs,
      startedNs: this.#startedNs,
      endedNs: this.#repo.clock.nowNs(),
      host: options.host,
      user: this.#repo.host.user,
      ...seriesOf(options),
      tags: options.tags,
      paths: options.roots,
      root: outcome.root,
      totals: { ...outcome.totals },
      added: options.dryRun === true ? dryAdded : { ...added },
      previous: previous?.id ?? null,
      session: this.#session.id,
      sources: [fileSourceFacts((options.absent ?? []).map(({ path }) => path))],
      program: programName,
      problems: this.#problems,
    };
  }
}

/**
 * Equal roots are equal in everything. Else what was named may still be as it was: the times of the
 * folders above it change with all that happens beside it.
 */
function showsTheSame(parent: Snapshot, outcome: TreeOutcome): boolean {
  if (bytesEqual(parent.root, outcome.root)) return true;
  const { totals, sameEntries } = outcome;
  return sameEntries === totals.entries && sameEntries === parent.totals.entries;
}

/** Tells folders above the named paths; what lies in a named folder is never on the way. */
function onTheWayTo(roots: readonly RawPath[]): (key: CatalogKey) => boolean {
  const keys = roots.map((root) =>
    keyFromPath(normalizePath(root).replace(/(?<=.)\/$/, "") as RawPath),
  );
  return (key) =>
    keys.some((root) => root !== key && isWithin(root, key)) &&
    !keys.some((root) => isWithin(key, root));
}

/** The writer's view of the index stays as it is: what is gone is not looked for. */
function readDataOf({ blobs }: Repository) {
  return async (id: BlobId) => (await blobs.findIntact(BlobKind.data, id))?.plaintext;
}
