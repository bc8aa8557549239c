/**
 * Everything in a restore target that is neither file nor folder: symbolic links, FIFOs, device
 * nodes and further names of a file. Each is made under a temporary name and renamed.
 */
import fs from "node:fs";
import { bytesEqual } from "../../base/bytes.ts";
import { type Entry, EntryType, type Xattr } from "../../base/entry.ts";
import {
  closeFd,
  deviceAt,
  fifoAt,
  getXattrPathFd,
  linkAt,
  O_CLOEXEC,
  O_PATH,
  openAt,
  renameAt,
  statAt,
  statFd,
  symlinkAt,
  unlinkAt,
} from "../linux/write-calls.ts";
import { applyToPathFd, type TargetAttributes } from "./target-attributes.ts";
import { systemFault, type TargetFault } from "./target-faults.ts";

const { S_IFBLK, S_IFCHR } = fs.constants;
const ownerOnly = 0o600;

export interface NodePlace {
  /** Descriptor of the folder. */
  readonly folder: number;
  readonly name: string;
  readonly temporaryName: string;
}

/** Makes a symbolic link, FIFO or device. Throws when it cannot; returns what is not as wanted. */
export function makeNode(entry: Entry, place: NodePlace, to: TargetAttributes): TargetFault[] {
  const { folder, temporaryName } = place;
  const faults: TargetFault[] = [];
  createNode(entry, folder, temporaryName);
  renamed(place, () => {
    const fd = openAt(folder, temporaryName, O_PATH | fs.constants.O_NOFOLLOW | O_CLOEXEC);
    try {
      refuseSwapped(fd, entry);
      applyToPathFd(fd, entry.type === EntryType.symlink, to, faults);
    } finally {
      closeFd(fd);
    }
  });
  return faults;
}

const kinds: Partial<Record<EntryType, number>> = {
  [EntryType.symlink]: fs.constants.S_IFLNK,
  [EntryType.fifo]: fs.constants.S_IFIFO,
  [EntryType.charDevice]: S_IFCHR,
  [EntryType.blockDevice]: S_IFBLK,
};

/** In a folder that others may write to, the new name may have been swapped for another file. */
function refuseSwapped(fd: number, entry: Entry): void {
  const { mode, linkCount } = statFd(fd);
  if ((mode & fs.constants.S_IFMT) !== kinds[entry.type] || linkCount !== 1) {
    throw systemFault("ESTALE", "it was replaced during the restore");
  }
}

function createNode(entry: Entry, folder: number, name: string): void {
  switch (entry.type) {
    case EntryType.symlink:
      // A NUL would silently cut the text short.
      if (!entry.linkTarget || entry.linkTarget.includes("\0")) {
        throw systemFault("EINVAL", "the text of the symbolic link is not valid");
      }
      symlinkAt(entry.linkTarget, folder, name);
      return;
    case EntryType.fifo:
      fifoAt(folder, name, ownerOnly);
      return;
    case EntryType.charDevice:
    case EntryType.blockDevice: {
      const kind = entry.type === EntryType.charDevice ? S_IFCHR : S_IFBLK;
      const [major, minor] = [entry.rdevMajor ?? 0, entry.rdevMinor ?? 0];
      deviceAt(folder, name, kind | ownerOnly, major, minor);
      return;
    }
    default:
      throw systemFault("EINVAL", `an entry of type ${entry.type} is no node`);
  }
}

/** Runs `prepare`, then renames; the temporary name is gone in any case. */
function renamed(place: NodePlace, prepare: () => void): void {
  const { folder, temporaryName, name } = place;
  try {
    prepare();
    renameAt(folder, temporaryName, folder, name);
  } catch (error) {
    unlinkAt(folder, temporaryName);
    throw error;
  }
}

/**
 * Gives the entry at `firstFolder`/`firstName` a second name. `isFirst` looks at what stands there
 * and says whether it is still what this restore made: it might have been swapped since.
 */
export function makeHardLink(
  firstFolder: number,
  firstName: string,
  place: NodePlace,
  isFirst: (inode: bigint) => boolean,
): void {
  const { folder, name, temporaryName } = place;
  linkAt(firstFolder, firstName, folder, temporaryName);
  const made = statAt(folder, temporaryName);
  if (made === undefined || !isFirst(made.inode)) {
    unlinkAt(folder, temporaryName);
    throw systemFault("ESTALE", "the first name of the file was replaced during the restore");
  }
  // rename does nothing at all when both names are already one file.
  const old = statAt(folder, name);
  if (old?.inode === made.inode && old.device === made.device) {
    unlinkAt(folder, temporaryName);
    return;
  }
  renamed(place, () => {});
}

/** Whether a node that stands there has the wanted attributes; it may have others, too. */
export function nodeHasXattrs(
  folder: number,
  name: string,
  wanted: readonly Xattr[] | undefined,
): boolean {
  if (wanted === undefined || wanted.length === 0) return true;
  const fd = openAt(folder, name, O_PATH | fs.constants.O_NOFOLLOW | O_CLOEXEC);
  try {
    return wanted.every((xattr) => {
      const found = getXattrPathFd(fd, xattr.name);
      return found !== undefined && bytesEqual(found, xattr.value);
    });
  } finally {
    closeFd(fd);
  }
}
