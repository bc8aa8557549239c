/**
 * Files in folders that this restore made, which nobody else can enter before they are left.
 *
 * They need not be given what they are born with: they are made with their final mode, and the
 * first of each mode in a folder is looked at. What the system made of the mode (umask) and whom it
 * gave the file to (setgid of the folder, mount options, file systems that know no owners) is the
 * same for all others in the folder.
 *
 * Nor do they need a name before they are whole: where the system can (O_TMPFILE), they have none,
 * and what is interrupted leaves next to nothing: the first file of each folder shows whether it
 * can, under a temporary name (docs/decisions/0027-durable-and-fast-restores.md).
 */
import fs from "node:fs";
import type { SystemError } from "../linux/libc.ts";
import { closeFd, linkFd, O_CLOEXEC, O_TMPFILE, openAt, statFd } from "../linux/write-calls.ts";
import { applyToFd, type GivenAttributes } from "./target-attributes.ts";
import type { TargetFault } from "./target-faults.ts";
import {
  completeFile,
  createFile,
  discardFile,
  renameFile,
  type TargetFile,
} from "./target-file.ts";

const { O_DIRECTORY, O_WRONLY } = fs.constants;
const namelessFlags = O_WRONLY | O_TMPFILE | O_DIRECTORY | O_CLOEXEC;
const setIdsAndSticky = 0o7000;

/** How a nameless file is made, and named; others for tests. */
export interface NamelessCalls {
  readonly open: typeof openAt;
  readonly link: typeof linkFd;
}

/**
 * Makes, completes and discards all files of one task, also those in other folders. For one task
 * at a time, while its folders stay open: descriptors are what tells folders apart.
 */
export class NewFiles {
  readonly #calls: NamelessCalls;
  #folder = -1;
  /** Whether files in that folder can do without a name; undefined before the first. */
  #canBeNameless: boolean | undefined;
  readonly #given = new Map<number, GivenAttributes>();
  /** Descriptors. */
  readonly #nameless = new Set<number>();

  constructor(calls: NamelessCalls = { open: openAt, link: linkFd }) {
    this.#calls = calls;
  }

  /** As `createFile`. */
  create(file: TargetFile): number {
    if (!isBornWhole(file)) return createFile(file);
    if (this.#folder !== file.folder) {
      this.#given.clear();
      this.#canBeNameless = undefined;
    }
    this.#folder = file.folder;
    const fd = this.#make(file);
    if (!this.#given.has(file.mode)) this.#look(fd, file);
    return fd;
  }

  #make(file: TargetFile): number {
    if (this.#canBeNameless === undefined) return this.#makeFirst(file);
    if (!this.#canBeNameless) return createFile(file, file.mode);
    const fd = this.#calls.open(file.folder, ".", namelessFlags, file.mode);
    this.#nameless.add(fd);
    return fd;
  }

  /** What fails here for other reasons fails again, and is told then. */
  #makeFirst(file: TargetFile): number {
    this.#canBeNameless = false;
    let fd = -1;
    try {
      fd = this.#calls.open(file.folder, ".", namelessFlags, file.mode);
      this.#calls.link(fd, file.folder, file.temporaryName);
      this.#canBeNameless = true;
      return fd;
    } catch {
      if (fd >= 0) closeFd(fd);
      return createFile(file, file.mode);
    }
  }

  #look(fd: number, file: TargetFile): void {
    try {
      const { mode, uid, gid } = statFd(fd);
      this.#given.set(file.mode, { mode: mode & 0o7777, uid, gid });
    } catch (error) {
      this.discard(fd, file);
      throw error;
    }
  }

  /** As `completeFile`. */
  complete(fd: number, file: TargetFile): TargetFault[] {
    const has = this.#givenTo(file);
    if (!this.#nameless.delete(fd)) return completeFile(fd, file, has);
    const faults: TargetFault[] = [];
    try {
      if (file.extend) fs.ftruncateSync(fd, file.size);
      applyToFd(fd, file, faults, has);
      this.#name(fd, file);
    } finally {
      closeFd(fd);
    }
    return faults;
  }

  /** What somebody put in its place, who may enter everywhere, is replaced as a rename would. */
  #name(fd: number, { folder, name, temporaryName }: TargetFile): void {
    try {
      this.#calls.link(fd, folder, name);
    } catch (error) {
      if ((error as SystemError).code !== "EEXIST") throw error;
      this.#calls.link(fd, folder, temporaryName);
      renameFile({ folder, temporaryName, name });
    }
  }

  /** As `discardFile`. */
  discard(fd: number, file: TargetFile): void {
    if (this.#nameless.delete(fd)) closeFd(fd);
    else discardFile(fd, file);
  }

  /** What a file that was made here has already; undefined when that is not known. */
  #givenTo(file: TargetFile): GivenAttributes | undefined {
    if (this.#folder !== file.folder || !isBornWhole(file)) return undefined;
    return this.#given.get(file.mode);
  }
}

/** A change of owner takes setuid and setgid away, and the attributes may need another mode. */
function isBornWhole({ inNewFolder, mode, xattrs }: TargetFile): boolean {
  return inNewFolder && (mode & setIdsAndSticky) === 0 && xattrs === undefined;
}
