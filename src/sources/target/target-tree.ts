/**
 * Folders below a restore target, by descriptors.
 *
 * Every folder is opened relative to its parent's descriptor with O_DIRECTORY and O_NOFOLLOW, so a
 * symbolic link planted anywhere below the target, before or during the restore, is never
 * followed. Only the target's own path, which the user gave, is taken as the system resolves it.
 *
 * Few descriptors are open at a time: the folders used least recently are closed and opened again
 * on the way down from the target when needed, and must then still be the same folder.
 */
import fs from "node:fs";
import { makeFolders } from "../../base/make-folders.ts";
import { type RawPath, toFsPath } from "../../base/raw-path.ts";
import type { SystemError } from "../linux/libc.ts";
import {
  chmodFd,
  closeFd,
  O_CLOEXEC,
  O_PATH,
  openAt,
  procPath,
  statFd,
} from "../linux/write-calls.ts";
import { systemFault } from "./target-faults.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants;
const openFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
const ownerAll = 0o700;

export class TargetFolder {
  /** Undefined for the target itself. */
  readonly parent: TargetFolder | undefined;
  readonly name: string;
  /** Descriptor while open, else -1. */
  fd = -1;
  /** Only a place to go through: its content cannot be listed nor its metadata set. */
  passOnly = false;
  /** While above 0 it stays open. */
  pins = 0;
  /** Device and inode at the first opening. */
  identity = "";
  /** Its permission bits, where they had to be widened to work in it. */
  modeBefore: number | undefined;

  constructor(parent: TargetFolder | undefined, name: string) {
    this.parent = parent;
    this.name = name;
  }
}

export interface TargetTreeOptions {
  /** Descriptors open at a time, pinned ones aside. */
  readonly openMax?: number;
  /** Change nothing, not even the mode of a folder that cannot be entered otherwise. */
  readonly readOnly?: boolean;
}

export class TargetTree {
  readonly root: TargetFolder;
  readonly #openMax: number;
  readonly #path: RawPath;
  /** Least recently used first. */
  readonly #open = new Set<TargetFolder>();

  readonly #readOnly: boolean;

  private constructor(path: RawPath, options: TargetTreeOptions) {
    this.#path = path;
    this.#openMax = options.openMax ?? 768;
    this.#readOnly = options.readOnly ?? false;
    this.root = new TargetFolder(undefined, "");
  }

  /** Opens an existing folder as the target; see `makeTarget`. */
  static open(path: RawPath, options: TargetTreeOptions = {}): TargetTree {
    const tree = new TargetTree(path, options);
    tree.fd(tree.root);
    return tree;
  }

  /** Where a name in a folder is, for people. */
  pathOf(folder: TargetFolder, name: string): RawPath {
    const names = [name];
    for (let at = folder; at.parent !== undefined; at = at.parent) names.push(at.name);
    return `${this.#path === "/" ? "" : this.#path}/${names.reverse().join("/")}` as RawPath;
  }

  /** The folder's descriptor, valid until the next call here unless the folder is pinned. */
  fd(folder: TargetFolder): number {
    if (folder.fd < 0) this.#openChain(folder);
    else if (this.#open.delete(folder)) this.#open.add(folder);
    return folder.fd;
  }

  /** Keeps the folder open until `unpin`, and returns its descriptor. */
  pin(folder: TargetFolder): number {
    const fd = this.fd(folder);
    folder.pins++;
    return fd;
  }

  unpin(folder: TargetFolder): void {
    folder.pins--;
  }

  /** Opens a folder that stands in `parent`. Throws ENOENT, or ENOTDIR for anything else. */
  child(parent: TargetFolder, name: string): TargetFolder {
    const folder = new TargetFolder(parent, name);
    this.fd(folder);
    return folder;
  }

  /** Gives up the descriptor of a folder that is done with. */
  release(folder: TargetFolder): void {
    if (folder.fd < 0 || folder.pins > 0) return;
    this.#open.delete(folder);
    closeFd(folder.fd);
    folder.fd = -1;
  }

  /** Takes back what was done to the folder's mode to work in it, and gives up its descriptor. */
  leave(folder: TargetFolder): void {
    if (folder.modeBefore !== undefined && !folder.passOnly) {
      chmodFd(this.fd(folder), folder.modeBefore);
      folder.modeBefore = undefined;
    }
    this.release(folder);
  }

  close(): void {
    for (const folder of this.#open) {
      folder.pins = 0;
      this.release(folder);
    }
  }

  #openChain(folder: TargetFolder): void {
    const closed: TargetFolder[] = [];
    let at: TargetFolder | undefined = folder;
    for (; at !== undefined && at.fd < 0; at = at.parent) closed.push(at);
    // The one that was opened last must not be closed before its child is open.
    for (const next of closed.reverse()) {
      const parentFd = next.parent?.fd ?? -1;
      this.#openOne(next, parentFd);
      this.#shrink(next);
    }
  }

  #openOne(folder: TargetFolder, parentFd: number): void {
    if (folder.parent === undefined) {
      folder.fd = fs.openSync(toFsPath(this.#path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } else {
      folder.fd = openFolder(parentFd, folder, this.#readOnly);
    }
    const { device, inode } = statFd(folder.fd);
    const identity = `${device}/${inode}`;
    if (folder.identity !== "" && folder.identity !== identity) {
      closeFd(folder.fd);
      folder.fd = -1;
      throw systemFault("ESTALE", "the folder was replaced during the restore");
    }
    folder.identity = identity;
    this.#open.add(folder);
  }

  #shrink(keep: TargetFolder): void {
    if (this.#open.size <= this.#openMax) return;
    for (const folder of this.#open) {
      if (folder.pins > 0 || folder === keep || folder === keep.parent) continue;
      this.release(folder);
      if (this.#open.size <= this.#openMax) return;
    }
  }
}

function openFolder(parentFd: number, folder: TargetFolder, readOnly: boolean): number {
  try {
    return openAt(parentFd, folder.name, openFlags);
  } catch (error) {
    const { code } = error as SystemError;
    if (code === "ELOOP") throw systemFault("ENOTDIR", "a symbolic link stands here");
    if (code !== "EACCES") throw error;
  }
  // A folder of our own without read permission: take it. Else go through it, if that is allowed.
  const pathFd = openAt(parentFd, folder.name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  try {
    if (readOnly) throw systemFault("EACCES", "nothing is to be changed");
    const mode = statFd(pathFd).mode & 0o7777;
    fs.chmodSync(procPath(pathFd), mode | ownerAll);
    folder.modeBefore ??= mode;
    const fd = openAt(parentFd, folder.name, openFlags);
    closeFd(pathFd);
    return fd;
  } catch {
    folder.passOnly = true;
    return pathFd;
  }
}

/** Lets the owner, if that is us, make and remove names in an open folder that stood there. */
export function makeWritable(folder: TargetFolder): void {
  if (folder.passOnly) return;
  const mode = statFd(folder.fd).mode & 0o7777;
  if ((mode & ownerAll) === ownerAll) return;
  try {
    chmodFd(folder.fd, mode | ownerAll);
    folder.modeBefore ??= mode;
  } catch {
    // Not ours: making something in it will say so.
  }
}

/**
 * Goes down from an open folder without following links, and without needing to read the folders
 * on the way. The descriptor is good for passing only, and for the time of `use`.
 */
export function withFolderBelow<T>(
  top: number,
  names: readonly string[],
  use: (fd: number) => T,
): T {
  let fd = top;
  try {
    for (const name of names) {
      const next = openAt(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd !== top) closeFd(fd);
      fd = next;
    }
    return use(fd);
  } finally {
    if (fd !== top) closeFd(fd);
  }
}

/** Makes the target and the folders above it where they are absent. */
export function makeTarget(path: RawPath): void {
  makeFolders(path, (folder) => fs.mkdirSync(toFsPath(folder as RawPath)));
}

/** Whether there is a folder at this path. */
export function targetExists(path: RawPath): boolean {
  return fs.statSync(toFsPath(path), { throwIfNoEntry: false }) !== undefined;
}

/** The names in an open folder, as binary strings, in no order. */
export function* namesIn(fd: number): Generator<string> {
  // Through /proc, since node:fs lists paths only; `fd` may be used meanwhile.
  const folder = fs.opendirSync(procPath(fd), { encoding: "latin1" });
  try {
    for (let item = folder.readSync(); item !== null; item = folder.readSync()) yield item.name;
  } finally {
    folder.closeSync();
  }
}
