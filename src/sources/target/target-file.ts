/**
 * Regular files of a restore target, each made under a temporary name, filled at any offsets (by
 * any thread), completed and then renamed: under its final name there are only whole files.
 */
import fs from "node:fs";
import {
  closeFd,
  O_CLOEXEC,
  openAt,
  removeXattrFd,
  renameAt,
  statFd,
  unlinkAt,
} from "../linux/write-calls.ts";
import { applyToFd, type GivenAttributes, type TargetAttributes } from "./target-attributes.ts";
import type { TargetFault } from "./target-faults.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants;
const createFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
const ownerOnly = 0o600;

/** A file to be made; crosses threads. */
export interface TargetFile extends TargetAttributes {
  /** Descriptor of the folder; stays open until the file is done. */
  readonly folder: number;
  readonly name: string;
  readonly temporaryName: string;
  readonly size: number;
  /** The folder gives new files an ACL that this file shall not have. */
  readonly dropAcl: boolean;
  /** It may end in a hole, which writing alone does not make. */
  readonly extend: boolean;
  /** Further names will be made of it. */
  readonly reportInode: boolean;
  /** The folder was made by this restore, is open to its owner only, and gives no ACL. */
  readonly inNewFolder: boolean;
}

/**
 * Makes the empty file under its temporary name; only we may read it, unless another mode is
 * given. The caller closes it.
 */
export function createFile(file: TargetFile, mode = ownerOnly): number {
  const fd = openAt(file.folder, file.temporaryName, createFlags, mode);
  if (file.dropAcl) {
    try {
      removeXattrFd(fd, "system.posix_acl_access");
    } catch (error) {
      discardFile(fd, file);
      throw error;
    }
  }
  return fd;
}

const setIdsAndSticky = 0o7000;

/**
 * Makes files that need not be given what they are born with. Into a new folder nobody else can
 * come, so files are made there with their final mode. The first of each mode is looked at: what
 * the system made of the mode (umask) and whom it gave the file to (setgid of the folder, mount
 * options, file systems that know no owners) is the same for all others in the folder.
 *
 * For one task at a time, while its folders stay open: descriptors are what tells folders apart.
 */
export class NewFiles {
  #folder = -1;
  readonly #given = new Map<number, GivenAttributes>();

  /** As `createFile`. */
  create(file: TargetFile): number {
    if (!isBornWhole(file)) return createFile(file);
    const fd = createFile(file, file.mode);
    if (this.#folder !== file.folder) this.#given.clear();
    this.#folder = file.folder;
    if (!this.#given.has(file.mode)) this.#look(fd, file);
    return fd;
  }

  #look(fd: number, file: TargetFile): void {
    try {
      const { mode, uid, gid } = statFd(fd);
      this.#given.set(file.mode, { mode: mode & 0o7777, uid, gid });
    } catch (error) {
      discardFile(fd, file);
      throw error;
    }
  }

  /** What a file that was made here has already; undefined when that is not known. */
  given(file: TargetFile): GivenAttributes | undefined {
    if (this.#folder !== file.folder || !isBornWhole(file)) return undefined;
    return this.#given.get(file.mode);
  }
}

/** A change of owner takes setuid and setgid away, and the attributes may need another mode. */
function isBornWhole({ inNewFolder, mode, xattrs }: TargetFile): boolean {
  return inNewFolder && (mode & setIdsAndSticky) === 0 && xattrs === undefined;
}

/** Why not more at once: docs/decisions/0024-writes-of-a-mebibyte.md. */
const writeBytes = 1024 * 1024;

/** Writes all of `bytes` at `offset`. */
export function writeAt(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    const count = Math.min(writeBytes, bytes.length - done);
    done += fs.writeSync(fd, bytes, done, count, offset + done);
  }
}

const zeroBlockBytes = 4096;
const zeros = Buffer.alloc(zeroBlockBytes);

/** Like `writeAt`, but leaves out whole blocks of zeros, which become holes. */
export function writeSparseAt(fd: number, bytes: Uint8Array, offset: number): void {
  // Blocks are those of the file, so that a hole is a whole block on disk.
  let start = 0;
  for (let at = (zeroBlockBytes - (offset % zeroBlockBytes)) % zeroBlockBytes; ; ) {
    const end = at + zeroBlockBytes;
    if (end > bytes.length) break;
    if (Buffer.compare(bytes.subarray(at, end), zeros) === 0) {
      writeAt(fd, bytes.subarray(start, at), offset + start);
      start = end;
    }
    at = end;
  }
  writeAt(fd, bytes.subarray(start), offset + start);
}

/**
 * Gives the filled file its size and the attributes that it does not have yet, closes it and
 * renames it. Throws when it cannot have its name; attributes that could not be set are returned.
 */
export function completeFile(fd: number, file: TargetFile, has?: GivenAttributes): TargetFault[] {
  const faults: TargetFault[] = [];
  try {
    if (file.extend) fs.ftruncateSync(fd, file.size);
    applyToFd(fd, file, faults, has);
  } catch (error) {
    discardFile(fd, file);
    throw error;
  }
  closeFd(fd);
  try {
    renameAt(file.folder, file.temporaryName, file.folder, file.name);
  } catch (error) {
    unlinkAt(file.folder, file.temporaryName);
    throw error;
  }
  return faults;
}

/** Closes and removes a file that will not be completed. */
export function discardFile(fd: number, file: TargetFile): void {
  closeFd(fd);
  unlinkAt(file.folder, file.temporaryName);
}
