/**
 * Builds a catalog in one pass over entries in key order, bottom up, holding one open node a level
 * (design: architecture.md, "The catalog"). The root depends on the entries alone, not on the
 * parent or on how they were added.
 *
 * Entries that came unchanged from a parent's leaf are only counted while they follow it from its
 * first entry on; when the leaf ends here where it ended there, its id is taken over and nothing
 * is encoded or hashed.
 */
import { type Entry, EntryType } from "../../base/entry.ts";
import { invariant, VarveError } from "../../base/errors.ts";
import type { BlobId } from "../../base/ids.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import { LeafEncoder } from "../format/catalog-leaf.ts";
import { type ChildRef, InnerEncoder } from "../format/catalog-node.ts";
import { endsNode, nodeBytesCut } from "./catalog-cuts.ts";
import type { ParentEntryRef } from "./catalog-merge.ts";
import { FolderTrail } from "./folder-trail.ts";
import type { Leaf } from "./node-reader.ts";

export interface NodeSink {
  /** Stores a node unless it is there, and gives its id; the bytes are only lent for the call. */
  putNode(plaintext: Uint8Array): BlobId;
  /** Whether a leaf of the parent is still there to be referred to; without it, all are. */
  hasNode?(id: BlobId): boolean;
}

export interface CatalogTotals {
  entries: number;
  files: number;
  folders: number;
  /** Sum of the sizes of all files. */
  bytes: number;
}

export interface BuiltCatalog {
  readonly root: BlobId;
  readonly totals: CatalogTotals;
  /** Leaves taken over from the parent by their ids. */
  readonly leavesReused: number;
  readonly leaves: number;
}

export interface CatalogBuilderOptions {
  readonly cutSeed: number;
  readonly sink: NodeSink;
}

/** An open inner node. */
interface Level {
  readonly encoder: InnerEncoder;
  entries: number;
  bytes: number;
  lastKey: CatalogKey;
  /** Nodes of the level below that have come so far. */
  childrenSeen: number;
  onlyChild: BlobId;
}

export class CatalogBuilder {
  readonly #cutSeed: number;
  readonly #sink: NodeSink;
  readonly #leaf = new LeafEncoder();
  readonly #trail = new FolderTrail();
  readonly #levels: Level[] = [];
  readonly #totals: CatalogTotals = { entries: 0, files: 0, folders: 0, bytes: 0 };
  #lastKey = "" as CatalogKey;
  #leafCount = 0;
  #leafBytes = 0;
  #leaves = 0;
  #leavesReused = 0;
  /** The open leaf is the first `#leafCount` entries of this one; nothing is encoded yet. */
  #reused: Leaf | undefined;

  constructor(options: CatalogBuilderOptions) {
    this.#cutSeed = options.cutSeed;
    this.#sink = options.sink;
  }

  /** Throws `limit-exceeded` for an entry that the format cannot hold; it is as if not added. */
  add(entry: Entry): void {
    this.#encodeReused();
    this.#leaf.add(entry);
    this.#take(entry);
    this.#leafCount++;
    this.#endLeafIfDue(entry.key);
  }

  /** Adds an entry of the parent as it is. */
  addUnchanged(ref: ParentEntryRef): void {
    const { leaf, index, entry } = ref;
    // A leaf that ended for its length would have to be measured again: that takes encoding.
    const starts = this.#leafCount === 0 && index === 0 && leaf.nodeBytes < nodeBytesCut;
    if (starts) this.#reused = leaf;
    else if (this.#reused !== leaf || this.#leafCount !== index) {
      this.add(entry);
      return;
    }
    this.#take(entry);
    this.#leafCount++;
    this.#endLeafIfDue(entry.key);
  }

  finish(): BuiltCatalog {
    if (this.#leafCount > 0 || this.#leaves === 0) this.#endLeaf();
    const leaves = { leaves: this.#leaves, leavesReused: this.#leavesReused };
    for (let at = 0; ; at++) {
      const level = this.#levels[at];
      invariant(level !== undefined, "a catalog has a top");
      if (level.childrenSeen === 1)
        return { root: level.onlyChild, totals: this.#totals, ...leaves };
      if (level.encoder.count > 0) this.#endInner(at, level);
    }
  }

  #take(entry: Entry): void {
    const totals = this.#totals;
    const ascends = totals.entries === 0 || entry.key > this.#lastKey;
    invariant(ascends && entry.key !== "", "entries come in key order");
    invariant(this.#trail.step(entry), "an entry comes after its folder");
    this.#lastKey = entry.key;
    totals.entries++;
    if (entry.type === EntryType.folder) totals.folders++;
    if (entry.type === EntryType.file) {
      totals.files++;
      totals.bytes += entry.size;
      this.#leafBytes += entry.size;
      if (totals.bytes > Number.MAX_SAFE_INTEGER) throw tooManyBytes();
    }
  }

  /** The open leaf is not the parent's after all: what was only counted is encoded. */
  #encodeReused(): void {
    const leaf = this.#reused;
    if (leaf === undefined) return;
    this.#reused = undefined;
    for (let at = 0; at < this.#leafCount; at++) this.#leaf.add(leaf.entries[at] as Entry);
  }

  #endLeafIfDue(key: CatalogKey): void {
    const due =
      endsNode(this.#cutSeed, 0, key, this.#leafCount) || this.#leaf.bytes >= nodeBytesCut;
    if (due) this.#endLeaf();
  }

  #endLeaf(): void {
    const id = this.#takeReused() ?? this.#sink.putNode(this.#leaf.finish());
    const child = { id, lastKey: this.#lastKey, entries: this.#leafCount, bytes: this.#leafBytes };
    this.#leaves++;
    this.#leafCount = 0;
    this.#leafBytes = 0;
    this.#addChild(0, child);
  }

  /** The id of the parent's leaf when the open leaf is exactly that and it is there. */
  #takeReused(): BlobId | undefined {
    const leaf = this.#reused;
    if (leaf === undefined) return undefined;
    const isWhole = leaf.entries.length === this.#leafCount;
    if (!isWhole || this.#sink.hasNode?.(leaf.id) === false) {
      this.#encodeReused();
      return undefined;
    }
    this.#reused = undefined;
    this.#leavesReused++;
    return leaf.id;
  }

  /** `at` 0 holds the inner nodes of level 1, whose children are leaves. */
  #addChild(at: number, child: ChildRef): void {
    const level = this.#levelAt(at, child);
    level.childrenSeen++;
    if (child.entries === 0) return; // An empty catalog: the leaf itself is the root.
    level.encoder.add(child);
    level.entries += child.entries;
    level.bytes += child.bytes;
    level.lastKey = child.lastKey;
    const due =
      endsNode(this.#cutSeed, at + 1, child.lastKey, level.encoder.count) ||
      level.encoder.bytes >= nodeBytesCut;
    if (due) this.#endInner(at, level);
  }

  #levelAt(at: number, child: ChildRef): Level {
    let level = this.#levels[at];
    if (level === undefined) {
      level = {
        encoder: new InnerEncoder(),
        entries: 0,
        bytes: 0,
        lastKey: child.lastKey,
        childrenSeen: 0,
        onlyChild: child.id,
      };
      this.#levels[at] = level;
    }
    return level;
  }

  #endInner(at: number, level: Level): void {
    const { entries, bytes, lastKey } = level;
    const id = this.#sink.putNode(level.encoder.finish(at + 1));
    level.entries = 0;
    level.bytes = 0;
    this.#addChild(at + 1, { id, lastKey, entries, bytes });
  }
}

function tooManyBytes(): VarveError {
  return new VarveError("limit-exceeded", "The files of a snapshot are more than 8 PiB together.", {
    hint: "Make several snapshots of parts of it.",
  });
}
