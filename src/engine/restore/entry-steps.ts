/** Placing entries that are no folders: what is done with each, short of writing content. */
import { type Entry, EntryType } from "../../base/entry.ts";
import { keyName, pathFromKey } from "../../base/raw-path.ts";
import { entryTypeOf } from "../../sources/entry-type.ts";
import { readLinkAt, type StatAt, statAt } from "../../sources/linux/write-calls.ts";
import {
  applyToFd,
  hasAttributes,
  hasXattrs,
  removeOtherXattrs,
  type TargetAttributes,
} from "../../sources/target/target-attributes.ts";
import { faultOf, systemFault, type TargetFault } from "../../sources/target/target-faults.ts";
import { isSafeName } from "../../sources/target/target-names.ts";
import { makeNode, nodeHasXattrs } from "../../sources/target/target-node.ts";
import { withTargetFd } from "../../sources/target/target-reading.ts";
import { removeIfEmpty, removeName, requireEmpty } from "../../sources/target/target-removal.ts";
import type { TargetFolder, TargetTree } from "../../sources/target/target-tree.ts";
import type { FolderFrame } from "./folder-frames.ts";
import { removalReport } from "./folder-steps.ts";
import { decideOverwrite } from "./overwrite-decision.ts";
import { finalAttributesOf, placeOf, type RestoreContext } from "./restore-context.ts";

/** What is left to do for an entry, the way being clear. */
export type Placement =
  | { readonly step: "done" }
  /** A file whose content is to be written. */
  | { readonly step: "file"; readonly name: string; readonly to: TargetAttributes }
  /** A further name of a file that has its first name already, or soon. */
  | { readonly step: "link"; readonly name: string };

const done: Placement = { step: "done" };

/** Decides about an entry, clears its place, and makes it unless it is a file or a further name. */
export function placeEntry(context: RestoreContext, parent: FolderFrame, entry: Entry): Placement {
  const { report } = context;
  const place = () => placeOf(context, entry.key);
  if (parent.state !== "open") {
    if (parent.state === "failed") report.counts.failed++;
    return done;
  }
  try {
    const name = keyName(entry.key);
    if (!isSafeName(name)) throw systemFault("EINVAL", "the name would lead out of its folder");
    parent.spare?.delete(name);
    const existing = look(context, parent, name);
    const decision = decideOverwrite(context.overwrite, entry, existing);
    if (decision === "keep") {
      report.action("keep", place);
      report.done(entry);
      return done;
    }
    const to = finalAttributesOf(context, entry);
    if (decision === "refresh" && existing !== undefined) {
      if (refresh(context, parent, entry, name, existing, to)) return done;
    }
    report.action(existing === undefined ? "create" : "replace", place);
    if (context.tree === undefined || parent.folder === undefined) return pretend(context, entry);
    clearWay(context, context.tree, parent.folder, name, existing);
    if (context.dryRun) return pretend(context, entry);
    return make(context, context.tree, parent.folder, entry, name, to);
  } catch (error) {
    report.failed(pathFromKey(entry.key), faultOf("create", error));
    return done;
  }
}

/** A folder that we made has nothing in the way. */
function look(context: RestoreContext, parent: FolderFrame, name: string): StatAt | undefined {
  const { tree } = context;
  if (!parent.existed || tree === undefined || parent.folder === undefined) return undefined;
  return statAt(tree.fd(parent.folder), name);
}

function pretend(context: RestoreContext, entry: Entry): Placement {
  const { links, report } = context;
  const isFurther = links.first(entry) !== undefined;
  if (!isFurther) links.put(entry, 1n);
  report.restored(entry, isFurther);
  return done;
}

function make(
  context: RestoreContext,
  tree: TargetTree,
  folder: TargetFolder,
  entry: Entry,
  name: string,
  to: TargetAttributes,
): Placement {
  const { links, names, report } = context;
  if (links.first(entry) !== undefined) return { step: "link", name };
  links.put(entry, 0n);
  if (entry.type === EntryType.file) return { step: "file", name, to };
  const fd = tree.fd(folder);
  const faults = makeNode(entry, { folder: fd, name, temporaryName: names.next() }, to);
  for (const fault of faults) report.problem(pathFromKey(entry.key), fault);
  if (entry.hardLink !== undefined) links.put(entry, statAt(fd, name)?.inode ?? 0n);
  report.restored(entry);
  return done;
}

/** A folder in the way of something else goes when it is empty, or with `delete`. */
function clearWay(
  context: RestoreContext,
  tree: TargetTree,
  folder: TargetFolder,
  name: string,
  existing: StatAt | undefined,
): void {
  if (existing === undefined || entryTypeOf(existing.mode) !== EntryType.folder) return;
  if (!context.delete) {
    if (context.dryRun) requireEmpty(tree, folder, name);
    else removeIfEmpty(tree, folder, name);
  } else if (!removeName(tree, folder, name, removalReport(context, tree))) {
    throw systemFault("ENOTEMPTY", "a folder stands in its place and cannot be removed");
  }
}

/** True when what stands there is, or was made, as wanted; its content is taken to be right. */
function refresh(
  context: RestoreContext,
  parent: FolderFrame,
  entry: Entry,
  name: string,
  existing: StatAt,
  to: TargetAttributes,
): boolean {
  const { links, tree, report } = context;
  if (tree === undefined || parent.folder === undefined) return false;
  const first = links.first(entry);
  if (first !== undefined && first.inode !== existing.inode) return false;
  const fd = tree.fd(parent.folder);
  const fits =
    entry.type === EntryType.file
      ? refreshFile(context, fd, entry, name, existing, to)
      : nodeFits(fd, entry, name, existing, to);
  if (!fits) return false;
  if (first === undefined) links.put(entry, existing.inode);
  report.action("unchanged", () => placeOf(context, entry.key));
  report.done(entry);
  return true;
}

function refreshFile(
  context: RestoreContext,
  folder: number,
  entry: Entry,
  name: string,
  existing: StatAt,
  to: TargetAttributes,
): boolean {
  return withTargetFd(folder, name, (fd) => {
    if (hasAttributes(existing, to, true) && hasXattrs(fd, to.xattrs)) return true;
    // Other names of the file, perhaps outside the target, must not be changed along with it.
    if (existing.linkCount > 1) return false;
    if (context.dryRun) return true;
    const faults: TargetFault[] = [];
    removeOtherXattrs(fd, to.xattrs, faults);
    applyToFd(fd, to, faults);
    for (const fault of faults) context.report.problem(pathFromKey(entry.key), fault);
    return true;
  });
}

function nodeFits(
  folder: number,
  entry: Entry,
  name: string,
  existing: StatAt,
  to: TargetAttributes,
): boolean {
  const isLink = entry.type === EntryType.symlink;
  if (!hasAttributes(existing, to, !isLink)) return false;
  if (!nodeHasXattrs(folder, name, to.xattrs)) return false;
  if (isLink) return readLinkAt(folder, name) === entry.linkTarget;
  return (
    existing.rdevMajor === (entry.rdevMajor ?? 0) && existing.rdevMinor === (entry.rdevMinor ?? 0)
  );
}
