/**
 * The system calls that read file trees: folders by descriptor, names as binary strings (RawPath),
 * times to the nanosecond.
 *
 * Calls of the walk answer with a number below 0 on failure, so that the walk, which meets many
 * harmless failures, need not catch; `lastSystemError` says which it was. The others throw
 * SystemErrors. All calls of a thread share buffers here: nothing returned points into them.
 */
import koffi from "koffi";
import type { Xattr } from "../../base/entry.ts";
import { cString, cStringCopy, lastSystemError, libc, type SystemError } from "./libc.ts";

// Declared without "..." although openat is variadic in C: on Linux both conventions pass a
// fourth integer in the same place.
const rawOpenat = libc.func("openat", "int", ["int", "const void *", "int", "uint32_t"]);
const rawClose = libc.func("close", "int", ["int"]);
const rawGetdents = libc.func("getdents64", "long", ["int", "void *", "size_t"]);
const rawStatx = libc.func("statx", "int", ["int", "const void *", "int", "uint32_t", "void *"]);
const rawReadlinkat = libc.func("readlinkat", "long", ["int", "const void *", "void *", "size_t"]);
const rawLseek = libc.func("lseek", "int64_t", ["int", "int64_t", "int"]);
const rawFadvise = libc.func("posix_fadvise", "int", ["int", "int64_t", "int64_t", "int"]);
const rawFlistxattr = libc.func("flistxattr", "long", ["int", "void *", "size_t"]);
const rawFgetxattr = libc.func("fgetxattr", "long", ["int", "const void *", "void *", "size_t"]);
const rawListxattr = libc.func("listxattr", "long", ["const void *", "void *", "size_t"]);
const rawGetxattr = libc.func("getxattr", "long", [
  "const void *",
  "const void *",
  "void *",
  "size_t",
]);
const rawLlistxattr = libc.func("llistxattr", "long", ["const void *", "void *", "size_t"]);
const rawLgetxattr = libc.func("lgetxattr", "long", [
  "const void *",
  "const void *",
  "void *",
  "size_t",
]);

/** Flags that node:fs lacks. */
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

/** Opens `name` in the folder; below 0 on failure. */
export function tryOpenAt(folder: number, name: string, flags: number): number {
  return rawOpenat(folder, cString(name), flags, 0) as number;
}

/** Gives a descriptor back. What close reports is of no use to a reader. */
export function closeFd(fd: number): void {
  rawClose(fd);
}

export function lastErrno(): number {
  return koffi.errno();
}

// --- Names in a folder -------------------------------------------------------------------------

const namesBuffer = Buffer.alloc(65_536);
/** Offset of the name in struct linux_dirent64, and that of the record's length. */
const direntName = 19;
const direntLength = 16;

/**
 * Adds the next names of the folder to `names`, without "." and "..", in the folder's own order;
 * 0 at its end, below 0 on failure.
 */
export function readNames(folder: number, names: string[]): number {
  const filled = Number(rawGetdents(folder, namesBuffer, namesBuffer.length));
  for (let at = 0; at < filled; ) {
    const length = namesBuffer.readUInt16LE(at + direntLength);
    const start = at + direntName;
    // Records are padded to 8 bytes, so the NUL is among the last 8.
    let end = Math.max(start, at + length - 8);
    while (namesBuffer[end] !== 0) end++;
    const name = namesBuffer.latin1Slice(start, end);
    if (name !== "." && name !== "..") names.push(name);
    at += length;
  }
  return filled;
}

// --- Metadata ----------------------------------------------------------------------------------

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_NO_AUTOMOUNT = 0x800;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;

export interface FileStat {
  /** The S_IFMT bits. */
  readonly kind: number;
  /** Permission bits, setuid, setgid, sticky: 0o7777. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly inode: bigint;
  /** Bytes, of any kind. */
  readonly size: number;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

// struct statx (linux/stat.h) has this layout on all machines. Views are much faster than the
// read methods of Buffer.
const statMemory = new ArrayBuffer(256);
const statBytes = Buffer.from(statMemory);
const stat16 = new Uint16Array(statMemory);
const stat32 = new Uint32Array(statMemory);
const stat64 = new BigInt64Array(statMemory);
const statU64 = new BigUint64Array(statMemory);
const half = 2 ** 32;
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const [low, high] = littleEndian ? [0, 1] : [1, 0];

const at16 = (offset: number): number => stat16[offset / 2] as number;
const at32 = (offset: number): number => stat32[offset / 4] as number;
const atU64 = (offset: number): number => at32(offset + high * 4) * half + at32(offset + low * 4);
const timeAt = (offset: number): bigint =>
  (stat64[offset / 8] as bigint) * 1_000_000_000n + BigInt(at32(offset + 8));

function decodeStat(): FileStat {
  const mode = at16(28);
  return {
    kind: mode & 0o170000,
    mode: mode & 0o7777,
    nlink: at32(16),
    uid: at32(20),
    gid: at32(24),
    inode: statU64[4] as bigint,
    size: atU64(40),
    blocks: atU64(48),
    mtimeNs: timeAt(112),
    ctimeNs: timeAt(96),
    deviceMajor: at32(136),
    deviceMinor: at32(140),
    rdevMajor: at32(128),
    rdevMinor: at32(132),
  };
}

/** What stands at `name` itself, or behind it with `follow`; undefined on failure. */
export function tryStatAt(folder: number, name: string, follow = false): FileStat | undefined {
  const flags = AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
  const result = rawStatx(folder, cString(name), flags, STATX_BASIC_STATS, statBytes);
  return result === 0 ? decodeStat() : undefined;
}

/** Of an open file, also of one opened with O_PATH. */
export function statFd(fd: number): FileStat {
  if (rawStatx(fd, cString(""), AT_EMPTY_PATH, STATX_BASIC_STATS, statBytes) !== 0) {
    throw lastSystemError("statx", `fd ${fd}`);
  }
  return decodeStat();
}

const linkBuffer = Buffer.alloc(65_536);

/** The text of a symbolic link, as a binary string. */
export function readLinkAt(folder: number, name: string): string {
  const length = Number(rawReadlinkat(folder, cString(name), linkBuffer, linkBuffer.length));
  if (length < 0) throw lastSystemError("readlinkat", name);
  return linkBuffer.latin1Slice(0, length);
}

// --- Content -----------------------------------------------------------------------------------

const SEEK_SET = 0;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Where data starts at or after `offset`; undefined when there is none; EINVAL where unknown. */
export function seekData(fd: number, offset: number): number | undefined {
  const found = Number(rawLseek(fd, offset, SEEK_DATA));
  if (found >= 0) return found;
  const error = lastSystemError("lseek", `fd ${fd}`);
  if (error.code === "ENXIO") return undefined;
  throw error;
}

/** Where the next hole starts at or after `offset`; the end of the file counts as one. */
export function seekHole(fd: number, offset: number): number | undefined {
  const found = Number(rawLseek(fd, offset, SEEK_HOLE));
  if (found >= 0) return found;
  const error = lastSystemError("lseek", `fd ${fd}`);
  if (error.code === "ENXIO") return undefined;
  throw error;
}

export function seekStart(fd: number): void {
  rawLseek(fd, 0, SEEK_SET);
}

const POSIX_FADV_SEQUENTIAL = 2;

/** Makes the system read ahead further; worth its call for large files only. */
export function adviseSequential(fd: number): void {
  rawFadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

// --- Extended attributes -----------------------------------------------------------------------

/** The kernel's limits: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
const xattrBuffer = Buffer.alloc(65_536);
const noXattrs: readonly Xattr[] = [];

/** Told of an attribute that is there and cannot be read. */
export type XattrFault = (name: string, error: SystemError) => void;

interface XattrCalls {
  readonly list: () => number;
  readonly get: (name: string) => number;
  readonly subject: string;
}

const isUnsupported = (code: string) => code === "EOPNOTSUPP" || code === "ENOSYS";

function collectXattrs(calls: XattrCalls, onFault: XattrFault | undefined): readonly Xattr[] {
  const length = calls.list();
  if (length === 0) return noXattrs;
  if (length < 0) {
    const error = lastSystemError("listxattr", calls.subject);
    if (isUnsupported(error.code)) return noXattrs;
    throw error;
  }
  const names = xattrBuffer.latin1Slice(0, length - 1).split("\0");
  const xattrs: Xattr[] = [];
  for (const name of names.sort()) {
    const size = calls.get(name);
    if (size >= 0) {
      xattrs.push({ name, value: Uint8Array.prototype.slice.call(xattrBuffer, 0, size) });
      continue;
    }
    const error = lastSystemError("getxattr", `${name} of ${calls.subject}`);
    // Removed since it was listed, or an attribute that the file system only pretends to have.
    if (error.code === "ENODATA" || isUnsupported(error.code)) continue;
    if (onFault === undefined) throw error;
    onFault(name, error);
  }
  return xattrs;
}

/**
 * All extended attributes of an open file (ACLs and capabilities among them), sorted by name; none
 * where the file system has none. Without `onFault`, one that cannot be read throws.
 */
export function xattrsOfFd(fd: number, onFault?: XattrFault): readonly Xattr[] {
  const calls: XattrCalls = {
    list: () => Number(rawFlistxattr(fd, xattrBuffer, xattrBuffer.length)),
    get: (name) => Number(rawFgetxattr(fd, cString(name), xattrBuffer, xattrBuffer.length)),
    subject: `fd ${fd}`,
  };
  return collectXattrs(calls, onFault);
}

/**
 * Like `xattrsOfFd`, by a path, for what cannot be opened for reading; follows a symbolic link as
 * the path's last name only with `follow`.
 */
export function xattrsOfPath(
  path: string,
  follow: boolean,
  onFault?: XattrFault,
): readonly Xattr[] {
  const text = cStringCopy(path);
  const [list, get] = follow ? [rawListxattr, rawGetxattr] : [rawLlistxattr, rawLgetxattr];
  const calls: XattrCalls = {
    list: () => Number(list(text, xattrBuffer, xattrBuffer.length)),
    get: (name) => Number(get(text, cString(name), xattrBuffer, xattrBuffer.length)),
    subject: path,
  };
  return collectXattrs(calls, onFault);
}
