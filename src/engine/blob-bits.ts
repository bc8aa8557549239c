/** Marks of blobs by their place: one bit for each blob of the packs that have one. */
import type { BlobPlace } from "../repo/blob-lookup.ts";

type Bit = Pick<BlobPlace, "packNo" | "ordinal">;

export class BlobBits {
  readonly #bits = new Map<number, Uint8Array>();

  has({ packNo, ordinal }: Bit): boolean {
    const byte = this.#bits.get(packNo)?.[ordinal >> 3] ?? 0;
    return (byte & (1 << (ordinal & 7))) !== 0;
  }

  add({ packNo, ordinal }: Bit): void {
    let bits = this.#bits.get(packNo) ?? new Uint8Array(64);
    if (ordinal >> 3 >= bits.length) {
      const larger = new Uint8Array(Math.max(bits.length * 2, (ordinal >> 3) + 1));
      larger.set(bits);
      bits = larger;
    }
    this.#bits.set(packNo, bits);
    bits[ordinal >> 3] = (bits[ordinal >> 3] ?? 0) | (1 << (ordinal & 7));
  }

  /** Takes over all marks of another set. */
  addAll(others: BlobBits): void {
    for (const [packNo, marks] of others.#bits) {
      const own = this.#bits.get(packNo) ?? new Uint8Array(0);
      const [target, source] = own.length < marks.length ? [marks.slice(), own] : [own, marks];
      for (const [at, byte] of source.entries()) target[at] = (target[at] ?? 0) | byte;
      this.#bits.set(packNo, target);
    }
  }

  remove({ packNo, ordinal }: Bit): void {
    const bits = this.#bits.get(packNo);
    if (bits !== undefined && ordinal >> 3 < bits.length) {
      bits[ordinal >> 3] = (bits[ordinal >> 3] ?? 0) & ~(1 << (ordinal & 7));
    }
  }
}
