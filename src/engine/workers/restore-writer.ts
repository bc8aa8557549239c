/**
 * Does a write task: opens each blob once and puts it wherever it belongs. A file is created when
 * its first byte comes, and completed with the last; one whose content cannot be had is removed
 * again and named, and the others go on.
 */
import { statFd } from "../../sources/linux/write-calls.ts";
import { EarlyWriting } from "../../sources/target/early-writing.ts";
import { NewFiles } from "../../sources/target/new-files.ts";
import { faultOf, type TargetFault } from "../../sources/target/target-faults.ts";
import { type TargetFile, writeAt, writeSparseAt } from "../../sources/target/target-file.ts";
import type { BatchOpener } from "./batch-opener.ts";
import { decodeFiles } from "./file-columns.ts";
import {
  BlobField,
  blobFieldCount,
  type FileFault,
  type WriteTask,
  type Written,
  writeFieldCount,
} from "./restore-protocol.ts";

const notOpen = -1;
const done = -2;

export function runWriteTask(opener: BatchOpener, task: WriteTask): Written {
  const writer = new TaskWriter(task);
  const open = opener.start(task.batch, { lend: true });
  const { writes } = task;
  for (let at = 0; at < writes.length; ) {
    const blob = writes[at] as number;
    let end = at;
    while (writes[end] === blob && end < writes.length) end += writeFieldCount;
    if (writer.isWanted(at, end)) writer.writeBlob(() => open(blob), at, end);
    at = end;
  }
  return writer.finish();
}

class TaskWriter {
  readonly #task: WriteTask;
  readonly #files: readonly TargetFile[];
  readonly #newFiles = new NewFiles();
  readonly #early = new EarlyWriting();
  readonly #faults: FileFault[] = [];
  readonly #inodes: BigUint64Array<ArrayBuffer>;
  /** Descriptor of each file, `notOpen` or `done`. */
  readonly #fds: Int32Array;
  /** Writes that each file still waits for. */
  readonly #left: Uint32Array;

  constructor(task: WriteTask) {
    this.#task = task;
    this.#files = decodeFiles(task.files);
    const count = this.#files.length;
    this.#inodes = new BigUint64Array(count);
    this.#fds = new Int32Array(count + task.shared.length).fill(notOpen);
    this.#fds.set(task.shared, count);
    this.#left = new Uint32Array(count + task.shared.length);
    for (let at = 1; at < task.writes.length; at += writeFieldCount) {
      const file = task.writes[at] as number;
      this.#left[file] = (this.#left[file] ?? 0) + 1;
    }
    for (const [file, target] of this.#files.entries()) {
      if (this.#left[file] === 0) this.#try(file, "create", () => this.#complete(file, target));
    }
  }

  /** Whether any file of these writes is still to be had. */
  isWanted(from: number, to: number): boolean {
    for (let at = from; at < to; at += writeFieldCount) {
      if (this.#fds[this.#task.writes[at + 1] as number] !== done) return true;
    }
    return false;
  }

  /** Writes one blob to all its places. */
  writeBlob(open: () => Uint8Array, from: number, to: number): void {
    const { writes, sparse } = this.#task;
    let plaintext: Uint8Array | undefined;
    let failure: unknown;
    try {
      plaintext = open();
    } catch (error) {
      failure = error;
    }
    for (let at = from; at < to; at += writeFieldCount) {
      const [file, offset] = [writes[at + 1] as number, writes[at + 2] as number];
      if (this.#fds[file] === done) continue;
      this.#try(file, plaintext === undefined ? "read" : "write", () => {
        if (plaintext === undefined) throw failure;
        const fd = this.#fd(file);
        if (sparse) writeSparseAt(fd, plaintext, offset);
        else {
          this.#early.willWrite(fd, offset, () => this.#stretchBytes(at));
          writeAt(fd, plaintext, offset);
          this.#early.wrote(fd, offset, plaintext.length);
        }
        this.#left[file] = (this.#left[file] ?? 0) - 1;
        const target = this.#files[file];
        if (this.#left[file] === 0 && target !== undefined) this.#complete(file, target);
      });
    }
  }

  /** Bytes that this write and those after it put side by side. */
  #stretchBytes(at: number): number {
    const { writes, batch } = this.#task;
    const [file, offset] = [writes[at + 1] as number, writes[at + 2] as number];
    let end = offset;
    for (let next = at; writes[next + 1] === file && writes[next + 2] === end; ) {
      const blob = writes[next] as number;
      end += batch.fields[blob * blobFieldCount + BlobField.rawLength] as number;
      next += writeFieldCount;
    }
    return end - offset;
  }

  finish(): Written {
    this.#early.end();
    const { task, batch } = this.#task;
    const memory = batch.segments.map(({ buffer }) => buffer);
    return { type: "written", task, memory, faults: this.#faults, inodes: this.#inodes };
  }

  #fd(file: number): number {
    let fd = this.#fds[file] ?? notOpen;
    if (fd === notOpen) {
      fd = this.#newFiles.create(this.#files[file] as TargetFile);
      this.#fds[file] = fd;
    }
    return fd;
  }

  /** Gives up the file when `act` throws. */
  #try(file: number, operation: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#give(file, faultOf(operation, error), true);
      const fd = this.#fds[file] ?? notOpen;
      const target = this.#files[file];
      this.#fds[file] = done;
      this.#early.end();
      if (target !== undefined && fd >= 0) this.#newFiles.discard(fd, target);
    }
  }

  #complete(file: number, target: TargetFile): void {
    const fd = this.#fd(file);
    this.#inodes[file] = target.reportInode ? statFd(fd).inode : 1n;
    this.#early.end();
    // From here on the descriptor is no longer ours, whatever happens.
    this.#fds[file] = done;
    try {
      for (const fault of this.#newFiles.complete(fd, target)) this.#give(file, fault, false);
    } catch (error) {
      this.#inodes[file] = 0n;
      throw error;
    }
  }

  #give(file: number, fault: TargetFault, isLost: boolean): void {
    this.#faults.push({ ...fault, file, isLost });
  }
}
