/**
 * Which of two levels of zstd is worth its time, by samples of what is being compressed: dumps and
 * what is compressed already take no more bytes at the fast one, programs a tenth more
 * (docs/decisions/0021-level-by-gain.md).
 */

export const fastLevel = 1;
/** zstd's own default: near its best speed, most of its gain. */
export const denseLevel = 3;

/** Chunks from here on are one kind, smaller ones another: what the levels cost differs. */
const largeBytesMin = 32 * 1024;
const sampleBytes = 64 * 1024;
/** What an earlier sample still weighs when the next one is taken. */
const fading = 3 / 4;

/** How often a kind is sampled, and how much larger the fast level's output may be. */
interface SampledKind {
  /** Bytes between two samples; a chunk counts as 1 KiB at least, which is what a call costs. */
  readonly bytesApart: number;
  readonly extraMax: number;
}

/** Here the fast level takes five sixths of the time; a sample costs as much as three chunks. */
const smallChunks: SampledKind = { bytesApart: 256 * 1024, extraMax: 0.02 };
/** Here it takes half to two thirds; a sample costs as much as 128 KiB. */
const largeChunks: SampledKind = { bytesApart: 4 * 1024 * 1024, extraMax: 0.04 };

class Kind {
  readonly #kind: SampledKind;
  #unsampled: number;
  #fastBytes = 0;
  #denseBytes = 0;

  constructor(kind: SampledKind) {
    this.#kind = kind;
    this.#unsampled = kind.bytesApart;
  }

  level(data: Uint8Array, sizeAt: SizeAt): number {
    this.#unsampled += Math.max(1024, data.length);
    if (this.#unsampled >= this.#kind.bytesApart)
      this.#sample(data.subarray(0, sampleBytes), sizeAt);
    return this.#fastBytes <= this.#denseBytes * (1 + this.#kind.extraMax) ? fastLevel : denseLevel;
  }

  #sample(sample: Uint8Array, sizeAt: SizeAt): void {
    this.#unsampled = 0;
    const stored = (level: number) => Math.min(sample.length, sizeAt(sample, level));
    this.#fastBytes = this.#fastBytes * fading + stored(fastLevel);
    this.#denseBytes = this.#denseBytes * fading + stored(denseLevel);
  }
}

/** Bytes that `sample`, of 64 KiB at most, takes at this level. */
export type SizeAt = (sample: Uint8Array, level: number) => number;

/** One for each stream of chunks that are alike, so one a thread. */
export class LevelChooser {
  readonly #small = new Kind(smallChunks);
  readonly #large = new Kind(largeChunks);

  /** The level for a chunk; now and then it asks first what a sample of it takes at either. */
  level(data: Uint8Array, sizeAt: SizeAt): number {
    return (data.length < largeBytesMin ? this.#small : this.#large).level(data, sizeAt);
  }
}
