/**
 * Large files: the main thread reads and cuts them, slot by slot in shared memory, and the workers
 * share the rest of the work on each slot's chunks, so that one huge file keeps every core busy.
 * Bounded by the slots. Holes are not read: they become items without a blob, and cutting starts
 * anew behind each.
 */
import type { Content, ContentItem } from "../../base/entry.ts";
import { type BlobId, idBytes } from "../../base/ids.ts";
import { Cutter } from "../../chunker/cutter.ts";
import { gearTableFromBytes } from "../../chunker/gear-table.ts";
import type { ChunkProfile } from "../../chunker/profiles.ts";
import { SlotCutter } from "../../chunker/slot-cutter.ts";
import { createSlotMemory, type SlotMemory } from "../../chunker/slot-memory.ts";
import { isLoss } from "../../repo/blob-reader.ts";
import type { BlobWriter } from "../../repo/blob-writer.ts";
import { ContentBuilder, type ReadList, readContentRuns } from "../../repo/format/content-list.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import { readIntoAsync } from "../../sources/async-read.ts";
import {
  classifyChange,
  closeFd,
  type Extent,
  openForRead,
  readStat,
} from "../../sources/file-reader.ts";
import type { OpenTarget, SourceEntry } from "../../sources/tree-walker.ts";
import { dataExtents, describeFile, statOf } from "../workers/open-file.ts";
import type { FileReport, Hashed } from "../workers/snapshot-protocol.ts";
import { BasePlaces } from "./base-places.ts";
import { BaseSearch, type ReadData } from "./base-search.ts";
import { SlotPool } from "./slot-pool.ts";
import type { SnapshotWorkers } from "./snapshot-workers.ts";

const readBytes = 4 * 1024 * 1024;

export interface LargeFilesOptions {
  readonly profile: ChunkProfile;
  readonly gearMaterial: Uint8Array;
  readonly signal: AbortSignal | undefined;
  /** Reads lists of the parent's contents. */
  readonly readList: ReadList;
  /** Reads chunks of the parent's; without it, no base is looked for. */
  readonly readData: ReadData | undefined;
}

export interface LargeFile {
  readonly source: SourceEntry;
  readonly target: OpenTarget;
  /** What the parent's file of this name held. */
  readonly before: Content | undefined;
}

/** Chunks of a file that lie behind each other in one slot. */
interface CutPart {
  /** Of the first one, in the slot memory. */
  readonly offset: number;
  readonly lengths: Uint32Array;
  readonly content: ContentInOrder;
  readonly likes: readonly (BlobId | undefined)[] | undefined;
}

export interface LargeFileHandler {
  read(content: Content, report: FileReport): void;
  failed(report: FileReport): void;
}

/** Slot memory for `threads` workers: one slot being filled, the others on their way. */
export function slotsFor(profile: ChunkProfile, threads: number): SlotMemory {
  return createSlotMemory(2 * threads + 1, profile.maxBytes + readBytes);
}

/** Takes the items of a file in the order of its parts, whatever order they become known in. */
class ContentInOrder {
  readonly #builder: ContentBuilder;
  readonly #known = new Map<number, readonly ContentItem[]>();
  #next = 0;
  #parts = 0;
  #isComplete = false;
  readonly #done: (content: Content) => void;

  constructor(builder: ContentBuilder, done: (content: Content) => void) {
    this.#builder = builder;
    this.#done = done;
  }

  newPart(): number {
    return this.#parts++;
  }

  settle(part: number, items: readonly ContentItem[]): void {
    this.#known.set(part, items);
    for (;;) {
      const next = this.#known.get(this.#next);
      if (next === undefined) break;
      this.#known.delete(this.#next++);
      for (const { id, length } of next) this.#builder.append(id, length);
    }
    this.#finishIfDone();
  }

  /** No part follows. */
  complete(): void {
    this.#isComplete = true;
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#isComplete && this.#next === this.#parts) this.#done(this.#builder.finish());
  }
}

/** What stood in the places of a file's chunks in the parent, asked for in their order. */
class LikesInOrder {
  #places: BasePlaces | undefined;
  #search: BaseSearch | undefined;

  constructor(before: Content | undefined, { readList, readData }: ParentReader) {
    if (before === undefined || readData === undefined) return;
    this.#places = BasePlaces.reading(readContentRuns(before, readList));
    this.#search = new BaseSearch(this.#places, readData);
  }

  /** Of chunks from `offset` in the file on; undefined when nothing is known of the parent. */
  async next(
    offset: number,
    chunks: readonly Uint8Array[],
  ): Promise<readonly (BlobId | undefined)[] | undefined> {
    if (this.#places === undefined || this.#search === undefined) return undefined;
    const likes: (BlobId | undefined)[] = [];
    let end = offset;
    try {
      for (const chunk of chunks) {
        end += chunk.length;
        await this.#places.prepare(end);
        likes.push(await this.#search.find(end - chunk.length, chunk));
      }
      return likes;
    } catch (error) {
      // Without the parent's lists the chunks are compressed alone.
      if (!isLoss(error)) throw error;
      this.#places = undefined;
      return undefined;
    }
  }
}

type ParentReader = Pick<LargeFilesOptions, "readList" | "readData">;

export class LargeFiles {
  readonly #workers: SnapshotWorkers;
  readonly #writer: BlobWriter;
  readonly #pool: SlotPool;
  readonly #cutter: SlotCutter;
  readonly #signal: AbortSignal | undefined;
  readonly #parentReader: ParentReader;
  readonly #slots: SlotMemory;

  constructor(
    workers: SnapshotWorkers,
    writer: BlobWriter,
    slots: SlotMemory,
    options: LargeFilesOptions,
  ) {
    this.#workers = workers;
    this.#writer = writer;
    this.#signal = options.signal;
    this.#parentReader = options;
    this.#slots = slots;
    this.#pool = new SlotPool(slots.slotCount);
    const table = gearTableFromBytes(options.gearMaterial);
    this.#cutter = new SlotCutter(new Cutter({ profile: options.profile, table }, slots), slots);
  }

  /**
   * Resolves when the file was read and cut; the handler is called when its chunks are known,
   * which may be later.
   */
  async read(file: LargeFile, handler: LargeFileHandler): Promise<void> {
    let fd: number;
    try {
      fd = openForRead(file.target);
    } catch (error) {
      handler.failed({ file: 0, failure: failureOf("open", error) });
      return;
    }
    try {
      await this.#readOpen(fd, file, handler);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      handler.failed({ file: 0, failure: failureOf("read", error) });
    } finally {
      closeFd(fd);
    }
  }

  async #readOpen(fd: number, file: LargeFile, handler: LargeFileHandler): Promise<void> {
    const { source } = file;
    const before = readStat(fd);
    const report: { -readonly [K in keyof FileReport]: FileReport[K] } = { file: 0 };
    const builder = new ContentBuilder({
      putList: (list) => this.#writer.put(BlobKind.list, list),
    });
    const content = new ContentInOrder(builder, (done) => handler.read(done, report));
    const likes = new LikesInOrder(file.before, this.#parentReader);
    for (const extent of dataExtents(fd, before)) {
      if (extent.hole) content.settle(content.newPart(), [{ id: null, length: extent.length }]);
      else if (!(await this.#readExtent(fd, extent, content, likes))) break;
    }
    describeFile(fd, report);
    if (classifyChange(before, readStat(fd)) === "changed") report.torn = true;
    if (before.mtimeNs !== source.mtimeNs || before.ctimeNs !== source.ctimeNs)
      report.now = statOf(before);
    content.complete();
  }

  /** False when the file ended before the extent did. */
  async #readExtent(
    fd: number,
    extent: Extent,
    content: ContentInOrder,
    likes: LikesInOrder,
  ): Promise<boolean> {
    const end = extent.offset + extent.length;
    let position = extent.offset;
    let cutUntil = position;
    let isShort = false;
    // A slot whose bytes begin a chunk that ends in the next slot.
    let held: number | undefined;
    try {
      while (position < end && !isShort) {
        this.#signal?.throwIfAborted();
        const slot = await this.#pool.acquire();
        const area = this.#cutter.begin(slot);
        if (held !== undefined) this.#pool.release(held);
        held = slot;
        const wanted = Math.min(readBytes, area.length, end - position);
        const filled = await readIntoAsync(fd, area.subarray(0, wanted), position);
        position += filled;
        isShort = filled < wanted;
        const { offset, lengths } = this.#cutter.cut(filled, position === end || isShort);
        if (lengths.length === 0) continue;
        held = undefined;
        const stoodThere = await likes.next(cutUntil, this.#chunksOf(offset, lengths));
        cutUntil += lengths.reduce((sum, length) => sum + length, 0);
        await this.#dispatch(slot, { offset, lengths, content, likes: stoodThere });
      }
    } finally {
      if (held !== undefined) this.#pool.release(held);
    }
    return !isShort;
  }

  /** Views on the slot memory; `offset`: of the first one. */
  #chunksOf(offset: number, lengths: Uint32Array): Uint8Array[] {
    let end = offset;
    return Array.from(lengths, (length) => {
      end += length;
      return new Uint8Array(this.#slots.buffer, end - length, length);
    });
  }

  async #dispatch(slot: number, { offset, lengths, content, likes }: CutPart): Promise<void> {
    const part = content.newPart();
    await this.#workers.dispatch((batch) => ({
      message: { type: "hash-slot", batch, offset, lengths },
      hashed: (reply) => content.settle(part, itemsOf(reply)),
      likes: likes === undefined ? undefined : () => likes,
      released: () => this.#pool.release(slot),
    }));
  }
}

function itemsOf({ ids, lengths }: Hashed): ContentItem[] {
  return Array.from(lengths, (length, i) => ({
    id: ids.slice(i * idBytes, (i + 1) * idBytes),
    length,
  }));
}

export function failureOf(operation: string, error: unknown) {
  const { code, message } = error as NodeJS.ErrnoException;
  return { operation, code: code ?? "EIO", message };
}
