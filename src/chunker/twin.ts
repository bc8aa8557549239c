/**
 * The kernel's twin: the same cuts in plain TypeScript, written to be read. It is the executable
 * definition of where chunks end; tests hold kernel/gear.ts to it, byte for byte.
 *
 * 64-bit values are pairs of 32-bit halves, because BigInt is two orders of magnitude slower.
 */
import type { GearTable } from "./gear-table.ts";
import { type ChunkProfile, cutBits } from "./profiles.ts";

interface Halves {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

function halvesOf(table: GearTable): Halves {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  return {
    low: Uint32Array.from({ length: 256 }, (_, byte) => view.getUint32(byte * 8, true)),
    high: Uint32Array.from({ length: 256 }, (_, byte) => view.getUint32(byte * 8 + 4, true)),
  };
}

/** The length of the first chunk of `data` from `start`, given that the data ends there. */
function chunkLength(halves: Halves, profile: ChunkProfile, data: Uint8Array, start: number) {
  const { low, high } = halves;
  const { strictBits, looseBits } = cutBits(profile);
  const { minBytes, averageBytes, maxBytes } = profile;
  const limit = Math.min(maxBytes, data.length - start);
  let hashLow = 0;
  let hashHigh = 0;
  let zeroBits = 32 - strictBits;
  for (let length = minBytes - 63; length <= limit; length++) {
    const byte = data[start + length - 1] as number;
    const sum = ((hashLow << 1) >>> 0) + (low[byte] as number);
    const carry = sum > 0xffffffff ? 1 : 0;
    hashHigh = ((hashHigh << 1) | (hashLow >>> 31)) + (high[byte] as number) + carry;
    hashLow = sum >>> 0;
    if (length === averageBytes) zeroBits = 32 - looseBits;
    if (hashHigh >>> zeroBits === 0 && length >= minBytes) return length;
  }
  return limit;
}

/** Lengths of the chunks of `data`, all of it; a last one below min is possible. */
export function twinCut(table: GearTable, profile: ChunkProfile, data: Uint8Array): number[] {
  const halves = halvesOf(table);
  const lengths: number[] = [];
  for (let start = 0; start < data.length; ) {
    const length = chunkLength(halves, profile, data, start);
    lengths.push(length);
    start += length;
  }
  return lengths;
}
