/**
 * One snapshot of file trees, from the walk to the catalog's root. The main thread joins the walk,
 * which is in a thread of its own (walk-thread.ts), with the parent's catalog and decides; workers
 * read, cut, hash, compress and seal (snapshot-workers.ts). Nothing here grows with the number of
 * files: the walk is suspended while the workers have enough to do.
 */
import { type Content, type Entry, EntryType, type StoredEntry } from "../../base/entry.ts";
import { type CatalogKey, displayPath, pathFromKey, type RawPath } from "../../base/raw-path.ts";
import type { BlobWriter } from "../../repo/blob-writer.ts";
import { CatalogBuilder, type CatalogTotals } from "../../repo/catalog/catalog-builder.ts";
import type { ParentCursor, ParentEntryRef } from "../../repo/catalog/catalog-merge.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import { isSameChange, isUnchanged } from "../../sources/change-detection.ts";
import type { OpenTargets } from "../../sources/open-targets.ts";
import type { SourceEntry, WalkProblem } from "../../sources/tree-walker.ts";
import type { WalkRecords } from "../../sources/walk-records.ts";
import { arenaBytes, type FileReport, outgrownCode } from "../workers/snapshot-protocol.ts";
import { EntryQueue, type QueueItem } from "./entry-queue.ts";
import { HardLinks } from "./hard-links.ts";
import type { LargeFiles } from "./large-files.ts";
import { entryMeta, fileEntry, type SmallFile, SmallFiles } from "./small-files.ts";
import type { SnapshotWorkers } from "./snapshot-workers.ts";
import type { Walk } from "./walk-thread.ts";

/** Files from this size on are read and cut by the main thread, so that all workers share them. */
export const largeFileBytes = arenaBytes;
/** Entries that wait for an earlier one; bounds memory when a large file comes first. */
const queueMax = 20_000;
const queueLow = 2_000;
/** How long entries may keep the main thread from timers, signals and worker messages. */
const turnMs = 15;
/** Entries between two looks at the clock. */
const turnEntries = 32;

export interface SnapshotProblem {
  readonly path: RawPath;
  readonly operation: string;
  readonly code: string;
  readonly message: string;
  /** Notes are told but leave the exit code alone: the snapshot is true without the entry. */
  readonly severity: "error" | "note";
}

export interface SnapshotProgress {
  entries: number;
  files: number;
  folders: number;
  /** Bytes of all files so far, read or not. */
  bytes: number;
  /** Of what the parent has not, or has otherwise; files that could not be read are neither. */
  changedFiles: number;
  newFiles: number;
  /** Bytes of the files that were read. */
  readBytes: number;
  currentPath: string;
  /** Bytes of all files of the parent: the best guess of what there is to do. */
  expectedBytes: number | undefined;
}

export interface ParentCatalog {
  /** Of all its files. */
  readonly bytes: number;
  readonly cursor: ParentCursor;
  readonly startedNs: bigint;
  /** Whether the entry's blobs are all in living packs; those of a whole parent are not asked. */
  isContentPresent(content: Content | undefined): boolean | Promise<boolean>;
  readonly isWhole: boolean;
}

export interface TreeSnapshotOptions {
  readonly walk: Walk;
  readonly targets: OpenTargets;
  readonly writer: BlobWriter;
  readonly workers: SnapshotWorkers;
  readonly cutSeed: number;
  readonly largeFiles: LargeFiles;
  readonly parent: ParentCatalog | undefined;
  /** Read everything again, whatever the parent says. */
  readonly force: boolean;
  readonly ignoreCtime: boolean;
  readonly ignoreInode: boolean;
  /**
   * Whether an entry only leads to what was named, so that its metadata is not what is asked
   * for.
   */
  readonly isOnTheWay: (key: CatalogKey) => boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProblem: (problem: SnapshotProblem) => void;
  readonly onProgress: (progress: SnapshotProgress) => void;
  readonly monotonicMs: () => number;
}

export interface TreeSnapshotResult {
  readonly root: Uint8Array;
  /** Of what is in the catalog: less than the walk met where entries vanished or cannot be read. */
  readonly totals: CatalogTotals;
  readonly progress: SnapshotProgress;
  /** Entries that the parent has too, and that are as they were there. */
  readonly sameEntries: number;
}

export class TreeSnapshot {
  readonly #options: TreeSnapshotOptions;
  readonly #builder: CatalogBuilder;
  readonly #queue: EntryQueue;
  readonly #small: SmallFiles;
  readonly #links = new HardLinks();
  readonly #progress: SnapshotProgress = {
    entries: 0,
    files: 0,
    folders: 0,
    bytes: 0,
    changedFiles: 0,
    newFiles: 0,
    readBytes: 0,
    currentPath: "",
    expectedBytes: undefined,
  };
  /** Files that had outgrown a worker's buffer when it opened them. */
  #outgrown: SmallFile[] = [];
  #sameEntries = 0;
  #turnStartMs: number;
  #sinceClock = 0;

  constructor(options: TreeSnapshotOptions) {
    this.#options = options;
    this.#progress.expectedBytes = options.parent?.bytes;
    this.#builder = new CatalogBuilder({
      cutSeed: options.cutSeed,
      sink: {
        putNode: (plaintext) => options.writer.put(BlobKind.catalog, plaintext),
        hasNode: (id) => options.writer.has(BlobKind.catalog, id),
      },
    });
    this.#queue = new EntryQueue(this.#builder, ({ key }, { message }) =>
      options.onProblem({
        path: pathFromKey(key),
        operation: "store",
        code: "limit-exceeded",
        message,
        severity: "error",
      }),
    );
    this.#small = new SmallFiles(options.workers, {
      putList: (list) => options.writer.put(BlobKind.list, list),
      read: (file, content, report) => this.#onRead(file, content, report),
      failed: (file, report) => this.#onFailed(file, report),
    });
    this.#turnStartMs = options.monotonicMs();
  }

  async run(): Promise<TreeSnapshotResult> {
    const { walk, workers } = this.#options;
    while (await walk.nextBatch()) await this.#takeBatch(walk.records);
    await walk.end();
    await this.#small.send();
    await workers.finishBatches();
    await this.#readOutgrown();
    await workers.finish();
    this.#options.onProgress(this.#progress);
    const { root, totals } = this.#builder.finish();
    return { root, totals, progress: this.#progress, sameEntries: this.#sameEntries };
  }

  async #takeBatch(records: WalkRecords): Promise<void> {
    while (records.next()) {
      if (records.isProblem) this.#onWalkProblem(records.problem());
      else {
        const taken = this.#take(records);
        if (taken !== undefined) await taken;
      }
      if (++this.#sinceClock >= turnEntries && this.#isTurnOver()) await this.#yieldTurn();
      if (this.#outgrown.length > 0) await this.#readOutgrown();
    }
  }

  #isTurnOver(): boolean {
    this.#sinceClock = 0;
    return this.#options.monotonicMs() - this.#turnStartMs > turnMs;
  }

  /** Lets signals, timers and workers have their say. */
  async #yieldTurn(): Promise<void> {
    this.#options.onProgress(this.#progress);
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
    this.#options.workers.throwIfFailed();
    // Few files changed: what waits behind them should not wait for a full batch.
    if (this.#queue.length > queueLow) await this.#small.send();
    while (this.#queue.length > queueMax) {
      await this.#small.send();
      await this.#readOutgrown();
      await this.#options.workers.nextEvent();
    }
    this.#turnStartMs = this.#options.monotonicMs();
  }

  /**
   * Takes an entry in. Returns a promise only where there is something to wait for: a promise for
   * each of a million unchanged entries would cost more than looking at them.
   */
  #take(source: WalkRecords): Promise<void> | undefined {
    const progress = this.#progress;
    progress.entries++;
    progress.bytes += source.size;
    progress.currentPath = source.key;
    if (source.type === EntryType.folder) progress.folders++;
    if (source.type === EntryType.file) progress.files++;
    const { parent } = this.#options;
    if (parent === undefined || parent.cursor.isLoadedFor(source.key)) return this.#decide(source);
    return parent.cursor.load(source.key).then(() => this.#decide(source));
  }

  #decide(source: WalkRecords): Promise<void> | undefined {
    const { parent } = this.#options;
    const ref = parent?.cursor.match(source.key);
    if (parent !== undefined && ref !== undefined && this.#isSame(ref.entry, source)) {
      const isPresent = parent.isWhole || parent.isContentPresent(ref.entry.content);
      if (isPresent === true) {
        this.#takeUnchanged(source, ref);
        return undefined;
      }
      if (isPresent !== false) {
        return isPresent.then((present) => {
          if (!present) return this.#takeChanged(source, ref.entry);
          this.#takeUnchanged(source, ref);
          return undefined;
        });
      }
    }
    return this.#takeChanged(source, ref?.entry);
  }

  #takeChanged(source: WalkRecords, before: Entry | undefined): Promise<void> | undefined {
    if (source.type === EntryType.file) return this.#readFile(source.entry(), before);
    if (before !== undefined && this.#options.isOnTheWay(source.key)) this.#sameEntries++;
    this.#takeOther(source);
    return undefined;
  }

  #isSame(before: StoredEntry, now: WalkRecords): boolean {
    const { force, ignoreCtime, ignoreInode, parent } = this.#options;
    if (force || parent === undefined || now.hasWideTimes) return false;
    return isUnchanged(before, now, parent.startedNs, { ignoreCtime, ignoreInode });
  }

  #takeUnchanged(source: WalkRecords, ref: ParentEntryRef): void {
    const { entry } = ref;
    const hardLink = hardLinkOf(source);
    const isEqual =
      entry.user === source.user &&
      entry.group === source.group &&
      entry.uid === source.uid &&
      entry.gid === source.gid &&
      entry.mode === source.mode &&
      isSameChange(entry, source) &&
      entry.hardLink === hardLink;
    if (isEqual || this.#options.isOnTheWay(source.key)) this.#sameEntries++;
    if (isEqual) this.#queue.pushUnchanged(ref);
    else this.#queue.pushEntry(restated(entry, source, hardLink));
  }

  #readFile(source: SourceEntry, before: Entry | undefined): Promise<void> | undefined {
    const { targets } = this.#options;
    const item = this.#queue.pushPending();
    const isKnown = before !== undefined;
    if (source.nlink > 1 && this.#followLink(source, item, isKnown)) return undefined;
    const target = targets.of(source.key);
    const file = { source, target, item, isKnown, before: before?.content };
    return source.size >= largeFileBytes ? this.#readLarge(file) : this.#small.add(file);
  }

  async #readLarge(file: SmallFile): Promise<void> {
    // What was gathered goes first, so that its entries do not wait for the large file.
    await this.#small.send();
    await this.#options.largeFiles.read(file, this.#largeHandler(file));
  }

  /** Whether another name of this file is being read, or was; the item then takes its content. */
  #followLink(source: SourceEntry, item: QueueItem, isKnown: boolean): boolean {
    const first = this.#links.first(source, item);
    if (first === undefined) return false;
    const follow = (entry: Entry | undefined) => {
      const hardLink = hardLinkOf(source);
      const linked = entry === undefined ? undefined : restated(entry, source, hardLink);
      if (linked !== undefined) this.#countRead(isKnown);
      this.#queue.settle(item, linked);
    };
    if (first.settled) follow(first.entry);
    else first.followers = [...(first.followers ?? []), follow];
    return true;
  }

  #largeHandler(file: SmallFile) {
    return {
      read: (content: Content, report: FileReport) => this.#onRead(file, content, report),
      failed: (report: FileReport) => this.#onFailed(file, report),
    };
  }

  async #readOutgrown(): Promise<void> {
    while (this.#outgrown.length > 0) {
      const file = this.#outgrown.shift();
      if (file === undefined) break;
      await this.#readLarge(file);
    }
  }

  #onRead(file: SmallFile, content: Content, report: FileReport | undefined): void {
    const { source, item } = file;
    const entry = fileEntry(source, content, report);
    this.#progress.readBytes += entry.size;
    this.#countRead(file.isKnown);
    if (report?.torn === true) {
      this.#problem(source, {
        operation: "read",
        code: "changed",
        message: "the file was changed while it was read; what was read is in the snapshot",
        severity: "error",
      });
    }
    for (const { name, code } of report?.xattrFaults ?? []) {
      const message = `the attribute ${displayPath(name as RawPath)} could not be read`;
      this.#problem(source, { operation: "getxattr", code, message, severity: "error" });
    }
    this.#queue.settle(item, entry);
  }

  #countRead(isKnown: boolean): void {
    if (isKnown) this.#progress.changedFiles++;
    else this.#progress.newFiles++;
  }

  #onFailed(file: SmallFile, report: FileReport): void {
    const { failure } = report;
    if (failure === undefined) return;
    if (failure.code === outgrownCode) {
      this.#outgrown.push(file);
      return;
    }
    const isGone = failure.code === "ENOENT";
    this.#problem(file.source, {
      operation: failure.operation,
      code: failure.code,
      message: isGone ? "the file vanished before it was read" : failure.message,
      severity: isGone ? "note" : "error",
    });
    this.#queue.settle(file.item, undefined);
  }

  /** Folders, symbolic links, FIFOs and device nodes. */
  #takeOther(source: WalkRecords): void {
    const { xattrs, linkTarget, problems, failure } = source.detail();
    for (const problem of problems) this.#onWalkProblem(problem);
    if (failure !== undefined) {
      const severity = failure.code === "ENOENT" ? "note" : "error";
      this.#problem(source, { operation: "read", ...failure, severity });
      return;
    }
    const hardLink = hardLinkOf(source);
    const isDevice = source.type === EntryType.charDevice || source.type === EntryType.blockDevice;
    this.#queue.pushEntry({
      ...entryMeta(source),
      ...(linkTarget === undefined ? {} : { linkTarget }),
      ...(isDevice ? { rdevMajor: source.rdevMajor, rdevMinor: source.rdevMinor } : {}),
      ...(xattrs.length > 0 ? { xattrs } : {}),
      ...(hardLink === undefined ? {} : { hardLink }),
    });
  }

  #onWalkProblem(problem: WalkProblem): void {
    const { path, operation, code, message, kind } = problem;
    const severity = kind === "error" ? "error" : "note";
    this.#options.onProblem({ path, operation, code, message, severity });
  }

  #problem(source: SourceEntry, problem: Omit<SnapshotProblem, "path">): void {
    this.#options.onProblem({ path: pathFromKey(source.key), ...problem });
  }
}

function hardLinkOf(source: SourceEntry): number | undefined {
  return source.nlink > 1 && source.type !== EntryType.folder ? source.deviceOrdinal : undefined;
}

/** The same content under the metadata of another name, or of the same name as it is now. */
function restated(entry: Entry, source: SourceEntry, hardLink: number | undefined): Entry {
  const { content, linkTarget, rdevMajor, rdevMinor, xattrs } = entry;
  return {
    ...entryMeta(source),
    size: entry.size,
    ...(content === undefined ? {} : { content }),
    ...(linkTarget === undefined ? {} : { linkTarget }),
    ...(rdevMajor === undefined ? {} : { rdevMajor }),
    ...(rdevMinor === undefined ? {} : { rdevMinor }),
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(hardLink === undefined ? {} : { hardLink }),
  };
}
