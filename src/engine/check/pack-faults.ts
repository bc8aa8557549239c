/**
 * Packs that are not as the index says, and which of their blobs are lost by it. Memory: one bit a
 * blob of each faulty pack.
 */
import type { BlobPlace, PackInfo } from "../../repo/blob-lookup.ts";
import { BlobBits } from "../blob-bits.ts";

export interface PackFault {
  readonly info: PackInfo;
  readonly message: string;
}

interface SizeFault extends PackFault {
  /** Bytes that are there; blobs that end behind them are lost. */
  readonly sizeFound: number;
}

export class PackFaults {
  #sizes = new Map<number, SizeFault>();
  readonly #contents = new Map<number, PackFault>();
  readonly #lost = new BlobBits();

  get size(): number {
    return this.#sizes.size + this.#contents.size;
  }

  /**
   * One fault a pack; of another size is worse than of other content. In the order of names: in
   * which order they were found depends on which thread was done first.
   */
  [Symbol.iterator](): Iterator<PackFault> {
    const faults = [...new Map<number, PackFault>([...this.#contents, ...this.#sizes]).values()];
    return faults.sort((a, b) => (a.info.pack < b.info.pack ? -1 : 1)).values();
  }

  /** Whether bytes were found to be wrong. */
  get hasContents(): boolean {
    return this.#contents.size > 0;
  }

  isAbsent(packNo: number): boolean {
    return this.#sizes.get(packNo)?.sizeFound === 0;
  }

  /** Forgets what listings said; a new one follows. */
  clearSizes(): void {
    this.#sizes = new Map();
  }

  /** A pack that is absent (`sizeFound` 0) or of another size. */
  addSize(info: PackInfo, sizeFound: number, message: string): void {
    this.#sizes.set(info.packNo, { info, message, sizeFound });
  }

  /** A pack whose bytes are wrong; `lost`: ordinals of the blobs that do not open. */
  addContent(info: PackInfo, message: string, lost: Iterable<number>): void {
    this.#contents.set(info.packNo, { info, message });
    for (const ordinal of lost) this.#lost.add({ packNo: info.packNo, ordinal });
  }

  /** One blob that does not open, of a pack that nobody has read whole. */
  addBlob(info: PackInfo, ordinal: number): void {
    const message = "At least one of its blobs does not open.";
    if (!this.#contents.has(info.packNo)) this.#contents.set(info.packNo, { info, message });
    this.#lost.add({ packNo: info.packNo, ordinal });
  }

  /** The fault that makes this copy of a blob unreadable. */
  lossOf(place: BlobPlace): PackFault | undefined {
    const size = this.#sizes.get(place.packNo);
    if (size !== undefined && place.offset + place.length > size.sizeFound) return size;
    return this.#lost.has(place) ? this.#contents.get(place.packNo) : undefined;
  }
}
