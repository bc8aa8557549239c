/**
 * Small files through the workers: gathers them into batches, sends each batch to the worker with
 * the least to do, decides which of its chunks are new, and settles the entries. At most
 * `batchesAtOnce` batches are with a worker, which bounds memory and keeps it busy.
 */
import type { Content, ContentItem, Entry } from "../../base/entry.ts";
import { type BlobId, idBytes } from "../../base/ids.ts";
import { ContentBuilder, inlineItemsMax, type PutList } from "../../repo/format/content-list.ts";
import type { OpenTarget, SourceEntry } from "../../sources/tree-walker.ts";
import type { FileReport, FileStat, Hashed, HashFiles } from "../workers/snapshot-protocol.ts";
import { BasePlaces } from "./base-places.ts";
import type { QueueItem } from "./entry-queue.ts";
import type { SnapshotWorkers } from "./snapshot-workers.ts";

const batchBytes = 2 * 1024 * 1024;
const batchFiles = 256;

export interface SmallFile {
  readonly source: SourceEntry;
  readonly target: OpenTarget;
  readonly item: QueueItem;
  /** The parent has an entry of this name. */
  readonly isKnown: boolean;
  /** What the parent's file of this name held. */
  readonly before: Content | undefined;
}

export interface SmallFilesHandler {
  /** Stores a list blob. */
  readonly putList: PutList;
  /** The file was read; `report` says how it differs from what the walk saw. */
  read(file: SmallFile, content: Content, report: FileReport | undefined): void;
  failed(file: SmallFile, report: FileReport): void;
}

export class SmallFiles {
  readonly #workers: SnapshotWorkers;
  readonly #handler: SmallFilesHandler;
  #files: SmallFile[] = [];
  #bytes = 0;

  constructor(workers: SnapshotWorkers, handler: SmallFilesHandler) {
    this.#workers = workers;
    this.#handler = handler;
  }

  /** Takes a file in; resolves at once unless the workers have enough to do. */
  add(file: SmallFile): Promise<void> | undefined {
    if (this.#bytes + file.source.size > batchBytes && this.#files.length > 0) {
      const sent = this.send();
      this.#take(file);
      return sent;
    }
    this.#take(file);
    return this.#files.length >= batchFiles ? this.send() : undefined;
  }

  #take(file: SmallFile): void {
    this.#files.push(file);
    this.#bytes += file.source.size;
  }

  /** Sends what was gathered. */
  async send(): Promise<void> {
    const files = this.#files;
    if (files.length === 0) return;
    this.#files = [];
    this.#bytes = 0;
    await this.#workers.dispatch((batch) => ({
      message: hashFilesMessage(batch, files),
      hashed: (reply) => this.#settle(files, reply),
      likes: (reply) => likesOf(files, reply),
    }));
  }

  /** A small file with very many holes has lists all the same. */
  #contentOf(items: readonly ContentItem[]): Content {
    if (items.length <= inlineItemsMax) return { depth: 0, items };
    const builder = new ContentBuilder({ putList: this.#handler.putList });
    for (const { id, length } of items) builder.append(id, length);
    return builder.finish();
  }

  #settle(files: readonly SmallFile[], reply: Hashed): void {
    const reports = new Map(reply.reports.map((report) => [report.file, report]));
    let item = 0;
    let idOffset = 0;
    for (const [i, file] of files.entries()) {
      const report = reports.get(i);
      const items: ContentItem[] = [];
      for (let n = reply.counts[i] ?? 0; n > 0; n--) {
        const length = reply.lengths[item++] ?? 0;
        if (length < 0) {
          items.push({ id: null, length: -length });
        } else {
          // A copy: the reply's array would be kept alive whole by one id.
          items.push({ id: reply.ids.slice(idOffset, idOffset + idBytes), length });
          idOffset += idBytes;
        }
      }
      if (report?.failure === undefined) {
        this.#handler.read(file, this.#contentOf(items), report);
      } else {
        this.#handler.failed(file, report);
      }
    }
  }
}

/** The parent's chunks in the places of the batch's chunks. */
function likesOf(files: readonly SmallFile[], { counts, lengths }: Hashed) {
  const likes: (BlobId | undefined)[] = [];
  let item = 0;
  for (const [i, { before }] of files.entries()) {
    // A small file with lists is one of very many holes.
    const places = before?.depth === 0 ? BasePlaces.of(before.items) : undefined;
    let offset = 0;
    for (let n = counts[i] ?? 0; n > 0; n--) {
      const length = lengths[item++] ?? 0;
      if (length > 0) likes.push(places?.find(offset, length));
      offset += Math.abs(length);
    }
  }
  return likes;
}

function hashFilesMessage(batch: number, files: readonly SmallFile[]): HashFiles {
  const count = files.length;
  const message: HashFiles = {
    type: "hash-files",
    batch,
    targets: files.map(({ target }) => ("fd" in target ? target.fd : target.path)),
    sizes: new Float64Array(count),
    mtimesNs: new BigInt64Array(count),
    ctimesNs: new BigInt64Array(count),
  };
  for (const [i, { source }] of files.entries()) {
    message.sizes[i] = source.size;
    message.mtimesNs[i] = source.mtimeNs;
    message.ctimesNs[i] = source.ctimeNs;
  }
  return message;
}

/** The entry of a file with this content, as it was when it was opened. */
export function fileEntry(
  source: SourceEntry,
  content: Content,
  report: FileReport | undefined,
): Entry {
  let size = 0;
  for (const item of content.items) size += item.length;
  const meta = entryMeta(source);
  const entry: { -readonly [K in keyof Entry]: Entry[K] } = { ...meta, size, content };
  // By and by: spreading what may be absent would cost as much as all the rest of an entry.
  if (report?.now !== undefined) Object.assign(entry, metaNow(source, report.now), { size });
  if (report?.xattrs !== undefined) entry.xattrs = report.xattrs;
  if (source.nlink > 1) entry.hardLink = source.deviceOrdinal;
  return entry;
}

/** What the descriptor said; names of another owner than the walk saw are not known here. */
function metaNow(source: SourceEntry, now: FileStat) {
  const user = now.uid === source.uid ? source.user : "";
  const group = now.gid === source.gid ? source.group : "";
  return { ...now, user, group };
}

/** The part of a source entry that every kind of entry shares. */
export function entryMeta(source: SourceEntry) {
  const { key, type, mode, uid, gid, user, group, mtimeNs, ctimeNs, inode, size } = source;
  return { key, type, mode, uid, gid, user, group, mtimeNs, ctimeNs, inode, size };
}
