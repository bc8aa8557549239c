/**
 * The set of blobs that snapshots need, as one bit for each blob of each pack: 1.25 MB for ten
 * million blobs. A blob with several living copies is needed in one of them only, the same one for
 * all who need it (`standingCopy` in repo/blob-lookup.ts), with all that this one stands on.
 */
import type { BlobId } from "../base/ids.ts";
import type { BlobIndex } from "../repo/blob-index.ts";
import { type BlobPlace, basesOf, lackedBases, standingOf } from "../repo/blob-lookup.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import { BlobBits } from "./blob-bits.ts";

export interface PackUsage {
  blobs: number;
  /** Stored bytes of the needed blobs. */
  bytes: number;
}

type OnAbsent = (kind: BlobKind, id: BlobId) => void;

export class UsedBlobs {
  readonly #index: BlobIndex;
  readonly #bits = new Map<number, Uint8Array>();
  readonly #usage = new Map<number, PackUsage>();
  /** Marked because others stand on them: what they name themselves nobody has looked at. */
  readonly #onlyBases = new BlobBits();
  blobs = 0;
  bytes = 0;
  rawBytes = 0;
  /** Plaintext of the data blobs that snapshots name; without bases that none names. */
  dataBytes = 0;

  constructor(index: BlobIndex) {
    this.#index = index;
  }

  /**
   * Marks a blob, and the bases that it stands on, down to the last: they are needed by whoever
   * needs the blob. "new" when it was not marked before, or as a base only. When it is "absent",
   * `onAbsent` is told what living packs lack: the blob, and the bases of copies that are of no use
   * without.
   */
  mark(kind: BlobKind, id: BlobId, onAbsent: OnAbsent): "new" | "known" | "absent" {
    const place = this.#index.find(kind, id);
    const isNew = place === undefined ? undefined : this.#set(place);
    if (place === undefined || isNew === undefined) {
      this.#tellAbsent(kind, id, onAbsent);
      return "absent";
    }
    if (!isNew && !this.#onlyBases.has(place)) return "known";
    this.#onlyBases.remove(place);
    if (kind === BlobKind.data) this.dataBytes += place.rawLength;
    if (this.#markBases(place)) return "new";
    this.#tellAbsent(kind, id, onAbsent);
    return "absent";
  }

  #tellAbsent(kind: BlobKind, id: BlobId, onAbsent: OnAbsent): void {
    onAbsent(kind, id);
    for (const base of lackedBases(this.#index, kind, id)) onAbsent(kind, base);
  }

  /** False when one is not there, because another process has just dropped its pack. */
  #markBases(place: BlobPlace): boolean {
    if (place.baseId === undefined) return true;
    const standing = standingOf(this.#index, place);
    if (standing === undefined) return false;
    for (const base of basesOf(standing)) {
      const isNew = this.#set(base);
      if (isNew === undefined) return false;
      if (isNew) this.#onlyBases.add(base);
    }
    return true;
  }

  /** False when the bit was set already; undefined when the pack has left the cache. */
  #set(place: BlobPlace): boolean | undefined {
    const { packNo, ordinal, length, rawLength } = place;
    let bits = this.#bits.get(packNo);
    if (bits === undefined) {
      const blobCount = this.#index.findPack(packNo)?.blobCount ?? 0;
      // Another process has just dropped the rows of a pack that is dead.
      if (ordinal >= blobCount) return undefined;
      bits = new Uint8Array((blobCount + 7) >> 3);
      this.#bits.set(packNo, bits);
    }
    const byte = bits[ordinal >> 3] ?? 0;
    const mask = 1 << (ordinal & 7);
    if ((byte & mask) !== 0) return false;
    bits[ordinal >> 3] = byte | mask;
    const usage = this.#usage.get(packNo) ?? { blobs: 0, bytes: 0 };
    usage.blobs++;
    usage.bytes += length;
    this.#usage.set(packNo, usage);
    this.blobs++;
    this.bytes += length;
    this.rawBytes += rawLength;
    return true;
  }

  isUsed(packNo: number, ordinal: number): boolean {
    const byte = this.#bits.get(packNo)?.[ordinal >> 3] ?? 0;
    return (byte & (1 << (ordinal & 7))) !== 0;
  }

  usageOf(packNo: number): PackUsage {
    return this.#usage.get(packNo) ?? { blobs: 0, bytes: 0 };
  }
}
