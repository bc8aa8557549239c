/**
 * Owner, extended attributes, mode and times of what is restored.
 *
 * The order matters: a change of owner drops setuid, setgid and capabilities, so it comes first;
 * `user.*` attributes need write permission, which the final mode may take away, so they come
 * before it; the times come last. A step that fails is told and the others are still done; when
 * the owner could not be given, setuid and setgid are not set.
 */
import fs from "node:fs";
import { bytesEqual } from "../../base/bytes.ts";
import type { Xattr } from "../../base/entry.ts";
import {
  chmodFd,
  chownFd,
  chownPathFd,
  getXattrFd,
  listXattrFd,
  procPath,
  removeXattrFd,
  type StatAt,
  setTimesFd,
  setTimesPathFd,
  setXattrFd,
  setXattrPathFd,
  unchangedId,
} from "../linux/write-calls.ts";
import { faultOf, type TargetFault } from "./target-faults.ts";

const setIds = 0o6000;

export interface TargetAttributes {
  /** Permission bits. */
  readonly mode: number;
  /** `unchangedId` where it is not ours to give. */
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly xattrs?: readonly Xattr[] | undefined;
}

/** What something has without our doing. */
export type GivenAttributes = Pick<TargetAttributes, "mode" | "uid" | "gid">;

type Step = (operation: string, act: () => void) => boolean;

/** Runs steps, turning failures into `faults`. */
function stepsInto(faults: TargetFault[]): Step {
  return (operation, act) => {
    try {
      act();
      return true;
    } catch (error) {
      faults.push(faultOf(operation, error));
      return false;
    }
  };
}

/**
 * Sets all attributes of an open file or folder, less those that it `has`; faults are added to
 * `faults`.
 */
export function applyToFd(
  fd: number,
  to: TargetAttributes,
  faults: TargetFault[],
  has?: GivenAttributes,
): void {
  const step = stepsInto(faults);
  let { mode } = to;
  if (has === undefined || !isOwnedAsWanted(has, to)) {
    if (to.uid !== unchangedId || to.gid !== unchangedId) {
      if (!step("owner", () => chownFd(fd, to.uid, to.gid))) mode &= ~setIds;
    }
  }
  for (const { name, value } of to.xattrs ?? []) {
    step(`xattr ${name}`, () => setXattrFd(fd, name, value));
  }
  if (has?.mode !== mode) step("mode", () => chmodFd(fd, mode));
  step("times", () => setTimesFd(fd, to.mtimeNs));
}

function isOwnedAsWanted(has: GivenAttributes, to: TargetAttributes): boolean {
  const { uid, gid } = to;
  return (uid === unchangedId || uid === has.uid) && (gid === unchangedId || gid === has.gid);
}

/**
 * Sets all attributes of a symbolic link, FIFO or device, none of which can be opened. `fd` is an
 * O_PATH descriptor of the very inode: unlike its name, it cannot be swapped for another file.
 */
export function applyToPathFd(
  fd: number,
  isLink: boolean,
  to: TargetAttributes,
  faults: TargetFault[],
): void {
  const step = stepsInto(faults);
  let { mode } = to;
  if (to.uid !== unchangedId || to.gid !== unchangedId) {
    if (!step("owner", () => chownPathFd(fd, to.uid, to.gid))) mode &= ~setIds;
  }
  for (const { name, value } of to.xattrs ?? []) {
    step(`xattr ${name}`, () => setXattrPathFd(fd, name, value));
  }
  // The mode of a symbolic link means nothing and cannot be set.
  if (!isLink) step("mode", () => fs.chmodSync(procPath(fd), mode));
  step("times", () => setTimesPathFd(fd, to.mtimeNs));
}

/** Attributes that belong to a file's content and owner; a label like security.selinux does not. */
export function isRestoredXattr(name: string): boolean {
  return (
    name.startsWith("user.") ||
    name.startsWith("trusted.") ||
    name.startsWith("system.posix_acl_") ||
    name === "security.capability"
  );
}

/** Removes the attributes of something that stood there before and that `wanted` lacks. */
export function removeOtherXattrs(
  fd: number,
  wanted: readonly Xattr[] | undefined,
  faults: TargetFault[],
): void {
  const step = stepsInto(faults);
  step("xattr list", () => {
    const names = new Set(listXattrFd(fd).filter(isRestoredXattr));
    for (const { name } of wanted ?? []) names.delete(name);
    for (const name of names) step(`xattr ${name}`, () => removeXattrFd(fd, name));
  });
}

/** Removes ACLs that a new file or folder took over from its parent's default ACL. */
export function removeInheritedAcls(fd: number): void {
  removeXattrFd(fd, "system.posix_acl_access");
  removeXattrFd(fd, "system.posix_acl_default");
}

/** Whether new things in this folder take over an ACL from it. */
export function givesAcls(fd: number): boolean {
  return getXattrFd(fd, "system.posix_acl_default") !== undefined;
}

/** Whether owner, mode and time are already as wanted. */
export function hasAttributes(stat: StatAt, to: TargetAttributes, withMode: boolean): boolean {
  return (
    stat.mtimeNs === to.mtimeNs &&
    isOwnedAsWanted(stat, to) &&
    (!withMode || (stat.mode & 0o7777) === to.mode)
  );
}

/** Whether an open file or folder has exactly the wanted extended attributes. */
export function hasXattrs(fd: number, wanted: readonly Xattr[] | undefined): boolean {
  const names = new Set(listXattrFd(fd).filter(isRestoredXattr));
  for (const { name, value } of wanted ?? []) {
    const found = getXattrFd(fd, name);
    if (found === undefined || !bytesEqual(found, value)) return false;
    names.delete(name);
  }
  return names.size === 0;
}
