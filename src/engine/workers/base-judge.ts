/**
 * Whether it is worth trying to compress a chunk against its base, and how small the result must be
 * to be stored so. A chunk that stands on another costs an index record of 33 bytes more, and at
 * restore the reads of all below it; a try that fails costs as much as compressing. Where few tries
 * succeed, as with files that are compressed or encrypted themselves, most are left out.
 */

/** Chunks below this are compressed alone. */
const chunkBytesMin = 4096;
/** Of what the chunk would take alone, at most. */
const worthPart = 3 / 4;
/** The same for one more of a row: so much, and more for each generation since its base. */
const rowPart = 1 / 10;
const rowPartByGeneration = 1 / 64;
const rowPartMax = 1 / 2;
/** What one change takes, however small the chunk is. */
const rowBytesMin = 256;
/** What standing on a base costs in the pack's table and in the index, twice a new id and some. */
const recordBytes = 96;
/** Successes of the last tries, as a moving average, below which only some are tried. */
const hopeMin = 0.2;
const hopeWeight = 1 / 16;
/** Then one of so many. */
const triesApart = 8;

/** What is known of a base without opening it. */
export interface StoredBase {
  /** Bytes as stored. */
  readonly length: number;
  readonly rawLength: number;
}

export interface BaseLimits {
  readonly inRow: number;
  readonly newRow: number;
}

export class BaseJudge {
  #hope = 1;
  #skipped = 0;

  shouldTry(rawLength: number): boolean {
    if (rawLength < chunkBytesMin) return false;
    if (this.#hope >= hopeMin || ++this.#skipped >= triesApart) {
      this.#skipped = 0;
      return true;
    }
    return false;
  }

  /**
   * Bytes that the compressed chunk may take at most as one more of its row, and as the first of a
   * new one. What it would take alone is not known, only how far `lowest` could be compressed.
   */
  limits(rawLength: number, lowest: StoredBase, generation: number): BaseLimits {
    const alone = Math.min((rawLength * lowest.length) / lowest.rawLength, rawLength);
    const distance = generation & -generation;
    const part = Math.min(rowPart + distance * rowPartByGeneration, rowPartMax);
    const newRow = Math.floor(alone * worthPart) - recordBytes;
    const inRow = Math.max(rowBytesMin, Math.floor(alone * part));
    return { inRow: Math.min(inRow, newRow), newRow };
  }

  told(success: boolean): void {
    this.#hope += ((success ? 1 : 0) - this.#hope) * hopeWeight;
  }
}
