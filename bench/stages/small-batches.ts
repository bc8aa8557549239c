/**
 * Small files as a worker reads and cuts them, in two steps that are measured apart: the reader
 * takes each file for one chunk, and the cutter is then given each file where it lies.
 */
import { Cutter } from "../../src/chunker/cutter.ts";
import { gearTableFromBytes } from "../../src/chunker/gear-table.ts";
import { createKernelMemory } from "../../src/chunker/kernel-memory.ts";
import type { ChunkProfile } from "../../src/chunker/profiles.ts";
import { FileBatchReader } from "../../src/engine/workers/file-batch-reader.ts";
import {
  arenaBytes,
  arenaCount,
  type FileReport,
} from "../../src/engine/workers/snapshot-protocol.ts";
import type { OpenTarget, SourceEntry } from "../../src/sources/source-entry.ts";
import type { Meter } from "./meter.ts";

/** As in src/engine/snapshot/small-files.ts. */
export const batchBytes = 2 * 1024 * 1024;
export const batchFiles = 256;

export interface BatchFile {
  readonly source: SourceEntry;
  readonly target: OpenTarget;
}

/** What a file was cut into: a chunk, or a hole of so many bytes. */
export type Piece = Uint8Array | number;

export interface ReadFile {
  readonly pieces: readonly Piece[];
  readonly report: FileReport | undefined;
}

/** Cuts nothing. */
class WholeFiles extends Cutter {
  readonly #length = new Uint32Array(1);

  override cut(start: number, end: number): Uint32Array<ArrayBuffer> {
    this.#length[0] = end - start;
    return this.#length;
  }
}

export class SmallBatches {
  readonly #meter: Meter;
  readonly #cutter: Cutter;
  readonly #whole: Cutter;
  #arena = 0;

  constructor(profile: ChunkProfile, gearMaterial: Uint8Array, meter: Meter) {
    this.#meter = meter;
    const options = { profile, table: gearTableFromBytes(gearMaterial) };
    const memory = createKernelMemory(arenaBytes * arenaCount);
    this.#whole = new WholeFiles(options, memory);
    this.#cutter = new Cutter(options, memory);
  }

  /** The chunks lie in an arena that the batch after the next but one takes. */
  read(files: readonly BatchFile[]): ReadFile[] {
    const arena = (this.#arena++ % arenaCount) * arenaBytes;
    const batch = {
      type: "hash-files",
      batch: 1,
      targets: files.map(({ target }) => ("fd" in target ? target.fd : target.path)),
      sizes: Float64Array.from(files, ({ source }) => source.size),
      mtimesNs: BigInt64Array.from(files, ({ source }) => source.mtimeNs),
      ctimesNs: BigInt64Array.from(files, ({ source }) => source.ctimeNs),
    } as const;
    const content = this.#meter.run("read", () =>
      new FileBatchReader(this.#whole, arena).read(batch),
    );
    const pieces = this.#meter.run("cut", () =>
      this.#cutAll(content.counts, content.lengths, content.chunks),
    );
    const reports = new Map(content.reports.map((report) => [report.file, report]));
    return pieces.map((of, file) => ({ pieces: of, report: reports.get(file) }));
  }

  #cutAll(
    counts: Uint32Array,
    lengths: Int32Array,
    wholes: readonly Uint8Array[],
  ): readonly Piece[][] {
    let item = 0;
    let whole = 0;
    return Array.from(counts, (count) => {
      const pieces: Piece[] = [];
      for (let left = count; left > 0; left--) {
        const length = lengths[item++] ?? 0;
        if (length < 0) pieces.push(-length);
        else this.#cut(wholes[whole++], pieces);
      }
      return pieces;
    });
  }

  #cut(whole: Uint8Array | undefined, pieces: Piece[]): void {
    const { buffer } = this.#cutter;
    if (whole === undefined) return;
    let offset = whole.byteOffset - buffer.byteOffset;
    for (const length of this.#cutter.cut(offset, offset + whole.length, true)) {
      pieces.push(buffer.subarray(offset, offset + length));
      offset += length;
    }
  }
}
