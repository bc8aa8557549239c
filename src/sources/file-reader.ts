/**
 * Reads regular files, synchronously, in worker threads. Where a file is not what the walk saw,
 * the difference is told (`readStat`, `classifyChange`); what to do about it is the engine's.
 *
 * Descriptors belong to the process: one opened in one thread may be read and closed in another.
 * Failures are SystemErrors ("ENOENT: openat '/a/b'").
 */
import fs from "node:fs";
import os from "node:os";
import { AT_FDCWD, type SystemError, systemError } from "./linux/libc.ts";
import {
  adviseSequential,
  closeFd,
  type FileStat,
  lastErrno,
  O_CLOEXEC,
  seekData,
  seekHole,
  seekStart,
  statFd,
  tryOpenAt,
  type XattrFault,
  xattrsOfFd,
} from "./linux/read-calls.ts";
import type { OpenTarget } from "./source-entry.ts";

export { adviseSequential, closeFd, type FileStat, type XattrFault, xattrsOfFd as listXattrs };

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOATIME, S_IFREG } = fs.constants;
const { EPERM, ESTALE } = os.constants.errno;
/** Not blocking, so that a FIFO that took the file's place does not hold us up. */
const readFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

/** Opens a file in a folder by one name, or by a path; the negated errno on failure. */
export function tryOpenFile(folder: number, name: string): number {
  // Only the owner and root may leave the access time alone.
  const fd = tryOpenAt(folder, name, readFlags | O_NOATIME);
  if (fd >= 0) return fd;
  if (lastErrno() !== EPERM) return -lastErrno();
  const plain = tryOpenAt(folder, name, readFlags);
  return plain >= 0 ? plain : -lastErrno();
}

/** The file's descriptor, to be closed with `closeFd`. Symbolic links are not followed. */
export function openForRead(target: OpenTarget): number {
  const fd = "fd" in target ? target.fd : tryOpenFile(AT_FDCWD, target.path);
  if (fd >= 0) return fd;
  throw systemError(-fd, "openat", "fd" in target ? "" : target.path);
}

/** Exact metadata of an open file; ESTALE when something that is no file has taken its place. */
export function readStat(fd: number): FileStat {
  const stat = statFd(fd);
  if (stat.kind !== S_IFREG) throw systemError(ESTALE, "statx", "no longer a regular file");
  return stat;
}

/**
 * Fills `buffer` from `offset` on with at most `limit` bytes; fewer only at the end of the file.
 * Reads from `position`, or from where the descriptor stands, and gives the count.
 */
export function readFileInto(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  limit: number,
  position: number | null = null,
): number {
  let done = 0;
  while (done < limit) {
    const at = position === null ? null : position + done;
    const count = fs.readSync(fd, buffer, offset + done, limit - done, at);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** A stretch of a file that is data or a hole; above 0 bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly hole: boolean;
}

/** Whether `extents` can find a hole: the file takes less room than its size. */
export function mayHaveHoles(stat: { readonly size: number; readonly blocks: number }): boolean {
  return stat.blocks * 512 < stat.size;
}

/**
 * The first `size` bytes of a file as data and holes in turn, without gaps. Moves the descriptor:
 * while this runs, read with a position. All is data where the file system knows no holes.
 */
export function* extents(fd: number, size: number): Generator<Extent, void, void> {
  for (let offset = 0; offset < size; ) {
    const data = Math.min(dataFrom(fd, offset) ?? size, size);
    if (data > offset) yield { offset, length: data - offset, hole: true };
    if (data >= size) return;
    // Above `data` also when the file changes meanwhile, so that this always ends.
    const end = Math.max(data + 1, Math.min(holeFrom(fd, data) ?? size, size));
    yield { offset: data, length: end - data, hole: false };
    offset = end;
  }
}

const isNoSuchSeek = (error: unknown) => (error as SystemError).code === "EINVAL";

function dataFrom(fd: number, offset: number): number | undefined {
  try {
    return seekData(fd, offset);
  } catch (error) {
    if (isNoSuchSeek(error)) return offset;
    throw error;
  }
}

function holeFrom(fd: number, offset: number): number | undefined {
  try {
    return seekHole(fd, offset);
  } catch (error) {
    if (isNoSuchSeek(error)) return undefined;
    throw error;
  }
}

/** `extents` as a list; the descriptor stands at the file's start afterwards. */
export function listExtents(fd: number, size: number): Extent[] {
  const list = [...extents(fd, size)];
  seekStart(fd);
  return list;
}

export type Change = "unchanged" | "appended" | "changed";

type ChangeStat = Pick<FileStat, "size" | "mtimeNs">;

/**
 * What happened to a file's content between two looks at the same descriptor. "appended": it grew;
 * what was read up to the first size still stands for the file as it was. The change time is not
 * asked: it also moves with links and permissions, and whatever moved it makes the next snapshot
 * read the file again, because the entry keeps the first one.
 */
export function classifyChange(before: ChangeStat, after: ChangeStat): Change {
  if (after.size > before.size) return "appended";
  const isSame = after.size === before.size && after.mtimeNs === before.mtimeNs;
  return isSame ? "unchanged" : "changed";
}
