/**
 * Finds where chunks end in data that lies in a kernel memory. Holds no state of any stream, so
 * one cutter serves any number of files and streams of its profile, one call at a time; it belongs
 * to one thread.
 *
 * Whole files: read into `buffer`, `cut(start, end, true)`. More than fits: see slot-cutter.ts.
 */
import { invariant } from "../base/errors.ts";
import { type GearKernel, instantiateKernel } from "./gear-kernel.ts";
import type { GearTable } from "./gear-table.ts";
import {
  createKernelMemory,
  dataOffset,
  type KernelMemory,
  lengthsMax,
  lengthsOffset,
} from "./kernel-memory.ts";
import { type ChunkProfile, cutBits } from "./profiles.ts";

export interface CutterOptions {
  readonly profile: ChunkProfile;
  readonly table: GearTable;
}

export class Cutter {
  readonly profile: ChunkProfile;
  /** Where the data goes; on shared memory, owned by the caller. Offsets in `cut` count from it. */
  readonly buffer: Uint8Array<SharedArrayBuffer>;
  readonly #kernel: GearKernel;
  readonly #lengths: Uint32Array;

  /** Takes over `memory`: its table is written, and no other cutter may work in it. */
  constructor({ profile, table }: CutterOptions, memory: KernelMemory) {
    this.profile = profile;
    this.buffer = memory.data;
    new Uint8Array(memory.memory.buffer).set(table);
    this.#lengths = new Uint32Array(memory.memory.buffer, lengthsOffset, lengthsMax);
    this.#kernel = instantiateKernel(memory.memory);
    const { strictBits, looseBits } = cutBits(profile);
    const { minBytes, averageBytes, maxBytes } = profile;
    this.#kernel.setProfile(minBytes, averageBytes, maxBytes, strictBits, looseBits);
  }

  /**
   * Lengths of the complete chunks in buffer[start, end), where a chunk starts at `start`. With
   * `final` the data ends at `end` and the last chunk may be short; without it what follows the
   * last complete chunk, always less than a longest chunk, waits for more data. A stream that goes
   * on gives as `scanned` the end of the call before, so that no byte is looked at twice.
   */
  cut(start: number, end: number, final: boolean, scanned = start): Uint32Array<ArrayBuffer> {
    const isInBuffer = start >= 0 && start <= end && end <= this.buffer.length;
    invariant(isInBuffer, `cut of ${start} to ${end} in ${this.buffer.length} bytes`);
    if (end - start <= this.profile.minBytes && final) {
      return start === end ? new Uint32Array() : Uint32Array.of(end - start);
    }
    let count = this.#cutSome(start, scanned, end, final);
    let lengths = this.#lengths.slice(0, count);
    for (let next = start + sum(lengths); count === lengthsMax; ) {
      count = this.#cutSome(next, next, end, final);
      const more = this.#lengths.subarray(0, count);
      next += sum(more);
      lengths = concat(lengths, more);
    }
    return lengths;
  }

  #cutSome(start: number, scanned: number, end: number, final: boolean): number {
    return this.#kernel.cut(
      dataOffset + start,
      dataOffset + scanned,
      dataOffset + end,
      final ? 1 : 0,
      lengthsOffset,
      lengthsMax,
    );
  }
}

function sum(lengths: Uint32Array): number {
  return lengths.reduce((total, length) => total + length, 0);
}

function concat(a: Uint32Array, b: Uint32Array): Uint32Array<ArrayBuffer> {
  const all = new Uint32Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

/** A cutter with a buffer of its own, at least `bufferBytes` long. */
export function createCutter(options: CutterOptions, bufferBytes: number): Cutter {
  return new Cutter(options, createKernelMemory(bufferBytes));
}
