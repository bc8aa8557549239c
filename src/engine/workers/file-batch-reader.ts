/**
 * Reads the files of one batch, one after the other, into an arena of the cutter's buffer and cuts
 * them. Each file is told truthfully: what was read is what stands in the arena, with the metadata
 * that belongs to it, and whatever went otherwise is in its report.
 */
import type { Cutter } from "../../chunker/cutter.ts";
import {
  classifyChange,
  closeFd,
  type FileStat,
  openForRead,
  readFileInto,
  readStat,
} from "../../sources/file-reader.ts";
import { dataExtents, describeFile, statOf } from "./open-file.ts";
import {
  arenaBytes,
  type FileReport,
  type FileTarget,
  type HashFiles,
  outgrownCode,
} from "./snapshot-protocol.ts";

export interface BatchContent {
  readonly counts: Uint32Array;
  readonly lengths: Int32Array;
  readonly chunks: readonly Uint8Array[];
  readonly reports: readonly FileReport[];
}

type Report = { -readonly [K in keyof FileReport]: FileReport[K] };

export class FileBatchReader {
  readonly #cutter: Cutter;
  readonly #end: number;
  readonly #lengths: number[] = [];
  readonly #chunks: Uint8Array[] = [];
  readonly #reports: FileReport[] = [];
  /** Where the next file goes, in the cutter's buffer. */
  #at: number;

  constructor(cutter: Cutter, arena: number) {
    this.#cutter = cutter;
    this.#at = arena;
    this.#end = arena + arenaBytes;
  }

  read(batch: HashFiles): BatchContent {
    const counts = new Uint32Array(batch.targets.length);
    for (const [file, target] of batch.targets.entries()) {
      const itemsBefore = this.#lengths.length;
      const report = this.#readFile(batch, file, target);
      if (report !== undefined) this.#reports.push(report);
      counts[file] = this.#lengths.length - itemsBefore;
    }
    const lengths = Int32Array.from(this.#lengths);
    return { counts, lengths, chunks: this.#chunks, reports: this.#reports };
  }

  #readFile(batch: HashFiles, file: number, target: FileTarget): FileReport | undefined {
    let operation = "open";
    let fd: number | undefined;
    try {
      fd = openForRead(typeof target === "number" ? { fd: target } : { path: target });
      operation = "read";
      const before = readStat(fd);
      if (before.size > this.#end - this.#at) {
        // A descriptor is closed below and cannot be opened again by somebody else.
        const code = typeof target === "number" ? "EFBIG" : outgrownCode;
        return { file, failure: { operation, code, message: "the file grew while it was read" } };
      }
      return this.#readOpen(batch, file, fd, before);
    } catch (error) {
      const { code, message, syscall } = error as NodeJS.ErrnoException;
      if (syscall === undefined) throw error;
      return { file, failure: { operation, code: code ?? "EIO", message } };
    } finally {
      if (fd !== undefined) closeFd(fd);
    }
  }

  #readOpen(batch: HashFiles, file: number, fd: number, before: FileStat): FileReport | undefined {
    const report: Report = { file };
    this.#readContent(fd, before);
    describeFile(fd, report);
    if (classifyChange(before, readStat(fd)) === "changed") report.torn = true;
    // The descriptor's own metadata goes with what was read, not what the walk saw earlier.
    const isAsWalked =
      before.mtimeNs === batch.mtimesNs[file] &&
      before.ctimeNs === batch.ctimesNs[file] &&
      before.size === batch.sizes[file];
    if (!isAsWalked) report.now = statOf(before);
    return Object.keys(report).length === 1 ? undefined : report;
  }

  #readContent(fd: number, before: FileStat): void {
    for (const extent of dataExtents(fd, before)) {
      if (extent.hole) {
        this.#lengths.push(-extent.length);
        continue;
      }
      const start = this.#at;
      const { offset, length } = extent;
      const filled = readFileInto(fd, this.#cutter.buffer, start, length, offset);
      this.#cut(start, start + filled);
      // The file ended before its metadata said so: what was read is all there is.
      if (filled < extent.length) break;
    }
  }

  #cut(start: number, end: number): void {
    this.#at = end;
    if (start === end) return;
    let offset = start;
    for (const length of this.#cutter.cut(start, end, true)) {
      this.#lengths.push(length);
      this.#chunks.push(this.#cutter.buffer.subarray(offset, offset + length));
      offset += length;
    }
  }
}
