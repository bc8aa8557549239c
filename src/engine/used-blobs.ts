/**
 * The set of blobs that snapshots need, as one bit for each blob of each pack: 1.25 MB for ten
 * million blobs. A blob with several living copies is needed in one of them only; but one that
 * others stand on is needed in a copy that stands on nothing itself, whatever else marks it.
 */
import type { BlobId } from "../base/ids.ts";
import type { BlobIndex } from "../repo/blob-index.ts";
import { type BlobPlace, plainCopy } from "../repo/blob-lookup.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import { BlobBits } from "./blob-bits.ts";

export interface PackUsage {
  blobs: number;
  /** Stored bytes of the needed blobs. */
  bytes: number;
}

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
   * Marks a blob, and the base that it is compressed against: a base is needed by whoever needs
   * the blob. "new" when it was not marked before, or as a base only. When it is "absent",
   * `onAbsent` is told what living packs lack: the blob, and the bases of copies that are of no use
   * without.
   */
  mark(
    kind: BlobKind,
    id: BlobId,
    onAbsent: (kind: BlobKind, id: BlobId) => void,
  ): "new" | "known" | "absent" {
    const place = this.#index.find(kind, id);
    const isNew = place === undefined ? undefined : this.#set(place);
    if (place === undefined || isNew === undefined) {
      onAbsent(kind, id);
      for (const { baseId } of this.#index.copies(kind, id)) {
        if (baseId !== undefined) onAbsent(kind, baseId);
      }
      return "absent";
    }
    if (!isNew && !this.#onlyBases.has(place)) return "known";
    this.#onlyBases.remove(place);
    if (kind === BlobKind.data) this.dataBytes += place.rawLength;
    if (place.baseId === undefined || this.#markBase(kind, place.baseId)) return "new";
    onAbsent(kind, place.baseId);
    return "absent";
  }

  #markBase(kind: BlobKind, id: BlobId): boolean {
    const place = plainCopy(this.#index, kind, id);
    const isNew = place === undefined ? undefined : this.#set(place);
    if (place !== undefined && isNew === true) this.#onlyBases.add(place);
    return isNew !== undefined;
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
