/** Reads back what was restored, without following links and, where possible, from the disk. */
import fs from "node:fs";
import { seekData } from "../linux/read-calls.ts";
import { closeFd, dropCachedPages, O_CLOEXEC, openAt } from "../linux/write-calls.ts";
import { systemFault } from "./target-faults.ts";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
// A FIFO in its place would otherwise wait for a writer.
const readFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

export interface ReadableFile {
  readonly size: number;
  /** Exactly `length` bytes at `offset`, in a buffer that the next read uses again. */
  read(offset: number, length: number): Uint8Array;
  /** Where data that is not a hole starts at or after `offset`; the size where there is none. */
  dataFrom(offset: number): number;
}

let buffer = Buffer.alloc(0);

/** Opens a regular file for reading, for the time of `use`. */
export function withTargetFd<T>(folder: number, name: string, use: (fd: number) => T): T {
  const fd = openAt(folder, name, readFlags);
  try {
    if (!fs.fstatSync(fd).isFile()) throw systemFault("EINVAL", "it is no regular file");
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

/** Opens a regular file for comparing, for the time of `use`. */
export function withTargetFile<T>(folder: number, name: string, use: (file: ReadableFile) => T): T {
  return withTargetFd(folder, name, (fd) => {
    dropCachedPages(fd);
    const { size } = fs.fstatSync(fd);
    return use({
      size,
      read: (offset, length) => readExactly(fd, offset, length),
      dataFrom: (offset) => dataFrom(fd, offset, size),
    });
  });
}

function dataFrom(fd: number, offset: number, size: number): number {
  try {
    return seekData(fd, offset) ?? size;
  } catch {
    // A file system that cannot tell: everything may be data.
    return offset;
  }
}

function readExactly(fd: number, offset: number, length: number): Uint8Array {
  if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length; ) {
    const count = fs.readSync(fd, buffer, done, length - done, offset + done);
    if (count === 0) throw systemFault("EIO", `it ends at ${offset + done}`);
    done += count;
  }
  return buffer.subarray(0, length);
}
