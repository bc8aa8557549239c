/** A large file as main reads and cuts it: slot by slot, each read and cut measured. */
import { Cutter } from "../../src/chunker/cutter.ts";
import { gearTableFromBytes } from "../../src/chunker/gear-table.ts";
import type { ChunkProfile } from "../../src/chunker/profiles.ts";
import { SlotCutter } from "../../src/chunker/slot-cutter.ts";
import type { SlotMemory } from "../../src/chunker/slot-memory.ts";
import { slotsFor } from "../../src/engine/snapshot/large-files.ts";
import { dataExtents } from "../../src/engine/workers/open-file.ts";
import { closeFd, openForRead, readFileInto, readStat } from "../../src/sources/file-reader.ts";
import type { Meter } from "./meter.ts";
import type { BatchFile, Piece } from "./small-batches.ts";

export class LargeFileCutter {
  readonly #meter: Meter;
  readonly #slots: SlotMemory;
  readonly #bytes: Uint8Array;
  readonly #cutter: SlotCutter;
  /** What is read at once. */
  readonly #readBytes: number;
  #slot = 0;

  constructor(profile: ChunkProfile, gearMaterial: Uint8Array, threads: number, meter: Meter) {
    this.#meter = meter;
    this.#slots = slotsFor(profile, threads);
    this.#bytes = new Uint8Array(this.#slots.buffer);
    this.#readBytes = this.#slots.slotBytes - profile.maxBytes;
    const table = gearTableFromBytes(gearMaterial);
    this.#cutter = new SlotCutter(new Cutter({ profile, table }, this.#slots), this.#slots);
  }

  /** Pieces of the file in order, those of a slot at a time; good until the next. */
  *pieces({ target }: BatchFile): Generator<readonly Piece[]> {
    const meter = this.#meter;
    const { fd, extents } = meter.run("read-large", () => {
      const opened = openForRead(target);
      return { fd: opened, extents: dataExtents(opened, readStat(opened)) };
    });
    try {
      for (const { hole, offset, length } of extents) {
        if (hole) yield [length];
        else yield* this.#extent(fd, offset, offset + length);
      }
    } finally {
      meter.run("read-large", () => closeFd(fd));
    }
  }

  *#extent(fd: number, start: number, end: number): Generator<readonly Piece[]> {
    const meter = this.#meter;
    for (let position = start; position < end; ) {
      const slot = this.#slot++ % this.#slots.slotCount;
      const area = meter.run("cut-large", () => this.#cutter.begin(slot));
      const wanted = Math.min(this.#readBytes, area.length, end - position);
      const from = position;
      const filled = meter.run("read-large", () => readFileInto(fd, area, 0, wanted, from));
      position = filled < wanted ? end : position + filled;
      const isLast = position === end;
      yield meter.run("cut-large", () => this.#views(filled, isLast));
    }
  }

  #views(filled: number, isLast: boolean): readonly Piece[] {
    const { offset, lengths } = this.#cutter.cut(filled, isLast);
    let at = offset;
    return Array.from(lengths, (length) => {
      at += length;
      return this.#bytes.subarray(at - length, at);
    });
  }
}
