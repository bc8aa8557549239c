/** Entering and leaving the folders of a restore. */
import type { Entry } from "../../base/entry.ts";
import { type CatalogKey, keyName, keyParent, pathFromKey } from "../../base/raw-path.ts";
import type { SystemError } from "../../sources/linux/libc.ts";
import {
  makeFolderAt,
  type StatAt,
  statAt,
  statFd,
  unlinkAt,
} from "../../sources/linux/write-calls.ts";
import {
  applyToFd,
  givesAcls,
  hasAttributes,
  hasXattrs,
  removeInheritedAcls,
  removeOtherXattrs,
  type TargetAttributes,
} from "../../sources/target/target-attributes.ts";
import { faultOf, systemFault, type TargetFault } from "../../sources/target/target-faults.ts";
import { isAbandoned, isSafeName } from "../../sources/target/target-names.ts";
import { type RemovalReport, removeName } from "../../sources/target/target-removal.ts";
import {
  makeWritable,
  namesIn,
  type TargetFolder,
  type TargetTree,
} from "../../sources/target/target-tree.ts";
import type { FolderFrame } from "./folder-frames.ts";
import { decideOverwrite } from "./overwrite-decision.ts";
import {
  attributesOf,
  finalAttributesOf,
  placeOf,
  type RestoreContext,
} from "./restore-context.ts";

const ownerOnly = 0o700;

export function removalReport(context: RestoreContext, tree: TargetTree): RemovalReport {
  const { report } = context;
  return {
    pretend: context.dryRun,
    removed: (folder, name) => report.action("delete", () => tree.pathOf(folder, name)),
    failed: (folder, name, fault) => report.problem(tree.pathOf(folder, name), fault),
  };
}

/** Whether the folder, or one above it, is what was snapshotted: all that was in it is held. */
function isHeldWhole({ wholeKeys }: RestoreContext, key: CatalogKey): boolean {
  for (let at = key; ; at = keyParent(at)) {
    if (wholeKeys.has(at)) return true;
    if (at === "") return false;
  }
}

/** The target itself. */
export function rootFrame(context: RestoreContext): FolderFrame {
  const folder = context.tree?.root;
  const key = "" as CatalogKey;
  const whole = context.strip === 0 && isHeldWhole(context, key);
  const base = { key, entry: undefined, state: "open", folder, apply: false } as const;
  if (folder === undefined) {
    const none = { existed: false, isStripped: true, givesAcls: false, spare: undefined };
    return { ...base, ...none, ...isNew };
  }
  return {
    ...base,
    ...isNew,
    ...seeExisting(context, folder, whole),
    existed: true,
    isStripped: true,
  };
}

/** A folder entry whose own name is stripped: what is in it goes to the target itself. */
export function strippedFrame(
  context: RestoreContext,
  entry: Entry,
  root: FolderFrame,
  depth: number,
  isSelected: boolean,
): FolderFrame {
  const { key } = entry;
  const whole = isSelected && isHeldWhole(context, key);
  const frame = { ...root, key, entry, apply: false, spare: undefined };
  if (depth < context.strip || root.folder === undefined) return frame;
  return { ...frame, ...seeExisting(context, root.folder, whole) };
}

/** Goes into a folder, made when it is absent. Never throws for what a target can do to us. */
export function enterFolder(
  context: RestoreContext,
  parent: FolderFrame,
  entry: Entry,
  isSelected: boolean,
): FolderFrame {
  const { key } = entry;
  const whole = isSelected && isHeldWhole(context, key);
  const closed = { key, entry, folder: undefined, existed: false, apply: false };
  const none = { ...closed, isStripped: false, givesAcls: false, spare: undefined, ...isNew };
  if (parent.state !== "open") {
    if (parent.state === "failed") context.report.counts.failed++;
    return { ...none, state: parent.state };
  }
  try {
    const name = keyName(key);
    if (!isSafeName(name)) throw systemFault("EINVAL", "the name would lead out of its folder");
    parent.spare?.delete(name);
    if (context.dryRun) {
      return lookInto(context, parent, entry, name, isSelected, whole, {
        ...none,
        state: "open",
      });
    }
    return openOrMake(context, parent, entry, name, isSelected, whole);
  } catch (error) {
    if (error === keepIt) {
      context.report.action("keep", () => placeOf(context, key));
      return { ...none, state: "kept" };
    }
    context.report.failed(pathFromKey(key), faultOf("create", error));
    return { ...none, state: "failed" };
  }
}

/** Thrown where the policy wants what stands in a folder's place to stay. */
const keepIt = new Error("kept");

function openOrMake(
  context: RestoreContext,
  parent: FolderFrame,
  entry: Entry,
  name: string,
  isSelected: boolean,
  whole: boolean,
): FolderFrame {
  const tree = context.tree as TargetTree;
  const parentFolder = parent.folder as TargetFolder;
  const base = { key: entry.key, entry, state: "open", isStripped: false } as const;
  const found = makeOrFind(context, tree, parentFolder, entry, name);
  const folder = tree.child(parentFolder, name);
  if (found !== "folder") {
    if (parent.givesAcls) removeInheritedAcls(tree.fd(folder));
    const made = { existed: false, apply: true, givesAcls: false, spare: undefined };
    return { ...base, ...made, ...isNew, folder, tookPlace: found === "other" };
  }
  // Before anything is done in it, which changes its times.
  const plan = planFor(context, tree, folder, entry, isSelected);
  if (context.widenModes) makeWritable(folder);
  return { ...base, ...plan, folder, ...seeExisting(context, folder, whole), existed: true };
}

const isNew = { fits: false, tookPlace: false } as const;

/** What is to become of a folder that stood there before, whose times are still its own. */
function planFor(
  context: RestoreContext,
  tree: TargetTree,
  folder: TargetFolder,
  entry: Entry,
  isSelected: boolean,
): Pick<FolderFrame, "apply" | "fits" | "tookPlace"> {
  const { overwrite } = context;
  const apply = isSelected && (overwrite === "always" || overwrite === "if-changed");
  const fd = tree.fd(folder);
  const fits = apply && !folder.passOnly && fitsAlready(fd, attributesOf(context, entry));
  return { apply, fits, tookPlace: false };
}

function fitsAlready(fd: number, to: TargetAttributes): boolean {
  return hasAttributes(statFd(fd), to, true) && hasXattrs(fd, to.xattrs);
}

/** Makes the folder, or tells what is there; something else that may go makes way for it. */
function makeOrFind(
  context: RestoreContext,
  tree: TargetTree,
  parent: TargetFolder,
  entry: Entry,
  name: string,
): "nothing" | "other" | "folder" {
  for (let tries = 0; ; tries++) {
    try {
      makeFolderAt(tree.fd(parent), name, ownerOnly);
      return tries === 0 ? "nothing" : "other";
    } catch (error) {
      if ((error as SystemError).code !== "EEXIST") throw error;
    }
    const existing = statAt(tree.fd(parent), name);
    if (existing === undefined) continue;
    if (isFolderStat(existing)) return "folder";
    if (tries > 2) throw systemFault("EEXIST", "something else keeps coming back in its place");
    if (decideOverwrite(context.overwrite, entry, existing) === "keep") throw keepIt;
    unlinkAt(tree.fd(parent), name);
  }
}

function isFolderStat(stat: StatAt): boolean {
  return (stat.mode & 0o170000) === 0o040000;
}

/** In a dry run: what is there already, without touching it. */
function lookInto(
  context: RestoreContext,
  parent: FolderFrame,
  entry: Entry,
  name: string,
  isSelected: boolean,
  whole: boolean,
  none: FolderFrame,
): FolderFrame {
  const { tree } = context;
  if (tree === undefined || parent.folder === undefined) return none;
  const existing = statAt(tree.fd(parent.folder), name);
  if (existing === undefined) return none;
  if (!isFolderStat(existing)) {
    if (decideOverwrite(context.overwrite, entry, existing) === "keep") throw keepIt;
    return { ...none, tookPlace: true };
  }
  const folder = tree.child(parent.folder, name);
  const plan = planFor(context, tree, folder, entry, isSelected);
  return { ...none, ...plan, folder, ...seeExisting(context, folder, whole), existed: true };
}

/** What must be known of a folder that stood there before. */
function seeExisting(
  context: RestoreContext,
  folder: TargetFolder,
  whole: boolean,
): Pick<FolderFrame, "givesAcls" | "spare"> {
  const tree = context.tree as TargetTree;
  const fd = tree.fd(folder);
  if (folder.passOnly) return { givesAcls: false, spare: undefined };
  const spare = context.delete && whole ? new Set<string>() : undefined;
  for (const name of namesIn(fd)) {
    if (isAbandoned(name, context.isProcessGone)) removeAbandoned(context, fd, name);
    else if (!context.names.owns(name)) spare?.add(name);
  }
  return { givesAcls: givesAcls(fd), spare };
}

function removeAbandoned(context: RestoreContext, fd: number, name: string): void {
  if (context.dryRun) return;
  try {
    unlinkAt(fd, name);
  } catch {
    // Not ours to remove; it is in nobody's way.
  }
}

/** Leaves a folder whose content is complete. */
export function leaveFolder(context: RestoreContext, frame: FolderFrame): void {
  const { entry, folder } = frame;
  const { tree, report } = context;
  if (frame.state !== "open") return;
  if (tree !== undefined && folder !== undefined) removeSpare(context, tree, folder, frame);
  if (entry === undefined || frame.isStripped) return;
  if (tree === undefined || folder === undefined) {
    // Of a dry run, in a target that has no such folder.
    tellFolder(context, frame, entry);
    return;
  }
  try {
    finishFolder(context, tree, folder, frame, entry);
  } catch (error) {
    report.problem(pathFromKey(entry.key), faultOf("attributes", error));
  }
  tree.release(folder);
}

function removeSpare(
  context: RestoreContext,
  tree: TargetTree,
  folder: TargetFolder,
  frame: FolderFrame,
): void {
  const removal = removalReport(context, tree);
  for (const name of frame.spare ?? []) {
    removeName(tree, folder, name, removal);
  }
  frame.spare = undefined;
}

function finishFolder(
  context: RestoreContext,
  tree: TargetTree,
  folder: TargetFolder,
  frame: FolderFrame,
  entry: Entry,
): void {
  const { report } = context;
  const fd = tree.fd(folder);
  if (!frame.apply) {
    if (!context.dryRun) tree.leave(folder);
    report.done(entry);
    return;
  }
  if (folder.passOnly) throw systemFault("EACCES", "the folder is not ours");
  const to = finalAttributesOf(context, entry);
  if (!context.dryRun && !(frame.existed && fitsAlready(fd, to))) {
    const faults: TargetFault[] = [];
    if (frame.existed) removeOtherXattrs(fd, to.xattrs, faults);
    applyToFd(fd, to, faults);
    for (const fault of faults) report.problem(pathFromKey(entry.key), fault);
  }
  tellFolder(context, frame, entry);
}

/** What was done to it, what was done in it aside. */
function tellFolder(context: RestoreContext, frame: FolderFrame, entry: Entry): void {
  const { report } = context;
  const place = () => placeOf(context, entry.key);
  if (frame.fits) {
    report.action("unchanged", place);
    report.done(entry);
    return;
  }
  report.action(frame.existed || frame.tookPlace ? "replace" : "create", place);
  report.restored(entry);
}
