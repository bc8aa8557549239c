/**
 * Reads one snapshot's catalog: in order, by key, by folder, or node by node. Whole leaves go from
 * hand to hand, because a promise for each entry would cost more than reading it.
 */
import type { Entry } from "../../base/entry.ts";
import type { BlobId } from "../../base/ids.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import { ParentCursor } from "./catalog-merge.ts";
import { FolderTrail } from "./folder-trail.ts";
import { LeafCursor, lowerBound } from "./leaf-cursor.ts";
import {
  damagedNode,
  keyEnd,
  type Leaf,
  type NodeDamage,
  NodeReader,
  type NodeSource,
  type OnDamage,
} from "./node-reader.ts";
import { type NodeVisitor, walkNodes } from "./node-walk.ts";

export interface LeavesOptions {
  /** A folder, or any entry: it and all below it. Default: everything. */
  readonly prefix?: CatalogKey;
  /** The first key wanted; default: the first there is. */
  readonly from?: CatalogKey;
  /** Told of unreadable parts, which are left out; without it they throw. */
  readonly onDamage?: OnDamage;
}

export class CatalogReader {
  readonly root: BlobId;
  readonly nodes: NodeReader;

  constructor(source: NodeSource, root: BlobId) {
    this.root = root;
    this.nodes = new NodeReader(source, root);
  }

  /** Entries and bytes of the whole catalog; one read. */
  async totals(): Promise<{ entries: number; bytes: number }> {
    const { children } = await this.nodes.top();
    const sum = { entries: 0, bytes: 0 };
    for (const child of children) {
      sum.entries += child.entries;
      sum.bytes += child.bytes;
    }
    return sum;
  }

  /**
   * The leaves of a range in key order; the first and the last hold only the entries inside it.
   * Throws `object-damaged` where an entry's parent is not a folder of the catalog.
   */
  async *leaves(options: LeavesOptions = {}): AsyncGenerator<Leaf> {
    const { prefix = "" as CatalogKey, from = "" as CatalogKey, onDamage } = options;
    const start = later(from, prefix);
    const end = endOfSubtree(prefix);
    const lost: NodeDamage[] = [];
    const note: OnDamage = (damage) => {
      lost.push(damage);
      onDamage?.(damage);
    };
    const cursor = new LeafCursor(
      this.nodes,
      onDamage === undefined ? { end } : { end, onDamage: note },
    );
    const trail = new FolderTrail();
    trail.assumeAbove(start);
    for (let leaf = await cursor.seek(start); leaf !== undefined; leaf = await cursor.next()) {
      const inside = trimmed(leaf, start, end);
      requireFolders(inside, trail, lost);
      if (inside.entries.length > 0) yield inside;
    }
  }

  /** One entry, in as many reads as the tree is high. */
  async find(key: CatalogKey): Promise<Entry | undefined> {
    const cursor = new ParentCursor(this.nodes, { end: key });
    await cursor.load(key);
    return cursor.match(key)?.entry;
  }

  /**
   * What lies directly in a folder, in key order, as batches; `""` is the top. What lies deeper is
   * passed over without reading it, as far as leaves allow.
   */
  async *children(folder: CatalogKey): AsyncGenerator<Entry[]> {
    const below = (folder === "" ? "" : `${folder}\0`) as CatalogKey;
    const end = endOfSubtree(folder);
    const cursor = new LeafCursor(this.nodes, { end });
    for (let wanted = below; ; ) {
      const leaf = await cursor.seek(wanted);
      if (leaf === undefined) return;
      const inside = trimmed(leaf, wanted, end).entries;
      const batch: Entry[] = [];
      wanted = takeChildren(inside, below, batch) ?? wanted;
      if (batch.length > 0) yield batch;
      if (inside.length === 0) return;
    }
  }

  /** A cursor for the merge of a walk with this catalog. */
  parentCursor(onDamage?: OnDamage): ParentCursor {
    return new ParentCursor(this.nodes, onDamage === undefined ? {} : { onDamage });
  }

  walkNodes(visitor: NodeVisitor): Promise<void> {
    return walkNodes(this.nodes, visitor);
  }
}

function later(a: CatalogKey, b: CatalogKey): CatalogKey {
  if (a > b) return a;
  return b;
}

/** The first key that lies behind the entry and everything below it. */
export function endOfSubtree(key: CatalogKey): CatalogKey {
  return key === "" ? keyEnd : (`${key}\x01` as CatalogKey);
}

/** Index of the first entry at or after `key`. */
function firstFrom(entries: readonly Entry[], key: CatalogKey): number {
  return lowerBound(entries.length, (at) => (entries[at] as Entry).key < key);
}

/** The leaf with those of its entries that are not before `start` and before `end`. */
export function trimmed(leaf: Leaf, start: CatalogKey, end: CatalogKey): Leaf {
  const { entries } = leaf;
  const first = firstFrom(entries, start);
  const last = firstFrom(entries, end);
  if (first === 0 && last === entries.length) return leaf;
  return { ...leaf, entries: entries.slice(first, last) };
}

/** `lost` are unreadable parts that lie before what was not yet looked at. */
function requireFolders(leaf: Leaf, trail: FolderTrail, lost: NodeDamage[]): void {
  const first = leaf.entries[0]?.key;
  if (first === undefined) return;
  while (lost[0] !== undefined && lost[0].after < first) {
    // The folders above may have been in the part that is lost.
    trail.assumeAbove(first);
    lost.shift();
  }
  for (const entry of leaf.entries) {
    if (!trail.step(entry)) throw damagedNode(leaf.id, "an entry lies in no folder");
  }
}

/**
 * Adds those of `entries` that lie directly below; returns where to go on: behind the subtree of
 * the last of them.
 */
function takeChildren(
  entries: readonly Entry[],
  below: CatalogKey,
  batch: Entry[],
): CatalogKey | undefined {
  let wanted: CatalogKey | undefined;
  for (let at = 0; at < entries.length; ) {
    const entry = entries[at] as Entry;
    const deeper = entry.key.indexOf("\0", below.length);
    if (deeper < 0) batch.push(entry);
    const child = deeper < 0 ? entry.key : (entry.key.slice(0, deeper) as CatalogKey);
    wanted = endOfSubtree(child);
    at++;
    const next = entries[at];
    if (next !== undefined && next.key < wanted) at = firstFrom(entries, wanted);
  }
  return wanted;
}
