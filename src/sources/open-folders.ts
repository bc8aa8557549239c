/**
 * The folders between "/" and where a walk stands, each open while there are not too many.
 *
 * Names are looked up in open folders, not by paths, so that a tree may be deeper than the 4,096
 * bytes which a path may have, and what is renamed above does not lead elsewhere. The number of
 * descriptors is bounded: in a very deep tree the upper folders are closed, and on the way back
 * opened again name by name; each is then checked to be the same folder as before.
 *
 * Invariant: open are "/" and an unbroken row of folders that ends at the innermost, or none of a
 * row that ended deeper.
 */
import fs from "node:fs";
import os from "node:os";
import { AT_FDCWD, systemError } from "./linux/libc.ts";
import {
  closeFd,
  type FileStat,
  lastErrno,
  O_CLOEXEC,
  O_PATH,
  statFd,
  tryOpenAt,
} from "./linux/read-calls.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NOATIME } = fs.constants;
const { EPERM, EACCES, EMFILE, ENFILE } = os.constants.errno;
/** "/", a folder, and one in it. */
const openMin = 3;

export interface OpenFolder {
  readonly name: string;
  /** A symbolic link of this name is followed. */
  readonly follow: boolean;
  readonly stat: FileStat;
  /** Its names can be read; otherwise they can only be looked up. */
  readonly isListable: boolean;
  /** -1 while closed. */
  fd: number;
}

export class OpenFolders {
  readonly #folders: OpenFolder[] = [];
  #openMax: number;
  #openCount = 0;
  /** Of the open folders but "/", the one nearest to it. */
  #lowest = 1;

  /** At most `openMax` descriptors, fewer when the system gives fewer. */
  constructor(openMax: number) {
    this.#openMax = Math.max(openMin, openMax);
  }

  /**
   * Opens a folder in the innermost one (at first "/" itself) and makes it the innermost; throws a
   * SystemError.
   */
  enter(name: string, follow: boolean): OpenFolder {
    const parent = this.#folders.length === 0 ? AT_FDCWD : this.fd();
    this.#makeRoom();
    const { fd, isListable } = this.#open(parent, name, follow);
    try {
      const folder = { name, follow, stat: statFd(fd), isListable, fd };
      if (this.#openCount === 1) this.#lowest = this.#folders.length;
      this.#folders.push(folder);
      this.#openCount++;
      return folder;
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** Goes back to the folder that holds the innermost one. */
  leave(): void {
    const folder = this.#folders.pop();
    if (folder !== undefined) this.#close(folder);
  }

  /** Descriptor of the innermost folder; throws a SystemError when it cannot be found again. */
  fd(): number {
    const folder = this.#folders[this.#folders.length - 1];
    if (folder === undefined) return AT_FDCWD;
    return folder.fd >= 0 ? folder.fd : this.#reopen();
  }

  closeAll(): void {
    while (this.#folders.length > 0) this.leave();
  }

  #close(folder: OpenFolder): void {
    if (folder.fd < 0) return;
    closeFd(folder.fd);
    folder.fd = -1;
    this.#openCount--;
  }

  #makeRoom(): void {
    while (this.#openCount >= this.#openMax && this.#closeLowest());
  }

  /** False when only what is needed is open. */
  #closeLowest(): boolean {
    const innermostOpen = this.#lowest + this.#openCount - 2;
    if (this.#lowest >= innermostOpen) return false;
    const folder = this.#folders[this.#lowest++];
    if (folder !== undefined) this.#close(folder);
    return true;
  }

  #open(parent: number, name: string, follow: boolean) {
    const flags = O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
    for (let extra = O_RDONLY | O_NOATIME; ; ) {
      const fd = tryOpenAt(parent, name, flags | extra);
      if (fd >= 0) return { fd, isListable: (extra & O_PATH) === 0 };
      const errno = lastErrno();
      if (errno === EPERM && (extra & O_NOATIME) !== 0) extra = O_RDONLY;
      else if (errno === EACCES && (extra & O_PATH) === 0) extra = O_PATH;
      else if (errno === EMFILE || errno === ENFILE) this.#lowerMax(errno, name);
      else throw systemError(errno, "openat", name);
    }
  }

  #lowerMax(errno: number, name: string): void {
    this.#openMax = Math.max(openMin, this.#openCount - 1);
    if (!this.#closeLowest()) throw systemError(errno, "openat", name);
  }

  /** Down from "/" to the innermost folder, whose row is closed. */
  #reopen(): number {
    this.#lowest = 1;
    try {
      return this.#folders.reduce((parent, folder) => {
        if (folder.fd >= 0) return folder.fd;
        this.#makeRoom();
        folder.fd = this.#open(parent, folder.name, folder.follow).fd;
        this.#openCount++;
        if (isSame(statFd(folder.fd), folder.stat)) return folder.fd;
        throw systemError(os.constants.errno.ESTALE, "openat", folder.name);
      }, AT_FDCWD);
    } catch (error) {
      this.#closeRow();
      throw error;
    }
  }

  #closeRow(): void {
    for (const folder of this.#folders.slice(1)) this.#close(folder);
  }
}

const isSame = (a: FileStat, b: FileStat) =>
  a.inode === b.inode && a.deviceMajor === b.deviceMajor && a.deviceMinor === b.deviceMinor;
