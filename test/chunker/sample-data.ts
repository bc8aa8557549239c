/** Data, tables and profiles for the chunker's tests: all made from numbers, so failures repeat. */
import fc from "fast-check";
import { type GearTable, gearTableFromBytes } from "../../src/chunker/gear-table.ts";
import type { ChunkProfile } from "../../src/chunker/profiles.ts";

/** Pseudorandom bytes of a 32-bit seed (xorshift128). */
export function randomBytesOf(seed: number, count: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4));
  let [x, y, z, w] = [seed ^ 0x9e3779b9, 362436069, 521288629, 88675123];
  for (let at = -16; at < words.length; at++) {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    if (at >= 0) words[at] = w;
  }
  return new Uint8Array(words.buffer, 0, count);
}

export function tableOf(seed: number): GearTable {
  return gearTableFromBytes(randomBytesOf(seed, 2048));
}

export type DataKind = "random" | "zeros" | "periodic" | "text";

export function dataOf(kind: DataKind, seed: number, count: number): Uint8Array {
  const random = randomBytesOf(seed, count);
  if (kind === "zeros") return new Uint8Array(count);
  if (kind === "periodic") return random.map((_, at) => random[at % (1 + (seed % 300))] ?? 0);
  const letters = Buffer.from("  eeetttaaooinsrhldcum\n");
  return kind === "text" ? random.map((byte) => letters[byte % letters.length] ?? 0) : random;
}

export const smallProfile: ChunkProfile = {
  minBytes: 256,
  averageBytes: 1024,
  maxBytes: 4096,
  normalization: 2,
};

const powerOfTwo = (from: number, to: number) => fc.integer({ min: from, max: to });

/** Valid profiles of small chunks, with the extremes. */
export const anySmallProfile: fc.Arbitrary<ChunkProfile> = fc
  .tuple(powerOfTwo(6, 9), powerOfTwo(1, 4), powerOfTwo(1, 3), fc.integer({ min: 0, max: 3 }))
  .map(([min, average, max, normalization]) => ({
    minBytes: 2 ** min,
    averageBytes: 2 ** (min + average),
    maxBytes: 2 ** (min + average + max),
    normalization,
  }));

export const anySeed = fc.integer({ min: 0, max: 0x7fffffff });

export const anyData: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.constantFrom<DataKind>("random", "zeros", "periodic", "text"),
    anySeed,
    fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 60_000 })),
  )
  .map(([kind, seed, count]) => dataOf(kind, seed, count));
