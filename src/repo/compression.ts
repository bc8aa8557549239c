/**
 * zstd with kept contexts (format.md, "Encodings"). Output is bounded on both sides: compression
 * gives up when the data does not get smaller, decompression when it is not exactly as long as
 * declared; the declared length is bounded by the format, so a lying frame allocates nothing.
 * Works on views of shared memory.
 */
import zstd from "zstd-napi/binding.js";
import { VarveError } from "../base/errors.ts";
import { LevelChooser } from "./level-chooser.ts";

/** A plaintext that begins so would be taken for a trained dictionary: it cannot be a base. */
const dictionaryMagic = 0xec30a437;

/** Whether zstd takes this plaintext as raw dictionary content. */
export function canBeBase(plaintext: Uint8Array): boolean {
  if (plaintext.length < 8) return false;
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  return view.getUint32(0, true) !== dictionaryMagic;
}

export class Compressor {
  readonly #context = new zstd.CCtx();
  readonly #chooser = new LevelChooser();
  readonly #level: number | undefined;
  /** Where samples go. */
  #scratch = Buffer.alloc(0);

  /** `level`: of zstd; without it, one that is worth its time for what comes. */
  constructor(level?: number) {
    this.#level = level;
  }

  /**
   * Bytes written into `target` at `at`; -1 when that would not be fewer than `data` has. What is
   * behind them in `target` may be overwritten.
   */
  compressInto(target: Uint8Array, at: number, data: Uint8Array): number {
    const level = this.#level ?? this.#chooser.level(data, this.#sizeAt);
    const bound = bytesBound(data.length);
    if (at + bound > target.length) {
      const room = roomFor(target, at, data);
      return bounded(() => this.#context.compress(room, data, level));
    }
    // With room for the worst zstd never fails, and a failure costs as much as a small chunk.
    const length = this.#context.compress(target.subarray(at, at + bound), data, level);
    return length < data.length ? length : -1;
  }

  readonly #sizeAt = (sample: Uint8Array, level: number): number => {
    const bound = bytesBound(sample.length);
    if (this.#scratch.length < bound) this.#scratch = Buffer.allocUnsafeSlow(bound);
    return this.#context.compress(this.#scratch, sample, level);
  };

  /**
   * The same, against a base; -1 as well when the base cannot serve as one, or when it would take
   * more than `bytesMax`. `isFar`: much has changed since, so that looking closely pays.
   */
  compressWithBase(
    target: Uint8Array,
    at: number,
    data: Uint8Array,
    base: Uint8Array,
    { bytesMax = data.length, isFar = false } = {},
  ): number {
    if (!canBeBase(base)) return -1;
    const room = roomFor(target, at, data, bytesMax);
    const level = baseLevel(data.length + base.length, isFar);
    return bounded(() => this.#context.compressUsingDict(room, data, base, level));
  }
}

/**
 * Not the user's level: one whose window and tables reach back over data and base, or next to
 * nothing of the base is found. Measured in docs/decisions/0018-similar-blobs.md, and in 0025 for
 * bases of which several generations have come since.
 */
function baseLevel(bytes: number, isFar: boolean): number {
  if (bytes > 4 * 1024 * 1024) return 9;
  if (isFar) return 8;
  return bytes <= 2 * 1024 * 1024 ? 3 : 4;
}

/** What a frame takes at most: ZSTD_compressBound of zstd.h. */
function bytesBound(length: number): number {
  const small = 128 * 1024;
  return length + (length >>> 8) + (length < small ? (small - length) >>> 11 : 0);
}

/** At most one byte less than the data has, so that what fits is smaller. */
function roomFor(
  target: Uint8Array,
  at: number,
  data: Uint8Array,
  bytesMax = data.length,
): Uint8Array {
  return target.subarray(at, at + Math.max(0, Math.min(data.length - 1, bytesMax)));
}

/** zstd fails when the room does not do, which is how "not smaller" shows. */
function bounded(compress: () => number): number {
  try {
    return compress();
  } catch {
    return -1;
  }
}

export class Decompressor {
  readonly #context = new zstd.DCtx();
  #lent: Uint8Array | undefined;

  /**
   * `lend`: results are views on one memory, good until the next call; for those who only look.
   * Fresh memory for each blob costs as much again as decompressing it.
   */
  constructor({ lend = false } = {}) {
    if (lend) this.#lent = Buffer.alloc(0);
  }

  /** An array of exactly `rawLength` bytes, else `blob-damaged`; a new one unless they are lent. */
  decompress(data: Uint8Array, rawLength: number): Uint8Array {
    const target = this.#target(rawLength);
    return filled(target, () => this.#context.decompress(target, data));
  }

  decompressWithBase(data: Uint8Array, base: Uint8Array, rawLength: number): Uint8Array {
    if (!canBeBase(base)) throw damaged("its base cannot be one", rawLength);
    const target = this.#target(rawLength);
    return filled(target, () => this.#context.decompressUsingDict(target, data, base));
  }

  #target(rawLength: number): Uint8Array {
    if (this.#lent === undefined) return Buffer.allocUnsafe(rawLength);
    if (this.#lent.length < rawLength) this.#lent = Buffer.allocUnsafeSlow(rawLength);
    return this.#lent.subarray(0, rawLength);
  }
}

function filled(target: Uint8Array, fill: () => number): Uint8Array {
  let length: number;
  try {
    length = fill();
  } catch (error) {
    throw damaged("it does not decompress", target.length, error);
  }
  if (length !== target.length) throw damaged(`it decompresses to ${length} bytes`, target.length);
  return target;
}

function damaged(reason: string, rawLength: number, cause?: unknown): VarveError {
  return new VarveError("blob-damaged", `Damaged blob: ${reason}.`, {
    hint: "Run `varve check --read-data` to see what is hurt.",
    context: { rawLength },
    cause,
  });
}
