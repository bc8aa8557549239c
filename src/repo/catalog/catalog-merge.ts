/**
 * Joins a walk in key order with the parent snapshot's catalog. Nearly all steps are synchronous:
 *
 *     if (!cursor.isLoadedFor(key)) await cursor.load(key);
 *     const before = cursor.match(key);
 *
 * Only where a leaf ends must the walk wait; stretches of the parent that the walk never enters
 * are not read. Keys must ascend from call to call.
 */
import type { StoredEntry } from "../../base/entry.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import { LeafCursor, type LeafCursorOptions } from "./leaf-cursor.ts";
import type { Leaf, NodeReader } from "./node-reader.ts";

/** An entry and where it stands in the parent's catalog. */
export interface ParentEntryRef {
  readonly leaf: Leaf;
  readonly index: number;
  readonly entry: StoredEntry;
}

export class ParentCursor {
  readonly #cursor: LeafCursor;
  #leaf: Leaf | undefined;
  #index = 0;
  #lastKey: CatalogKey | undefined;
  #isAtEnd = false;

  /** With `onDamage`, parts of the parent that cannot be read are as if they had no entries. */
  constructor(reader: NodeReader, options: LeafCursorOptions = {}) {
    this.#cursor = new LeafCursor(reader, options);
  }

  /** Whether `match` can answer for this key. */
  isLoadedFor(key: CatalogKey): boolean {
    return this.#isAtEnd || (this.#lastKey !== undefined && key <= this.#lastKey);
  }

  async load(key: CatalogKey): Promise<void> {
    if (this.isLoadedFor(key)) return;
    this.#leaf = await this.#cursor.seek(key);
    this.#index = 0;
    this.#lastKey = this.#leaf?.entries.at(-1)?.key;
    this.#isAtEnd = this.#leaf === undefined;
  }

  /** The parent's entry with this key; entries before it are passed over. */
  match(key: CatalogKey): ParentEntryRef | undefined {
    const leaf = this.#leaf;
    if (leaf === undefined) return undefined;
    const { entries } = leaf;
    for (; this.#index < entries.length; this.#index++) {
      const entry = entries[this.#index] as StoredEntry;
      if (entry.key < key) continue;
      return entry.key === key ? { leaf, index: this.#index++, entry } : undefined;
    }
    return undefined;
  }
}
