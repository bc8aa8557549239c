/**
 * Removing what stands in a restore target: one name, or a whole folder with all it holds.
 *
 * Folders are gone through by descriptors that follow no symbolic link. What is mounted below the
 * target is never touched: a folder that is a mount point, or on another file system, stays.
 */
import fs from "node:fs";
import type { SystemError } from "../linux/libc.ts";
import { removeFolderAt, type StatAt, statAt, unlinkAt } from "../linux/write-calls.ts";
import { faultOf, systemFault, type TargetFault } from "./target-faults.ts";
import { makeWritable, namesIn, type TargetFolder, type TargetTree } from "./target-tree.ts";

export interface RemovalReport {
  /** Nothing is touched; what would be removed is told. */
  readonly pretend: boolean;
  removed(folder: TargetFolder, name: string): void;
  failed(folder: TargetFolder, name: string, fault: TargetFault): void;
}

function isFolder(stat: StatAt): boolean {
  return (stat.mode & fs.constants.S_IFMT) === fs.constants.S_IFDIR;
}

/** Removes `name` whatever it is. Faults are reported; true when it is gone. */
export function removeName(
  tree: TargetTree,
  folder: TargetFolder,
  name: string,
  report: RemovalReport,
): boolean {
  try {
    const stat = statAt(tree.fd(folder), name);
    if (stat === undefined) return true;
    if (isFolder(stat)) {
      if (!removeFolder(tree, folder, name, stat, report)) return false;
    } else if (!report.pretend) unlinkAt(tree.fd(folder), name);
    report.removed(folder, name);
    return true;
  } catch (error) {
    report.failed(folder, name, faultOf("delete", error));
    return false;
  }
}

interface Level {
  readonly folder: TargetFolder;
  /** Names not yet looked at; as many as the folder has. */
  readonly names: string[];
  whole: boolean;
}

/** Depth first with a list of its own: folders may be nested deeper than the call stack. */
function removeFolder(
  tree: TargetTree,
  parent: TargetFolder,
  name: string,
  stat: StatAt,
  report: RemovalReport,
): boolean {
  refuseMount(stat, deviceOf(parent));
  const top = openLevel(tree, parent, name, report);
  const levels = [top];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.names.pop();
    if (next !== undefined) {
      const below = removeOrEnter(tree, level, next, report);
      if (below !== undefined) levels.push(below);
      continue;
    }
    levels.pop();
    tree.release(level.folder);
    const above = levels.at(-1);
    if (!level.whole) {
      if (above !== undefined) above.whole = false;
    } else if (above !== undefined) removeEmptied(tree, above, level.folder.name, report);
  }
  if (!top.whole) return false;
  if (!report.pretend) removeFolderAt(tree.fd(parent), name);
  return true;
}

function deviceOf(folder: TargetFolder): string {
  return folder.identity.split("/")[0] ?? "";
}

function refuseMount(stat: StatAt, device: string): void {
  if (stat.isMountPoint || stat.device !== device) {
    throw systemFault("EBUSY", "another file system is mounted here");
  }
}

function openLevel(
  tree: TargetTree,
  parent: TargetFolder,
  name: string,
  { pretend }: RemovalReport,
): Level {
  const folder = tree.child(parent, name);
  const fd = tree.fd(folder);
  if (!pretend) makeWritable(folder);
  return { folder, names: [...namesIn(fd)], whole: true };
}

function removeOrEnter(
  tree: TargetTree,
  level: Level,
  name: string,
  report: RemovalReport,
): Level | undefined {
  try {
    const stat = statAt(tree.fd(level.folder), name);
    if (stat === undefined) return undefined;
    if (isFolder(stat)) {
      refuseMount(stat, deviceOf(level.folder));
      return openLevel(tree, level.folder, name, report);
    }
    if (!report.pretend) unlinkAt(tree.fd(level.folder), name);
    report.removed(level.folder, name);
  } catch (error) {
    level.whole = false;
    report.failed(level.folder, name, faultOf("delete", error));
  }
  return undefined;
}

function removeEmptied(tree: TargetTree, level: Level, name: string, report: RemovalReport): void {
  try {
    if (!report.pretend) removeFolderAt(tree.fd(level.folder), name);
    report.removed(level.folder, name);
  } catch (error) {
    level.whole = false;
    report.failed(level.folder, name, faultOf("delete", error));
  }
}

/** What `removeIfEmpty` would throw, as long as it may be done. */
export function requireEmpty(tree: TargetTree, folder: TargetFolder, name: string): void {
  const inside = tree.child(folder, name);
  const isEmpty = [...namesIn(tree.fd(inside))].length === 0;
  tree.release(inside);
  if (!isEmpty) throw systemFault("ENOTEMPTY", "rmdir");
}

/** Removes an empty folder that is in the way; throws ENOTEMPTY when it is not empty. */
export function removeIfEmpty(tree: TargetTree, folder: TargetFolder, name: string): void {
  try {
    removeFolderAt(tree.fd(folder), name);
  } catch (error) {
    if ((error as SystemError).code === "EEXIST") throw systemFault("ENOTEMPTY", "rmdir");
    throw error;
  }
}
