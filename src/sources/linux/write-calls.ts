/**
 * The system calls that make files, with a folder's descriptor and one name each.
 *
 * A name is a single component as a binary string (see RawPath): never "", ".", ".." and without
 * "/" and NUL; callers have checked that. No call here follows a symbolic link in its last
 * component. Failures are SystemErrors ("ENOENT: openat 'name'"). Descriptors are numbers that
 * node:fs takes too, and they belong to the process: any thread may use them.
 */
import { AT_FDCWD, cString, cStringCopy, lastSystemError, libc } from "./libc.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;

/** Flags that node:fs lacks or that differ between machines. */
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** With O_DIRECTORY; older kernels then say EISDIR, file systems without it EOPNOTSUPP. */
export const O_TMPFILE = 0o20000000;

// Declared without "..." although openat is variadic in C: on Linux both conventions pass a
// fourth integer in the same place.
const rawOpenat = libc.func("openat", "int", ["int", "const void *", "int", "uint32_t"]);
const rawClose = libc.func("close", "int", ["int"]);
const rawMkdirat = libc.func("mkdirat", "int", ["int", "const void *", "uint32_t"]);
const rawSymlinkat = libc.func("symlinkat", "int", ["const void *", "int", "const void *"]);
const rawLinkat = libc.func("linkat", "int", ["int", "const void *", "int", "const void *", "int"]);
const rawMkfifoat = libc.func("mkfifoat", "int", ["int", "const void *", "uint32_t"]);
const rawRenameat = libc.func("renameat", "int", ["int", "const void *", "int", "const void *"]);
const rawUnlinkat = libc.func("unlinkat", "int", ["int", "const void *", "int"]);
const rawFchownat = libc.func("fchownat", "int", [
  "int",
  "const void *",
  "uint32_t",
  "uint32_t",
  "int",
]);
const rawFchmod = libc.func("fchmod", "int", ["int", "uint32_t"]);
const rawUtimensat = libc.func("utimensat", "int", ["int", "const void *", "const void *", "int"]);
const rawFutimens = libc.func("futimens", "int", ["int", "const void *"]);
const rawFchown = libc.func("fchown", "int", ["int", "uint32_t", "uint32_t"]);
const rawStatx = libc.func("statx", "int", ["int", "const void *", "int", "uint32_t", "void *"]);
const rawSyncfs = libc.func("syncfs", "int", ["int"]);
const rawReadlinkat = libc.func("readlinkat", "long", ["int", "const void *", "void *", "size_t"]);
const rawFadvise = libc.func("posix_fadvise", "int", ["int", "int64_t", "int64_t", "int"]);

const secondName = Buffer.alloc(4096);

/** Like `cString`, in a second scratch, for calls that take two names. */
function cStringSecond(raw: string): Buffer {
  if (raw.length >= secondName.length) return cStringCopy(raw);
  const length = secondName.latin1Write(raw, 0);
  secondName[length] = 0;
  return secondName;
}

/** Opens `name` in `folder`; the caller puts O_NOFOLLOW and O_CLOEXEC into `flags`. */
export function openAt(folder: number, name: string, flags: number, mode = 0): number {
  const fd = rawOpenat(folder, cString(name), flags, mode) as number;
  if (fd < 0) throw lastSystemError("openat", name);
  return fd;
}

/**
 * Closes what `openAt` opened. node:fs would do, but warns of each descriptor that it did not open
 * itself, when a worker closes it.
 */
export function closeFd(fd: number): void {
  if (rawClose(fd) !== 0) throw lastSystemError("close", String(fd));
}

export function makeFolderAt(folder: number, name: string, mode: number): void {
  if (rawMkdirat(folder, cString(name), mode) !== 0) throw lastSystemError("mkdirat", name);
}

/** `linkTarget` is stored as it is; it is not looked at. */
export function symlinkAt(linkTarget: string, folder: number, name: string): void {
  const text = cStringSecond(linkTarget);
  if (rawSymlinkat(text, folder, cString(name)) !== 0) throw lastSystemError("symlinkat", name);
}

/** A second name for what `oldName` is itself; a symbolic link gets a second name, too. */
export function linkAt(oldFolder: number, oldName: string, folder: number, name: string): void {
  const old = cStringSecond(oldName);
  if (rawLinkat(oldFolder, old, folder, cString(name), 0) !== 0) {
    throw lastSystemError("linkat", name);
  }
}

/** Older kernels let only the privileged link a descriptor; the others need /proc for it. */
let linksByPath = false;

/** Gives a name to an open file, which may have none yet. Replaces nothing. */
export function linkFd(fd: number, folder: number, name: string): void {
  if (!linksByPath) {
    if (rawLinkat(fd, cStringSecond(""), folder, cString(name), AT_EMPTY_PATH) === 0) return;
    const error = lastSystemError("linkat", name);
    if (error.code !== "ENOENT") throw error;
  }
  const path = cStringSecond(procPath(fd));
  if (rawLinkat(AT_FDCWD, path, folder, cString(name), AT_SYMLINK_FOLLOW) !== 0) {
    throw lastSystemError("linkat", name);
  }
  linksByPath = true;
}

export function fifoAt(folder: number, name: string, mode: number): void {
  if (rawMkfifoat(folder, cString(name), mode) !== 0) throw lastSystemError("mkfifoat", name);
}

/** As gnu_dev_makedev(3). */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | ((high & ~0xfffn) << 32n)
  );
}

type MakeNode = (folder: number, name: Buffer, mode: number, device: bigint) => number;

function findMakeNode(): MakeNode {
  try {
    return libc.func("mknodat", "int", ["int", "const void *", "uint32_t", "uint64_t"]);
  } catch {
    // glibc before 2.33 has it only under this name, with a version and a pointer.
    const old = libc.func("__xmknodat", "int", ["int", "int", "const void *", "uint32_t", "void*"]);
    return (folder, name, mode, device) => {
      const cell = Buffer.alloc(8);
      cell.writeBigUInt64LE(device);
      return old(0, folder, name, mode, cell) as number;
    };
  }
}

let makeNode: MakeNode | undefined;

/** `mode` with S_IFCHR or S_IFBLK. */
export function deviceAt(
  folder: number,
  name: string,
  mode: number,
  major: number,
  minor: number,
): void {
  makeNode ??= findMakeNode();
  if (makeNode(folder, cString(name), mode, deviceNumber(major, minor)) !== 0) {
    throw lastSystemError("mknodat", name);
  }
}

/** Replaces what is at the new name, unless that is a folder and the old is not. */
export function renameAt(oldFolder: number, oldName: string, folder: number, name: string): void {
  const old = cStringSecond(oldName);
  if (rawRenameat(oldFolder, old, folder, cString(name)) !== 0) {
    throw lastSystemError("renameat", name);
  }
}

/** Removes a name that is no folder. */
export function unlinkAt(folder: number, name: string): void {
  if (rawUnlinkat(folder, cString(name), 0) !== 0) throw lastSystemError("unlinkat", name);
}

/** Removes an empty folder. */
export function removeFolderAt(folder: number, name: string): void {
  if (rawUnlinkat(folder, cString(name), AT_REMOVEDIR) !== 0) {
    throw lastSystemError("rmdir", name);
  }
}

/** An id of `unchangedId` is left as it is. */
export const unchangedId = 0xffffffff;

export function chownFd(fd: number, uid: number, gid: number): void {
  if (rawFchown(fd, uid, gid) !== 0) throw lastSystemError("fchown", `${uid}:${gid}`);
}

/** Of what an O_PATH descriptor stands for, also a symbolic link. */
export function chownPathFd(fd: number, uid: number, gid: number): void {
  if (rawFchownat(fd, cString(""), uid, gid, AT_EMPTY_PATH) !== 0) {
    throw lastSystemError("fchownat", `${uid}:${gid}`);
  }
}

export function chmodFd(fd: number, mode: number): void {
  if (rawFchmod(fd, mode) !== 0) throw lastSystemError("fchmod", mode.toString(8));
}

/** Two struct timespec, also as 64-bit numbers: the views of a Buffer are slower by far. */
const timeNumbers = new BigInt64Array(4);
const times = Buffer.from(timeNumbers.buffer);
const second = 1_000_000_000n;

/** Two struct timespec: access and modification time are both the modification time. */
function timespecs(mtimeNs: bigint): Buffer {
  let nanoseconds = mtimeNs % second;
  if (nanoseconds < 0n) nanoseconds += second;
  const seconds = (mtimeNs - nanoseconds) / second;
  timeNumbers[0] = seconds;
  timeNumbers[1] = nanoseconds;
  timeNumbers[2] = seconds;
  timeNumbers[3] = nanoseconds;
  return times;
}

/** Exact to the nanosecond where the file system is. */
export function setTimesFd(fd: number, mtimeNs: bigint): void {
  if (rawFutimens(fd, timespecs(mtimeNs)) !== 0) throw lastSystemError("futimens", "");
}

/** Of what an O_PATH descriptor stands for, also a symbolic link. */
export function setTimesPathFd(fd: number, mtimeNs: bigint): void {
  if (rawUtimensat(fd, cString(""), timespecs(mtimeNs), AT_EMPTY_PATH) !== 0) {
    throw lastSystemError("utimensat", "");
  }
}

export interface StatAt {
  /** S_IFMT bits and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly inode: bigint;
  /** Device of the file system, as "major:minor". */
  readonly device: string;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly linkCount: number;
  /** Something is mounted here (known from Linux 5.8 on). */
  readonly isMountPoint: boolean;
}

const STATX_BASIC = 0x7ff;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;
const statBuffer = Buffer.alloc(256);

// struct statx has the same layout on all machines: linux/stat.h.
function decodeStat(): StatAt {
  const at = statBuffer;
  return {
    mode: at.readUInt16LE(28),
    uid: at.readUInt32LE(20),
    gid: at.readUInt32LE(24),
    size: Number(at.readBigUInt64LE(40)),
    mtimeNs: at.readBigInt64LE(112) * second + BigInt(at.readUInt32LE(120)),
    inode: at.readBigUInt64LE(32),
    device: `${at.readUInt32LE(136)}:${at.readUInt32LE(140)}`,
    rdevMajor: at.readUInt32LE(128),
    rdevMinor: at.readUInt32LE(132),
    linkCount: at.readUInt32LE(16),
    isMountPoint: (at.readBigUInt64LE(8) & STATX_ATTR_MOUNT_ROOT) !== 0n,
  };
}

/** What stands at `name` itself; undefined when nothing does. */
export function statAt(folder: number, name: string): StatAt | undefined {
  const failed = rawStatx(folder, cString(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC, statBuffer);
  if (failed === 0) return decodeStat();
  const error = lastSystemError("statx", name);
  if (error.code === "ENOENT") return undefined;
  throw error;
}

export function statFd(fd: number): StatAt {
  if (rawStatx(fd, cString(""), AT_EMPTY_PATH, STATX_BASIC, statBuffer) !== 0) {
    throw lastSystemError("statx", "");
  }
  return decodeStat();
}

/** The text of a symbolic link, as a binary string. */
export function readLinkAt(folder: number, name: string): string {
  const text = Buffer.alloc(4097);
  const length = Number(rawReadlinkat(folder, cString(name), text, text.length));
  if (length < 0) throw lastSystemError("readlinkat", name);
  return text.latin1Slice(0, length);
}

/** Resolves when everything written to the file system of `fd` so far is on its disk. */
export function syncFileSystem(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    rawSyncfs.async(fd, (error: Error | null, result: number) => {
      if (error) reject(error);
      else if (result !== 0) reject(lastSystemError("syncfs", ""));
      else resolve();
    });
  });
}

const POSIX_FADV_DONTNEED = 4;

/** Lets the system forget its copy of the file, so that the next read comes from the disk. */
export function dropCachedPages(fd: number): void {
  rawFadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/** The path by which calls without a descriptor reach an open file, also an O_PATH one. */
export function procPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

// --- Extended attributes -----------------------------------------------------------------------

const rawFsetxattr = libc.func("fsetxattr", "int", [
  "int",
  "const void *",
  "const void *",
  "size_t",
  "int",
]);
const rawSetxattr = libc.func("setxattr", "int", [
  "const void *",
  "const void *",
  "const void *",
  "size_t",
  "int",
]);
const rawFgetxattr = libc.func("fgetxattr", "long", ["int", "const void *", "void *", "size_t"]);
const rawGetxattr = libc.func("getxattr", "long", [
  "const void *",
  "const void *",
  "void *",
  "size_t",
]);
const rawFremovexattr = libc.func("fremovexattr", "int", ["int", "const void *"]);
const rawFlistxattr = libc.func("flistxattr", "long", ["int", "void *", "size_t"]);

export function setXattrFd(fd: number, name: string, value: Uint8Array): void {
  if (rawFsetxattr(fd, cString(name), value, value.length, 0) !== 0) {
    throw lastSystemError("fsetxattr", name);
  }
}

/** Of what an O_PATH descriptor stands for, also a symbolic link. */
export function setXattrPathFd(fd: number, name: string, value: Uint8Array): void {
  const path = cStringSecond(procPath(fd));
  if (rawSetxattr(path, cString(name), value, value.length, 0) !== 0) {
    throw lastSystemError("setxattr", name);
  }
}

/** The attribute's value; undefined when it is not there. */
export function getXattrFd(fd: number, name: string): Uint8Array | undefined {
  return readXattr(name, (value) => rawFgetxattr(fd, cString(name), value, value.length));
}

/** Of what an O_PATH descriptor stands for, also a symbolic link. */
export function getXattrPathFd(fd: number, name: string): Uint8Array | undefined {
  const path = cStringCopy(procPath(fd));
  return readXattr(name, (value) => rawGetxattr(path, cString(name), value, value.length));
}

function readXattr(name: string, read: (value: Buffer) => unknown): Uint8Array | undefined {
  for (let room = 1024; ; room *= 8) {
    const value = Buffer.alloc(room);
    const length = Number(read(value));
    if (length >= 0) return value.subarray(0, length);
    const error = lastSystemError("getxattr", name);
    if (error.code === "ENODATA" || error.code === "EOPNOTSUPP") return undefined;
    if (error.code !== "ERANGE" || room > 1 << 20) throw error;
  }
}

/** Removing what is not there is no error. */
export function removeXattrFd(fd: number, name: string): void {
  if (rawFremovexattr(fd, cString(name)) === 0) return;
  const error = lastSystemError("fremovexattr", name);
  if (error.code !== "ENODATA" && error.code !== "EOPNOTSUPP") throw error;
}

/** Names of the attributes; none where the file system has no attributes. */
export function listXattrFd(fd: number): string[] {
  for (let room = 1024; ; room *= 4) {
    const names = Buffer.alloc(room);
    const length = Number(rawFlistxattr(fd, names, room));
    if (length >= 0) return names.latin1Slice(0, length).split("\0").slice(0, -1);
    const error = lastSystemError("flistxattr", "");
    if (error.code === "EOPNOTSUPP" || error.code === "ENOSYS") return [];
    if (error.code !== "ERANGE" || room > 1 << 20) throw error;
  }
}
