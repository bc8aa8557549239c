/**
 * Puts entries into the catalog in the order of the walk, although the content of some is known
 * later than that of others. An item is pushed when the walk meets it and settled when its entry
 * is known; settled items leave at the front.
 */
import type { Entry } from "../../base/entry.ts";
import { hasCode, type VarveError } from "../../base/errors.ts";
import { type CatalogKey, isWithin } from "../../base/raw-path.ts";
import type { CatalogBuilder } from "../../repo/catalog/catalog-builder.ts";
import type { ParentEntryRef } from "../../repo/catalog/catalog-merge.ts";

export interface QueueItem {
  settled: boolean;
  /** Absent on a settled item: nothing goes into the catalog. */
  entry?: Entry;
  unchanged?: ParentEntryRef;
  /** Other names of the same file, which wait for its content. */
  followers?: ((entry: Entry | undefined) => void)[] | undefined;
}

/** Told of an entry that the format cannot hold (a time beyond the year 2262, for instance). */
export type OnRejected = (entry: Entry, error: VarveError) => void;

export class EntryQueue {
  readonly #builder: CatalogBuilder;
  readonly #onRejected: OnRejected;
  #items: QueueItem[] = [];
  #head = 0;
  /** The last entry that was rejected: what lies below it cannot be kept either. */
  #rejected: CatalogKey | undefined;

  constructor(builder: CatalogBuilder, onRejected: OnRejected) {
    this.#builder = builder;
    this.#onRejected = onRejected;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  pushUnchanged(ref: ParentEntryRef): void {
    if (this.length === 0) this.#addUnchanged(ref);
    else this.#items.push({ settled: true, unchanged: ref });
  }

  pushEntry(entry: Entry): void {
    if (this.length === 0) this.#add(entry);
    else this.#items.push({ settled: true, entry });
  }

  #addUnchanged(ref: ParentEntryRef): void {
    if (!this.#isBelowRejected(ref.entry)) this.#builder.addUnchanged(ref);
  }

  #add(entry: Entry): void {
    if (this.#isBelowRejected(entry)) return;
    try {
      this.#builder.add(entry);
    } catch (error) {
      if (!hasCode(error, "limit-exceeded")) throw error;
      this.#rejected = entry.key;
      this.#onRejected(entry, error);
    }
  }

  #isBelowRejected({ key }: Entry): boolean {
    return this.#rejected !== undefined && isWithin(key, this.#rejected);
  }

  /** An item whose entry comes later. */
  pushPending(): QueueItem {
    const item: QueueItem = { settled: false };
    this.#items.push(item);
    return item;
  }

  /** Settles an item; without an entry it is left out of the catalog. */
  settle(item: QueueItem, entry: Entry | undefined): void {
    item.settled = true;
    if (entry !== undefined) item.entry = entry;
    if (item.followers !== undefined) {
      for (const follow of item.followers) follow(entry);
      item.followers = undefined;
    }
    this.#drain();
  }

  #drain(): void {
    for (;;) {
      const item = this.#items[this.#head];
      if (item === undefined || !item.settled) break;
      this.#head++;
      if (item.unchanged !== undefined) this.#addUnchanged(item.unchanged);
      else if (item.entry !== undefined) this.#add(item.entry);
    }
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}
