/**
 * What snapshots seem to lack when a prune looks. While others snapshot, forget and prune, little
 * of it is a loss: the index that was loaded is not of the same moment as the list of snapshots. A
 * snapshot that lacks the same blob look after look, although dying packs were searched, is hurt.
 */
import { VarveError } from "../base/errors.ts";
import { type BlobId, toHex } from "../base/ids.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";

/** In so many looks one after the other a snapshot must lack the same blob to be called hurt. */
const looksMax = 3;
/** Of the losses of one look, so many are told from each other. */
const lossesMax = 1000;

export class Losses {
  readonly #looks = new Map<string, number>();
  #lacking = new Map<string, SnapshotRecord>();

  get count(): number {
    return this.#lacking.size;
  }

  add(record: SnapshotRecord, blob: BlobId): void {
    if (this.#lacking.size < lossesMax) this.#lacking.set(`${record.id} ${toHex(blob)}`, record);
  }

  /** Throws `blob-absent` when something was missed too often. */
  nextLook(): void {
    for (const [loss, { id }] of this.#lacking) {
      const looks = (this.#looks.get(loss) ?? 0) + 1;
      this.#looks.set(loss, looks);
      if (looks < looksMax) continue;
      throw new VarveError("blob-absent", `Snapshot ${id.slice(0, 8)} lacks data.`, {
        hint: "Nothing was removed. Run `varve check`, then see `varve help repair`.",
      });
    }
    this.#lacking = new Map();
  }
}
