/**
 * Walks the catalogs of snapshots of the source and has what the target lacks moved: every node,
 * list and chunk is looked at once, whoever refers to it. That a node is at the target says nothing
 * of what is below it, so each blob is looked up (docs/concurrency.md, "Writer", 3).
 *
 * Memory: one bit a blob, 10 MiB of ids seen lately, the nodes of a batch for each level, and ids
 * of chunks that wait to be moved.
 */
import { type BlobId, idBytes } from "../../base/ids.ts";
import type { BlobPlace } from "../../repo/blob-lookup.ts";
import { eachListReference, eachNodeReference } from "../../repo/format/node-references.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import { BlobBits } from "../blob-bits.ts";
import { RecentIds } from "../recent-ids.ts";
import type { MoveItem } from "./blob-mover.ts";

const nodesAtOnce = 128;
const nodeBytesAtOnce = 4 * 1024 * 1024;
/** Chunks that wait: the more, the fewer the ranges that they are read by. */
const chunksMax = 16_384;
const chunkBytesMax = 256 * 1024 * 1024;

export interface CopyWalkOptions {
  readonly source: Repository;
  /** Whether the target lacks a blob of the source, and is to get it. */
  readonly isMissing: (kind: BlobKind, id: BlobId) => boolean;
  /** Reads, and stores those that say so. */
  readonly move: (
    items: readonly MoveItem[],
    onPlaintext?: (item: MoveItem, plaintext: Uint8Array) => void,
  ) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

export class CopyWalk {
  readonly #options: CopyWalkOptions;
  /** Of snapshots that were walked to the end without a loss, and of the present ones. */
  readonly #sure = new BlobBits();
  #fresh = new BlobBits();
  #recent = new RecentIds();
  #nodes: MoveItem[] = [];
  #lists: MoveItem[] = [];
  #chunks: MoveItem[] = [];
  #chunkBytes = 0;

  constructor(options: CopyWalkOptions) {
    this.#options = options;
  }

  /**
   * Walks what `next` gives, several at a time; resolves when it gives no more and all is moved.
   * When it throws, what it has seen is forgotten: another walk looks at it again.
   */
  async run(next: () => SnapshotRecord | undefined): Promise<void> {
    try {
      await this.#walk(next);
      this.#sure.addAll(this.#fresh);
    } catch (error) {
      this.#recent = new RecentIds();
      this.#nodes = [];
      this.#lists = [];
      this.#chunks = [];
      this.#chunkBytes = 0;
      throw error;
    } finally {
      this.#fresh = new BlobBits();
    }
  }

  async #walk(next: () => SnapshotRecord | undefined): Promise<void> {
    for (;;) {
      this.#options.signal?.throwIfAborted();
      while (this.#nodes.length < nodesAtOnce) {
        const record = next();
        if (record === undefined) break;
        this.#meet(BlobKind.catalog, record.snapshot.root);
      }
      if (this.#lists.length >= nodesAtOnce || this.#nodes.length === 0) {
        if (this.#lists.length === 0) break;
        await this.#look(takeBatch(this.#lists), eachListReference);
      } else {
        await this.#look(takeBatch(this.#nodes), eachNodeReference);
      }
    }
    await this.#moveChunks();
  }

  #meet(kind: BlobKind, id: BlobId): void {
    this.#recent.add(id, kind);
    const { source, isMissing } = this.#options;
    const place = source.index.find(kind, id);
    if (place !== undefined && this.#isSeen(place)) return;
    const isStored = isMissing(kind, id);
    if (kind !== BlobKind.data) {
      (kind === BlobKind.list ? this.#lists : this.#nodes).push({ kind, id, place, isStored });
    } else if (isStored) {
      // The id is a view on its node.
      this.#chunks.push({ kind, id: id.slice(), place, isStored });
      this.#chunkBytes += place?.rawLength ?? 0;
    }
  }

  #isSeen(place: BlobPlace): boolean {
    if (this.#sure.has(place) || this.#fresh.has(place)) return true;
    this.#fresh.add(place);
    return false;
  }

  async #look(batch: readonly MoveItem[], eachReference: typeof eachNodeReference): Promise<void> {
    await this.#options.move(batch, (_item, bytes) => {
      eachReference(bytes, (kind, at) => {
        if (this.#recent.has(bytes, kind, at)) return;
        this.#meet(kind, bytes.subarray(at, at + idBytes));
      });
    });
    if (this.#chunks.length >= chunksMax || this.#chunkBytes >= chunkBytesMax) {
      await this.#moveChunks();
    }
  }

  async #moveChunks(): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunkBytes = 0;
    if (chunks.length > 0) await this.#options.move(chunks);
  }
}

/** From the end of `stack`: at least one. */
function takeBatch(stack: MoveItem[]): MoveItem[] {
  let count = 0;
  for (let bytes = 0; count < Math.min(nodesAtOnce, stack.length) && bytes < nodeBytesAtOnce; ) {
    bytes += stack.at(-1 - count)?.place?.rawLength ?? 0;
    count++;
  }
  return stack.splice(stack.length - count);
}
