/**
 * Walks the catalogs of snapshots and marks every blob that they need; equal subtrees once, whoever
 * refers to them. Memory: one bit a blob (used-blobs.ts), 10 MiB of ids seen lately, and the nodes
 * and lists of a few batches, however many snapshots there are.
 *
 * Nodes are read by batches that may be of several snapshots: of very many small ones as of one
 * large one. Of the nodes only their references are looked at (format/node-references.ts).
 */
import { hasCode, type VarveError } from "../base/errors.ts";
import { type BlobId, idBytes } from "../base/ids.ts";
import { eachListReference, eachNodeReference } from "../repo/format/node-references.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import type { Repository } from "../repo/repository.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { RecentIds } from "./recent-ids.ts";
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
  const marker = new Marker(repo, options);
  await marker.run(records);
  return marker.used;
}

/** Nodes or lists read at once; the larger the batch, the fewer the ranges that it is read by. */
const batchMax = 128;
/** And their plaintexts, all but the last. */
const batchBytesMax = 4 * 1024 * 1024;

/** A node or list that is marked, and waits to be looked into. */
interface Waiting {
  readonly id: BlobId;
  readonly rawLength: number;
  /** The first snapshot that was found to refer to it. */
  readonly record: SnapshotRecord;
}

class Marker {
  readonly used: UsedBlobs;
  readonly #repo: Repository;
  readonly #options: MarkOptions;
  readonly #recent = new RecentIds();
  /** Last in, first out: so it holds little more than a batch for each level of a catalog. */
  readonly #nodes: Waiting[] = [];
  readonly #lists: Waiting[] = [];

  constructor(repo: Repository, options: MarkOptions) {
    this.#repo = repo;
    this.#options = options;
    this.used = new UsedBlobs(repo.index);
  }

  /**
   * Oldest first: of each that follows only what changed is read, which lies together in packs of
   * its own; of the newest the nodes lie in packs of all times.
   */
  async run(records: readonly SnapshotRecord[]): Promise<void> {
    const { onSnapshot, signal } = this.#options;
    for (let begun = 0; ; ) {
      signal?.throwIfAborted();
      for (; begun < records.length && this.#nodes.length < batchMax; begun++) {
        const record = records[begun] as SnapshotRecord;
        this.#mark(BlobKind.catalog, record.snapshot.root, record);
      }
      if (this.#nodes.length === 0 && this.#lists.length === 0) break;
      if (this.#lists.length >= batchMax || this.#nodes.length === 0) {
        await this.#look(BlobKind.list, this.#lists, eachListReference);
      } else {
        await this.#look(BlobKind.catalog, this.#nodes, eachNodeReference);
      }
      onSnapshot?.(begun, records.length);
    }
    onSnapshot?.(records.length, records.length);
  }

  #mark(kind: BlobKind, id: BlobId, record: SnapshotRecord): void {
    const { used } = this;
    const before = used.rawBytes;
    const { onAbsent } = this.#options;
    const found = used.mark(kind, id, (what, blob) => onAbsent(what, blob, record));
    if (found === "absent") return;
    this.#recent.add(id, kind);
    if (found === "known" || kind === BlobKind.data) return;
    const waiting = { id, rawLength: used.rawBytes - before, record };
    (kind === BlobKind.list ? this.#lists : this.#nodes).push(waiting);
  }

  async #look(
    kind: BlobKind,
    stack: Waiting[],
    eachReference: typeof eachNodeReference,
  ): Promise<void> {
    const batch = takeBatch(stack);
    const plaintexts = await this.#read(kind, batch);
    for (const [i, waiting] of batch.entries()) {
      const bytes = plaintexts[i];
      if (bytes === undefined) continue;
      const { record } = waiting;
      try {
        eachReference(bytes, (below, at) => {
          if (this.#recent.has(bytes, below, at)) return;
          this.#mark(below, bytes.subarray(at, at + idBytes) as BlobId, record);
        });
      } catch (error) {
        this.#tell(kind, waiting, error);
      }
    }
  }

  /** All at once, and one by one when that fails and there is somebody to tell. */
  async #read(
    kind: BlobKind,
    batch: readonly Waiting[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const { blobs } = this.#repo;
    try {
      return await blobs.readMany(
        kind,
        batch.map(({ id }) => id),
      );
    } catch (error) {
      if (this.#options.onDamaged === undefined || !isDamage(error)) throw error;
    }
    const each: (Uint8Array | undefined)[] = [];
    for (const waiting of batch) {
      each.push(
        await blobs.read(kind, waiting.id).catch((error: unknown) => {
          this.#tell(kind, waiting, error);
          return undefined;
        }),
      );
    }
    return each;
  }

  #tell(kind: BlobKind, { id, record }: Waiting, error: unknown): void {
    const { onDamaged } = this.#options;
    if (onDamaged === undefined || !isDamage(error)) throw error;
    onDamaged(kind, id, error, record);
  }
}

/** From the end of `stack`: at least one. */
function takeBatch(stack: Waiting[]): Waiting[] {
  let count = 0;
  for (let bytes = 0; count < Math.min(batchMax, stack.length) && bytes < batchBytesMax; count++) {
    bytes += stack.at(-1 - count)?.rawLength ?? 0;
  }
  return stack.splice(stack.length - count);
}

function isDamage(error: unknown): error is VarveError {
  return hasCode(error, "object-absent", "object-damaged", "blob-absent", "blob-damaged");
}
