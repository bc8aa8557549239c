/**
 * Carries out windows: looks blobs up, reads ranges, lets the workers write, and finishes what a
 * single worker could not: files that span tasks, further names, folders. Two windows are under way
 * at a time, and are finished in their order, so that a folder is left only after its content.
 */
import { BoundedPool } from "../../base/pool.ts";
import { pathFromKey } from "../../base/raw-path.ts";
import type { BlobReader } from "../../repo/blob-reader.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import { statFd } from "../../sources/linux/write-calls.ts";
import { faultOf, type TargetFault } from "../../sources/target/target-faults.ts";
import { completeFile, createFile, discardFile } from "../../sources/target/target-file.ts";
import { makeHardLink } from "../../sources/target/target-node.ts";
import { type TargetTree, withFolderBelow } from "../../sources/target/target-tree.ts";
import type { PackMemory } from "../check/pack-memory.ts";
import { encodeFiles } from "../workers/file-columns.ts";
import type { Written } from "../workers/restore-protocol.ts";
import { type BlobFetcher, rangesOf, rangeWeight } from "./blob-fetcher.ts";
import type { FileSpan, FileWindow, PlannedFile, PlannedLink } from "./file-window.ts";
import { leaveFolder } from "./folder-steps.ts";
import { type PlacedBlob, RangeTask, spareTask, withoutFaultsOf } from "./range-task.ts";
import { type RestoreContext, targetNames } from "./restore-context.ts";
import type { RestoreThreads } from "./restore-threads.ts";

const windowsAtOnce = 2;
const fetchedBytesMax = 24 * 1024 * 1024;
/** Files without content in one task. */
const emptyFilesMax = 512;

/** Ranges that are read, or worked on: two with each worker, and the next ones. */
export function rangesAtOnce(threads: number): number {
  return threads * 2 + 2;
}

export interface WindowRunnerOptions {
  readonly context: RestoreContext;
  readonly tree: TargetTree;
  readonly fetcher: BlobFetcher;
  /** What the fetcher reads into. */
  readonly memory: PackMemory;
  /** Finds another copy of what turns out to be damaged. */
  readonly blobs: Pick<BlobReader, "findIntact">;
  readonly threads: RestoreThreads;
  readonly sparse: boolean;
  readonly signal: AbortSignal | undefined;
}

export class WindowRunner {
  readonly #options: WindowRunnerOptions;
  readonly #context: RestoreContext;
  readonly #pool: BoundedPool;
  readonly #underWay: Promise<void>[] = [];
  readonly #open = new Map<FileSpan, PlannedFile>();
  #last: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(options: WindowRunnerOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#pool = new BoundedPool({
      countMax: rangesAtOnce(options.threads.count),
      bytesMax: fetchedBytesMax,
    });
  }

  /** Resolves when the window is under way and few others are. */
  async submit(window: FileWindow): Promise<void> {
    while (this.#underWay.length >= windowsAtOnce) await this.#underWay.shift();
    const previous = this.#last;
    const tasks = this.#runTasks(window);
    this.#last = (async () => {
      await allDone([tasks, previous]);
      this.#finish(window);
    })();
    // Whoever waits for it later gets the failure; until then it is nobody's surprise.
    this.#last.catch(() => {});
    this.#underWay.push(this.#last);
  }

  async drain(): Promise<void> {
    await this.#last;
  }

  /** After a failure: waits for what is under way and removes what is not complete. */
  async abandon(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#pool.drain().catch(() => {});
    for (const [span, file] of this.#open) {
      if (span.fd >= 0) discardFile(span.fd, file.target);
    }
    this.#open.clear();
  }

  // --- Tasks

  async #runTasks(window: FileWindow): Promise<void> {
    // Files whose list of chunks could not be read are lost from the start.
    const lost = new Set<number>();
    for (const [number, file] of window.files.entries()) if (file.span?.failed) lost.add(number);
    const placed = this.#place(window, lost);
    const ranges = rangesOf(placed);
    this.#assign(window, ranges, lost);
    const tasks: Promise<void>[] = [];
    try {
      for (const range of ranges) {
        const task = new RangeTask(window, range, (file) => lost.has(file));
        if (task.isEmpty) continue;
        const release = await this.#pool.acquire(rangeWeight(range), this.#options.signal);
        if (this.#failed) {
          release();
          break;
        }
        tasks.push(this.#noted(this.#runRange(task).finally(release)));
      }
      const empty = window.files.filter((file) => file.chunks === 0 && file.span === undefined);
      for (let at = 0; at < empty.length; at += emptyFilesMax) {
        tasks.push(this.#noted(this.#runEmpty(empty.slice(at, at + emptyFilesMax))));
      }
    } finally {
      await Promise.allSettled(tasks);
    }
    await allDone(tasks);
  }

  /** Once a task has failed, no more are started. */
  #noted(task: Promise<void>): Promise<void> {
    task.catch(() => {
      this.#failed = true;
    });
    return task;
  }

  /** Finds the blobs; files that cannot have theirs are told and added to `lost`. */
  #place(window: FileWindow, lost: Set<number>): PlacedBlob[] {
    const placed: PlacedBlob[] = [];
    const { blobs } = window;
    const ids = blobs.map(({ id }) => id);
    const places = this.#options.fetcher.findAll(BlobKind.data, ids);
    for (const [at, { id, length, uses }] of blobs.entries()) {
      const place = places[at];
      if (place !== undefined && place.rawLength === length) {
        placed.push({ id, place, uses });
        continue;
      }
      const fault: TargetFault =
        place === undefined
          ? {
              operation: "read",
              code: "blob-absent",
              message: "A blob of it is in no living pack.",
            }
          : {
              operation: "read",
              code: "blob-damaged",
              message: "A blob of it is of other length.",
            };
      for (let at = 0; at < uses.length; at += 2)
        this.#lose(window, uses[at] as number, fault, lost);
    }
    return placed;
  }

  #lose(window: FileWindow, number: number, fault: TargetFault, lost: Set<number>): void {
    const file = window.files[number] as PlannedFile;
    if (file.span === undefined) {
      if (lost.has(number)) return;
      this.#context.report.failed(pathFromKey(file.entry.key), fault);
    } else this.#loseSpan(file, file.span, fault);
    lost.add(number);
  }

  #loseSpan(file: PlannedFile, span: FileSpan, fault: TargetFault): void {
    if (span.failed) return;
    span.failed = true;
    this.#context.report.failed(pathFromKey(file.entry.key), fault);
  }

  /** Files that one task cannot make whole are opened here, for all. */
  #assign(window: FileWindow, ranges: readonly PlacedBlob[][], lost: Set<number>): void {
    const taskOf = new Int32Array(window.files.length).fill(-1);
    for (const [number, range] of ranges.entries()) {
      for (const { uses } of range) {
        for (let at = 0; at < uses.length; at += 2) {
          const file = uses[at] as number;
          if (taskOf[file] === -1) taskOf[file] = number;
          else if (taskOf[file] !== number) taskOf[file] = -2;
        }
      }
    }
    for (const [number, file] of window.files.entries()) {
      const whole = file.isFirst && file.isLast;
      if (whole && taskOf[number] !== -2) continue;
      file.span ??= { fd: -1, failed: false };
      if (lost.has(number)) file.span.failed = true;
      if (file.span.failed) lost.add(number);
      else this.#openSpan(window, number, file, file.span, lost);
    }
  }

  #openSpan(
    window: FileWindow,
    number: number,
    file: PlannedFile,
    span: FileSpan,
    lost: Set<number>,
  ): void {
    if (span.fd >= 0) return;
    try {
      span.fd = createFile(file.target);
      this.#open.set(span, file);
    } catch (error) {
      this.#lose(window, number, faultOf("create", error), lost);
    }
  }

  async #runRange(task: RangeTask): Promise<void> {
    const written = await this.#write(task);
    const unread = task.unreadFiles(written);
    const { blobs } = this.#options;
    const spare = unread.size === 0 ? undefined : await spareTask(blobs, task, unread);
    if (spare === undefined) return this.#take(task, written);
    const again = new Set(spare.all);
    this.#take(task, withoutFaultsOf(task, written, again));
    this.#take(spare, await this.#write(spare));
  }

  async #write({ range, files, shared, writes }: RangeTask): Promise<Written> {
    const { fetcher, threads, sparse, signal } = this.#options;
    signal?.throwIfAborted();
    const batch = await fetcher.fetch(range, signal);
    signal?.throwIfAborted();
    const written = await threads.write({
      batch,
      files: encodeFiles(files.map((file) => file.target)),
      shared: shared.map((file) => file.span?.fd ?? -1),
      writes,
      sparse,
    });
    for (const memory of written.memory) this.#options.memory.giveBack(memory);
    return written;
  }

  async #runEmpty(files: readonly PlannedFile[]): Promise<void> {
    const batch = { packs: [], segments: [], ids: new Uint8Array(0), fields: new Float64Array(0) };
    const written = await this.#options.threads.write({
      batch,
      files: encodeFiles(files.map((file) => file.target)),
      shared: [],
      writes: new Float64Array(0),
      sparse: false,
    });
    this.#take({ all: files, files }, written);
  }

  /** `files`, the first of all, were made whole by the worker. */
  #take(
    { all, files }: Record<"all" | "files", readonly PlannedFile[]>,
    { faults, inodes }: Pick<Written, "faults" | "inodes">,
  ): void {
    const { report, links } = this.#context;
    for (const fault of faults) {
      const file = all[fault.file] as PlannedFile;
      if (file.span !== undefined) this.#loseSpan(file, file.span, fault);
      else if (fault.isLost) report.failed(pathFromKey(file.entry.key), fault);
      else report.problem(pathFromKey(file.entry.key), fault);
    }
    for (const [number, { entry }] of files.entries()) {
      const inode = inodes[number] ?? 0n;
      if (inode === 0n) continue;
      if (entry.hardLink !== undefined) links.put(entry, inode);
      report.restored(entry);
    }
  }

  // --- The end of a window

  #finish(window: FileWindow): void {
    for (const file of window.files) {
      if (file.isLast && file.span !== undefined) this.#finishSpan(file, file.span);
      this.#options.tree.unpin(file.folder);
    }
    for (const link of window.links) this.#link(link);
    for (const frame of window.left) leaveFolder(this.#context, frame);
  }

  #finishSpan(file: PlannedFile, span: FileSpan): void {
    const { report, links } = this.#context;
    const { fd } = span;
    const path = pathFromKey(file.entry.key);
    this.#open.delete(span);
    span.fd = -1;
    if (fd < 0) return;
    if (span.failed) {
      discardFile(fd, file.target);
      return;
    }
    try {
      const { inode } = statFd(fd);
      for (const fault of completeFile(fd, file.target)) report.problem(path, fault);
      if (file.entry.hardLink !== undefined) links.put(file.entry, inode);
      report.restored(file.entry);
    } catch (error) {
      report.failed(path, faultOf("create", error));
    }
  }

  #link({ entry, folder, name }: PlannedLink): void {
    const { report, links, names, strip } = this.#context;
    const { tree } = this.#options;
    const path = pathFromKey(entry.key);
    const first = links.first(entry);
    if (first === undefined || first.inode === 0n) {
      const message = "The first name of this file could not be restored.";
      report.failed(path, { operation: "link", code: "restore-incomplete", message });
      return;
    }
    try {
      const above = targetNames(first.key, strip);
      const firstName = above.pop() ?? "";
      const place = { folder: tree.pin(folder), name, temporaryName: names.next() };
      try {
        withFolderBelow(tree.fd(tree.root), above, (firstFolder) =>
          makeHardLink(firstFolder, firstName, place, (inode) => inode === first.inode),
        );
      } finally {
        tree.unpin(folder);
      }
      report.restored(entry, true);
    } catch (error) {
      report.failed(path, faultOf("link", error));
    }
  }
}

/** Waits for all, also when one fails; then throws the first failure. */
async function allDone(tasks: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(tasks)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
