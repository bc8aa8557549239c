/**
 * Whether an entry is still what the parent snapshot has, told from metadata alone.
 *
 * A file counts as unchanged when type, size, modification time, change time and inode are all
 * equal. The change time is what a program cannot set back; the inode tells a file that was
 * replaced by one of the same times. Both can be left out, for file systems that invent them anew
 * (some network and FUSE file systems).
 *
 * The racy case: a file that was written twice within one tick of the file system's clock, once
 * before and once after the parent read it, has equal times and other content. So a time that
 * is not older than the parent's start proves nothing, and the file is read again. (A file server
 * whose clock is behind ours by more than the margin escapes this; its change time still differs.)
 */
import type { EntryMeta } from "../base/entry.ts";

export interface ChangeDetectionOptions {
  readonly ignoreCtime?: boolean | undefined;
  readonly ignoreInode?: boolean | undefined;
}

/** Times come from a clock that ticks every 1 to 10 ms. */
const tickNs = 20_000_000n;
/** Whole seconds hint at a file system that keeps no fractions; FAT counts in twos. */
const coarseTickNs = 2_000_000_000n + tickNs;
const secondNs = 1_000_000_000n;

/** `parentStartedNs`: when the parent snapshot's run began, nanoseconds since 1970. */
export function isUnchanged(
  parent: EntryMeta,
  now: EntryMeta,
  parentStartedNs: bigint,
  options: ChangeDetectionOptions = {},
): boolean {
  const { ignoreCtime = false, ignoreInode = false } = options;
  if (parent.type !== now.type || parent.size !== now.size) return false;
  if (parent.mtimeNs !== now.mtimeNs) return false;
  if (!ignoreCtime && parent.ctimeNs !== now.ctimeNs) return false;
  if (!ignoreInode && parent.inode !== now.inode) return false;
  return isSettled(ignoreCtime ? parent.mtimeNs : parent.ctimeNs, parentStartedNs);
}

/** Whether a change after `startedNs` would have given another time than this one. */
function isSettled(timeNs: bigint, startedNs: bigint): boolean {
  const marginNs = timeNs % secondNs === 0n ? coarseTickNs : tickNs;
  return timeNs < startedNs - marginNs;
}
