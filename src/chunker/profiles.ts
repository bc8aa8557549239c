/**
 * Chunk profiles: how long the chunks of a kind of source are.
 *
 * A chunk ends where content says so, by one of two conditions (FastCDC's normalised chunking, Xia
 * et al., USENIX ATC 2016): a strict one for lengths in [min, average), which holds once in
 * 2^(log2 average + normalization) places, a loose one for [average, max), once in
 * 2^(log2 average - normalization). So most lengths lie close above `averageBytes`; the true mean
 * is a little higher (1.1 times on random bytes, 1.2 on source text). Without such a place a chunk
 * ends at max.
 *
 * Profiles stand in the repository's description and are never changed there: other cuts would
 * mean that nothing deduplicates against what is stored.
 */
import { VarveError } from "../base/errors.ts";

export interface ChunkProfile {
  /** All three are powers of two, min < average < max. */
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
  /** How much stricter, and then looser, than the average asks, in bits. */
  readonly normalization: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * File trees: few ids; small edits in large files are met by compression against a base. Lengths
 * are less alike than in streams: the more of them lie close above the average, the more cuts are
 * lost where a file shrinks a little (docs/decisions/0020-chunks-and-bases.md).
 */
export const treeProfile: ChunkProfile = {
  minBytes: 256 * KiB,
  averageBytes: MiB,
  maxBytes: 4 * MiB,
  normalization: 1,
};

/** Dumps and other streams, where a row changes here and there. */
export const streamProfile: ChunkProfile = {
  minBytes: 16 * KiB,
  averageBytes: 64 * KiB,
  maxBytes: 256 * KiB,
  normalization: 2,
};

/** The hash looks at 64 bytes, which must lie within the chunk. */
export const chunkBytesMin = 64;
/** The raw length of a blob (docs/format.md). */
export const chunkBytesMax = 16 * MiB;
export const normalizationMax = 3;

const fields = ["minBytes", "averageBytes", "maxBytes", "normalization"] as const;

function damaged(reason: string): VarveError {
  return new VarveError("object-damaged", `Damaged chunk profile: ${reason}.`, {
    hint: "Fetch the repository's description (varve.json) from a copy.",
  });
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && Number.isInteger(value);
}

function checkLengths({ minBytes, averageBytes, maxBytes, normalization }: ChunkProfile): void {
  for (const bytes of [minBytes, averageBytes, maxBytes]) {
    if (!isPowerOfTwo(bytes)) throw damaged(`${bytes} is not a power of two`);
  }
  if (minBytes < chunkBytesMin) throw damaged(`${minBytes} is below ${chunkBytesMin} bytes`);
  if (maxBytes > chunkBytesMax) throw damaged(`${maxBytes} is above ${chunkBytesMax} bytes`);
  if (minBytes >= averageBytes || averageBytes >= maxBytes) {
    throw damaged(`${minBytes}, ${averageBytes}, ${maxBytes} do not grow`);
  }
  const normalizationIsValid =
    Number.isInteger(normalization) && normalization >= 0 && normalization <= normalizationMax;
  if (!normalizationIsValid) throw damaged(`normalization is ${normalization}`);
}

/**
 * A profile from parsed JSON that a repository holds. What is not a profile is `object-damaged`;
 * a property that this version does not know is `repo-future`, because it could move cuts.
 */
export function parseChunkProfile(value: unknown): ChunkProfile {
  if (typeof value !== "object" || value === null) throw damaged("it is not an object");
  const given = new Map<string, unknown>(Object.entries(value));
  const number = (field: (typeof fields)[number]): number => {
    const found = given.get(field);
    given.delete(field);
    if (typeof found !== "number") throw damaged(`${field} is not a number`);
    return found;
  };
  const profile: ChunkProfile = {
    minBytes: number("minBytes"),
    averageBytes: number("averageBytes"),
    maxBytes: number("maxBytes"),
    normalization: number("normalization"),
  };
  checkLengths(profile);
  for (const field of given.keys()) {
    throw new VarveError("repo-future", `A chunk profile has an unknown "${field.slice(0, 40)}".`, {
      hint: "Use a newer version of varve.",
    });
  }
  return profile;
}

/**
 * How many of the hash's highest bits must be zero for a chunk to end.
 *
 * Bit k of a 64-bit gear hash depends on the last k + 1 bytes only. FastCDC spreads its mask over
 * the word so that more bytes count; the highest bits depend on the most bytes of all, 38 or more
 * here, and need no table of masks.
 */
export function cutBits(profile: ChunkProfile): { strictBits: number; looseBits: number } {
  const bits = Math.log2(profile.averageBytes);
  return {
    strictBits: bits + profile.normalization,
    looseBits: bits - profile.normalization,
  };
}
