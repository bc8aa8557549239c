/**
 * Finds the first name of a file that has several, so that it is read once. Bounded: when many
 * thousand such files have been met, the oldest are forgotten, and a further name of one of them is
 * read again, which costs time and no space.
 */
import type { SourceEntry } from "../../sources/tree-walker.ts";
import type { QueueItem } from "./entry-queue.ts";

const groupsMax = 50_000;

interface First {
  readonly item: QueueItem;
  readonly size: number;
  readonly mtimeNs: bigint;
}

export class HardLinks {
  #firsts = new Map<string, First>();

  /**
   * The item of the first name, if it still stands for the same content; otherwise undefined, and
   * `item` is the first from now on.
   */
  first(source: SourceEntry, item: QueueItem): QueueItem | undefined {
    const group = `${source.deviceOrdinal}:${source.inode}`;
    const first = this.#firsts.get(group);
    const { size, mtimeNs } = source;
    if (first !== undefined && first.size === size && first.mtimeNs === mtimeNs) return first.item;
    if (this.#firsts.size >= groupsMax) this.#firsts.clear();
    this.#firsts.set(group, { item, size, mtimeNs });
    return undefined;
  }
}
