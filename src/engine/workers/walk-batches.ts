/**
 * Runs a walk and packs what it yields into batches of records. Asks for everything of an entry
 * that is no file while the walk stands at it; main may not want it, but cannot ask later.
 */
import { EntryType } from "../../base/entry.ts";
import type { SystemError } from "../../sources/linux/libc.ts";
import type { TreeWalker, WalkItem, WalkProblem } from "../../sources/tree-walker.ts";
import {
  type EntryDetail,
  noDetail,
  recordBytes,
  WalkRecordWriter,
} from "../../sources/walk-records.ts";
import { walkSlotBytes } from "./walk-protocol.ts";

/** Worth sending when nobody has anything else to do. */
const hungryBytes = walkSlotBytes / 8;

export interface BatchTaker {
  /** Offset of a slot that is free; waits for it. Undefined when the walk is to stop. */
  slot(): number | undefined;
  /** Whether whoever takes the batches has done all that were given. */
  isHungry(): boolean;
  isStopped(): boolean;
  /** The slot that `slot` gave last holds so many bytes, or `own` has them. */
  give(length: number, own?: ArrayBuffer): void;
}

/** Returns when the walk is over or is to stop; the walker's folders are closed then. */
export function walkInBatches(walker: TreeWalker, slots: ArrayBufferLike, taker: BatchTaker): void {
  const writer = new WalkRecordWriter(slots);
  let isOpen = false;
  const open = () => {
    const offset = taker.slot();
    if (offset === undefined) return false;
    writer.begin(offset, walkSlotBytes);
    isOpen = true;
    return true;
  };
  const close = () => {
    if (isOpen && writer.length > 0) {
      taker.give(writer.length);
      isOpen = false;
    }
  };
  for (const item of walker.walk()) {
    if (taker.isStopped()) return;
    const detail = detailOf(walker, item);
    if (!isOpen && !open()) return;
    if (!writer.add(item, detail)) {
      close();
      if (!isOpen && !open()) return;
      if (!writer.add(item, detail)) {
        giveAlone(item, detail, taker);
        isOpen = false;
      }
    }
    if (isOpen && writer.length >= hungryBytes && taker.isHungry()) close();
  }
  close();
}

/** A record that no slot can hold takes the place of one. */
function giveAlone(item: WalkItem, detail: EntryDetail, taker: BatchTaker): void {
  const memory = new ArrayBuffer(recordBytes(item, detail));
  const writer = new WalkRecordWriter(memory);
  writer.begin(0, memory.byteLength);
  writer.add(item, detail);
  taker.give(writer.length, memory);
}

function detailOf(walker: TreeWalker, item: WalkItem): EntryDetail {
  if ("problem" in item || item.type === EntryType.file) return noDetail;
  const problems: WalkProblem[] = [];
  const xattrs = walker.xattrs((problem) => problems.push(problem));
  if (item.type === EntryType.symlink) return linkDetail(walker, { xattrs, problems });
  return xattrs.length === 0 && problems.length === 0 ? noDetail : { xattrs, problems };
}

function linkDetail(walker: TreeWalker, detail: EntryDetail): EntryDetail {
  try {
    return { ...detail, linkTarget: walker.readLink() };
  } catch (error) {
    const { code, message } = error as SystemError;
    return { ...detail, failure: { code, message } };
  }
}
