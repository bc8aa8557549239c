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
  renameFile(file);
  return faults;
}

type Names = Pick<TargetFile, "folder" | "name" | "temporaryName">;

/** Gives a file its name; when that cannot be, its temporary one is gone as well. */
export function renameFile({ folder, name, temporaryName }: Names): void {
  try {
    renameAt(folder, temporaryName, folder, name);
  } catch (error) {
    unlinkAt(folder, temporaryName);
    throw error;
  }
}

/** Closes and removes a file that will not be completed. */
export function discardFile(fd: number, file: TargetFile): void {
  closeFd(fd);
  unlinkAt(file.folder, file.temporaryName);
}
