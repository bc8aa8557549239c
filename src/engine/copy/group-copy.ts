/**
 * Moves what some snapshots need to the target, one group after the other; committing them is left
 * to copy.ts. In a dry run chunks are counted and none is read.
 */
import type { VarveError } from "../../base/errors.ts";
import type { BlobId } from "../../base/ids.ts";
import { isLoss } from "../../repo/blob-reader.ts";
import type { AddedBlobs, BlobWriter } from "../../repo/blob-writer.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { Snapshot } from "../../repo/format/snapshot.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import { BlobMover, type MoveItem } from "./blob-mover.ts";
import type { BlobNames } from "./blob-names.ts";
import { CopyWalk } from "./copy-walk.ts";
import { RekeyedCatalogs } from "./rekeyed-catalog.ts";

export interface GroupTools {
  readonly source: Repository;
  readonly target: Repository;
  readonly names: BlobNames;
  readonly writer: BlobWriter;
  readonly signal: AbortSignal | undefined;
  /** Told of bytes that came from the source. */
  readonly onRead: (bytes: number) => void;
  /** Dry runs: where is counted. */
  readonly wouldAdd?: AddedBlobs;
}

/** The catalog as it is at the target. */
export type CopiedRoot = Pick<Snapshot, "root" | "totals">;

export class GroupCopy {
  readonly #tools: GroupTools;
  readonly #walk: CopyWalk;
  readonly #mover: BlobMover;
  readonly #catalogs: RekeyedCatalogs | undefined;
  #roots: CopiedRoot[] = [];

  constructor(tools: GroupTools) {
    const { source, names } = tools;
    this.#tools = tools;
    this.#mover = new BlobMover(tools);
    this.#walk = new CopyWalk({
      source,
      isMissing: (kind, id) => this.#isMissing(kind, id),
      move: (items, onPlaintext) => this.#move(items, onPlaintext),
      signal: tools.signal,
    });
    const isRebuilt = !names.areSame && tools.wouldAdd === undefined;
    this.#catalogs = isRebuilt ? new RekeyedCatalogs(tools) : undefined;
  }

  get addedBytes(): number {
    return this.#tools.writer.added.bytes;
  }

  /** The first loss that was met, if any; then none of the records may be committed. */
  async copy(records: readonly SnapshotRecord[]): Promise<VarveError | undefined> {
    const rest = records.values();
    this.#roots = [];
    try {
      await this.#walk.run(() => rest.next().value);
      for (const { snapshot } of records) {
        const { root, totals } = snapshot;
        const rebuilt = await this.#catalogs?.build(root, this.#tools.signal);
        this.#roots.push(rebuilt ?? { root, totals });
      }
      return undefined;
    } catch (error) {
      if (isLoss(error)) return error;
      throw error;
    }
  }

  /** Nodes and lists that are made anew are looked up by whoever makes them. */
  #isMissing(kind: BlobKind, id: BlobId): boolean {
    const { names, writer } = this.#tools;
    if (!names.areSame && kind !== BlobKind.data) return false;
    const name = names.find(id);
    return name === undefined || !writer.has(kind, name);
  }

  async #move(
    items: readonly MoveItem[],
    onPlaintext?: (item: MoveItem, plaintext: Uint8Array) => void,
  ): Promise<void> {
    const { wouldAdd } = this.#tools;
    if (wouldAdd === undefined) return this.#mover.move(items, onPlaintext);
    for (const { isStored, place } of items) {
      if (!isStored) continue;
      wouldAdd.blobs++;
      wouldAdd.rawBytes += place?.rawLength ?? 0;
    }
    if (onPlaintext === undefined) return;
    const nodes = items.map((item) => ({ ...item, isStored: false }));
    await this.#mover.move(nodes, onPlaintext);
  }

  /** After this all is durable; the roots of the records that were copied last, in their order. */
  async finish(): Promise<readonly CopiedRoot[]> {
    await this.#mover.finish();
    return this.#roots.map(({ root, totals }) => ({ root, totals }));
  }
}
