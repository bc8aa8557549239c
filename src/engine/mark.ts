/**
 * Walks the catalogs of snapshots and marks every blob that they need; equal subtrees once, whoever
 * refers to them. Memory: one bit a blob (used-blobs.ts).
 */
import type { Content } from "../base/entry.ts";
import { hasCode, type VarveError } from "../base/errors.ts";
import type { BlobId } from "../base/ids.ts";
import { decodeList } from "../repo/format/content-list.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import type { Repository } from "../repo/repository.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { UsedBlobs } from "./used-blobs.ts";

export interface MarkOptions {
  /**
   * A needed blob, or the base of one, that no living pack has; may come more than once for the
   * same blob.
   */
  readonly onAbsent: (kind: BlobKind, id: BlobId, record: SnapshotRecord) => void;
  /** A catalog node or list that does not open; without it, that throws. */
  readonly onDamaged?: (
    kind: BlobKind,
    id: BlobId,
    error: VarveError,
    record: SnapshotRecord,
  ) => void;
  readonly onSnapshot?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The index must be loaded. */
export async function markSnapshots(
  repo: Repository,
  records: readonly SnapshotRecord[],
  options: MarkOptions,
): Promise<UsedBlobs> {
  const used = new UsedBlobs(repo.index);
  // Newest first: its packs are the likeliest to be in the page cache.
  for (const [done, record] of [...records].reverse().entries()) {
    await new SnapshotMarker(repo, used, record, options).run();
    options.onSnapshot?.(done + 1, records.length);
  }
  return used;
}

class SnapshotMarker {
  readonly #repo: Repository;
  readonly #used: UsedBlobs;
  readonly #record: SnapshotRecord;
  readonly #options: MarkOptions;
  readonly #onAbsent: (kind: BlobKind, id: BlobId) => void;

  constructor(repo: Repository, used: UsedBlobs, record: SnapshotRecord, options: MarkOptions) {
    this.#repo = repo;
    this.#used = used;
    this.#record = record;
    this.#options = options;
    this.#onAbsent = (kind, id) => options.onAbsent(kind, id, record);
  }

  async run(): Promise<void> {
    const { onDamaged, signal } = this.#options;
    await this.#repo.catalog(this.#record).walkNodes({
      enter: (id) => this.#mark(BlobKind.catalog, id),
      leaf: async (leaf) => {
        signal?.throwIfAborted();
        for (const { content } of leaf.entries) {
          if (content === undefined) continue;
          if (content.depth === 0) this.#markItems(BlobKind.data, content);
          else await this.#markLists(content);
        }
      },
      ...(onDamaged === undefined
        ? {}
        : {
            onDamage: ({ id, error }) => onDamaged(BlobKind.catalog, id, error, this.#record),
          }),
    });
  }

  /** Whether the blob is there and was not marked before. */
  #mark(kind: BlobKind, id: BlobId): boolean {
    return this.#used.mark(kind, id, this.#onAbsent) === "new";
  }

  /** Marks what the items name; returns those that were new. */
  #markItems(kind: BlobKind, { items }: Content): BlobId[] {
    const fresh: BlobId[] = [];
    for (const { id } of items) {
      if (id !== null && this.#mark(kind, id)) fresh.push(id);
    }
    return fresh;
  }

  async #markLists(content: Content): Promise<void> {
    for (const id of this.#markItems(BlobKind.list, content)) {
      const list = await this.#readList(id);
      if (list === undefined) continue;
      if (list.depth === 0) this.#markItems(BlobKind.data, list);
      else await this.#markLists(list);
    }
  }

  async #readList(id: BlobId): Promise<Content | undefined> {
    const { onDamaged } = this.#options;
    try {
      return decodeList(await this.#repo.blobs.read(BlobKind.list, id));
    } catch (error) {
      const isFault = hasCode(error, "blob-absent", "blob-damaged", "object-damaged");
      if (onDamaged === undefined || !isFault) throw error;
      onDamaged(BlobKind.list, id, error, this.#record);
      return undefined;
    }
  }
}
