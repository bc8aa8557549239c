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
import type { EntryMeta, Stamp } from "../base/entry.ts";

export interface ChangeDetectionOptions {
  readonly ignoreCtime?: boolean | undefined;
  readonly ignoreInode?: boolean | undefined;
}

/** What is looked at of an entry. */
export type Stamped = Pick<EntryMeta, "type" | "size"> & Stamp;

/** Where the words of a stamp begin in it. */
const mtimeAt = 0;
const ctimeAt = 8;
const inodeAt = 16;
/** Times come from a clock that ticks every 1 to 10 ms. */
const tickNs = 20_000_000n;
/** Whole seconds hint at a file system that keeps no fractions; FAT counts in twos. */
const coarseTickNs = 2_000_000_000n + tickNs;
const secondNs = 1_000_000_000n;
/** More than the largest tick, and than what is lost where a time is made a double. */
const longAgoNs = 3_000_000_000;

/** `parentStartedNs`: when the parent snapshot's run began, nanoseconds since 1970. */
export function isUnchanged(
  parent: Stamped,
  now: Stamped,
  parentStartedNs: bigint,
  options: ChangeDetectionOptions = {},
): boolean {
  const { ignoreCtime = false, ignoreInode = false } = options;
  if (parent.type !== now.type || parent.size !== now.size) return false;
  if (!isSameWord(parent, now, mtimeAt)) return false;
  if (!ignoreCtime && !isSameWord(parent, now, ctimeAt)) return false;
  if (!ignoreInode && !isSameWord(parent, now, inodeAt)) return false;
  return isSettled(parent, ignoreCtime ? mtimeAt : ctimeAt, parentStartedNs);
}

/** Whether change time and inode are equal. */
export function isSameChange(a: Stamp, b: Stamp): boolean {
  return isSameWord(a, b, ctimeAt) && isSameWord(a, b, inodeAt);
}

function isSameWord(a: Stamp, b: Stamp, at: number): boolean {
  const aAt = a.stampAt + at;
  const bAt = b.stampAt + at;
  return (
    a.stampView.getInt32(aAt, true) === b.stampView.getInt32(bAt, true) &&
    a.stampView.getInt32(aAt + 4, true) === b.stampView.getInt32(bAt + 4, true)
  );
}

/** Whether a change after `startedNs` would have given another time than this one. */
function isSettled({ stampView, stampAt }: Stamp, at: number, startedNs: bigint): boolean {
  const upperNs = stampView.getInt32(stampAt + at + 4, true) * 2 ** 32;
  if (upperNs + 2 ** 32 < Number(startedNs) - longAgoNs) return true;
  const timeNs = stampView.getBigInt64(stampAt + at, true);
  const marginNs = timeNs % secondNs === 0n ? coarseTickNs : tickNs;
  return timeNs < startedNs - marginNs;
}
