/**
 * Walks a snapshot's catalog and finds what of it cannot be restored. Nodes are read and held
 * against their parents. A subtree that was found whole is passed over wherever it comes again; one
 * that is hurt is walked for each snapshot, so that its paths are known.
 *
 * Leaves are scanned (format/leaf-scan.ts); only one that is not right is decoded, and gone through
 * entry by entry.
 */
import type { BlobId } from "../../base/ids.ts";
import { type CatalogKey, pathFromKey } from "../../base/raw-path.ts";
import { FolderTrail } from "../../repo/catalog/folder-trail.ts";
import {
  childRefs,
  type Leaf,
  type NodeDamage,
  NodeReader,
  type NodeRef,
} from "../../repo/catalog/node-reader.ts";
import type { InnerNode } from "../../repo/format/catalog-node.ts";
import { LeafScan } from "../../repo/format/leaf-scan.ts";
import { snapshotObject } from "../../repo/format/object-names.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { BlobCauses, Causes, Looked } from "./blob-causes.ts";
import { ContentCheck } from "./content-check.ts";
import type { DamageEntry } from "./damage.ts";
import { attempt } from "./data-faults.ts";

/** Nodes read at once, 20 KB each: the more, the fewer the ranges that they are read by. */
const batchMax = 128;
/** Nodes gone through between two turns of the event loop: a millisecond's work. */
const turnNodes = 8;

/** A node below another, with what reading it brought; neither when that was not tried. */
interface Child {
  readonly ref: NodeRef;
  readonly looked: Looked;
  /** Of a leaf, instead of `node`: it may never have to be decoded. */
  leaf?: Uint8Array;
  node?: Leaf | InnerNode | undefined;
  damage?: NodeDamage;
}

/** A part of a catalog; without `lastKey` all of it. */
interface Stretch {
  readonly after: CatalogKey;
  readonly lastKey?: CatalogKey;
  readonly entries: number;
}

/** Whether everything of the snapshot can be restored; what cannot is in the list of damage. */
export async function checkCatalog(
  causes: BlobCauses,
  record: SnapshotRecord,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { root, totals } = record.snapshot;
  const looked = causes.look(BlobKind.catalog, root);
  if (causes.isWhole(looked)) return true;
  const walk = new CatalogWalk(causes, record, signal);
  const everything = { after: "" as CatalogKey, entries: totals.entries };
  if (looked.cause !== undefined) return walk.lose(looked.cause, everything);
  const isWhole = await walk.run(everything);
  if (isWhole) causes.addWhole(looked);
  return isWhole;
}

class CatalogWalk {
  readonly #causes: BlobCauses;
  readonly #record: SnapshotRecord;
  readonly #signal: AbortSignal | undefined;
  readonly #nodes: NodeReader;
  readonly #contents: ContentCheck;
  readonly #scan = new LeafScan();
  /** The last key that was looked at, when nothing was passed over since. */
  #walkedTo = "";

  constructor(causes: BlobCauses, record: SnapshotRecord, signal: AbortSignal | undefined) {
    const { blobs } = causes;
    const source = {
      readNode: (id: BlobId) => blobs.read(BlobKind.catalog, id),
      readNodes: (ids: readonly BlobId[]) => blobs.readMany(BlobKind.catalog, ids),
    };
    this.#causes = causes;
    this.#record = record;
    this.#signal = signal;
    this.#nodes = new NodeReader(source, record.snapshot.root);
    this.#contents = new ContentCheck(causes, signal);
  }

  async run(everything: Stretch): Promise<boolean> {
    const read = await attempt(() => this.#nodes.top());
    if (read.error !== undefined) {
      return this.lose(this.#causes.unreadable(this.#nodes.root, read.error), everything);
    }
    const top = read.value;
    const leaf = await this.#nodes.rootLeaf();
    const isWhole = await (leaf === undefined
      ? this.#children(childRefs(top, "" as CatalogKey))
      : this.#leaf(leaf, ""));
    return this.#hasTotals(top) && isWhole;
  }

  #hasTotals({ children }: InnerNode): boolean {
    const { id, snapshot } = this.#record;
    const entries = children.reduce((sum, child) => sum + child.entries, 0);
    const bytes = children.reduce((sum, child) => sum + child.bytes, 0);
    if (entries === snapshot.totals.entries && bytes === snapshot.totals.bytes) return true;
    const message = "Its totals are not those of its catalog.";
    this.#causes.damage.add("snapshot", snapshotObject(id), message);
    return false;
  }

  /** Notes that a part of the catalog is lost; always false: it is not whole. */
  lose(cause: DamageEntry, { after, lastKey, entries }: Stretch): boolean {
    const hurt = { snapshot: this.#record.id, path: pathFromKey(after), entries };
    const last = lastKey === undefined ? {} : { lastPath: pathFromKey(lastKey) };
    this.#causes.damage.hurt([cause], { ...hurt, ...last });
    return false;
  }

  /** The next batch is read while this one is gone through. */
  async #children(refs: readonly NodeRef[]): Promise<boolean> {
    let isWhole = true;
    let reading = this.#read(refs.slice(0, batchMax));
    for (let at = batchMax; ; at += batchMax) {
      const batch = await reading;
      this.#signal?.throwIfAborted();
      const isLast = at >= refs.length;
      if (!isLast) {
        reading = this.#read(refs.slice(at, at + batchMax));
        // When going through this batch throws, nobody waits for the next one.
        reading.catch(() => undefined);
      }
      for (const [i, child] of batch.entries()) {
        if (!(await this.#child(child))) isWhole = false;
        // Nothing of this waits for anything: who reads packs meanwhile would starve.
        if (i % turnNodes === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      if (isLast) return isWhole;
    }
  }

  /** Those of the nodes that were not found whole before. */
  async #read(refs: readonly NodeRef[]): Promise<readonly Child[]> {
    const children: Child[] = [];
    const wanted: Child[] = [];
    for (const ref of refs) {
      const looked = this.#causes.look(BlobKind.catalog, ref.id);
      if (this.#causes.isWhole(looked)) continue;
      const child: Child = { ref, looked };
      children.push(child);
      if (looked.cause === undefined) wanted.push(child);
    }
    if (!(await this.#readLeaves(wanted))) await this.#decode(this.#nodes, wanted);
    return children;
  }

  /** Their bytes as they are; false when they are no leaves, or one of them cannot be read. */
  async #readLeaves(wanted: readonly Child[]): Promise<boolean> {
    if (wanted.some(({ ref }) => ref.level > 0)) return false;
    const ids = wanted.map(({ ref }) => ref.id);
    const read = await attempt(() => this.#causes.blobs.readMany(BlobKind.catalog, ids));
    if (read.error !== undefined) return false;
    for (const [i, child] of wanted.entries()) {
      const bytes = read.value[i];
      if (bytes !== undefined) child.leaf = bytes;
    }
    return true;
  }

  async #decode(nodes: NodeReader, wanted: readonly Child[]): Promise<void> {
    const decoded = await nodes.nodes(
      wanted.map(({ ref }) => ref),
      (damage) => {
        const child = wanted.find(({ ref }) => ref.after === damage.after);
        if (child !== undefined) child.damage = damage;
      },
    );
    for (const [i, child] of wanted.entries()) child.node = decoded[i];
  }

  async #child(child: Child): Promise<boolean> {
    const { ref, looked, leaf } = child;
    if (leaf !== undefined) {
      if (this.#isLeafRight(leaf, ref)) {
        this.#causes.addWhole(looked);
        return true;
      }
      await this.#decode(new NodeReader({ readNode: async () => leaf }, ref.id), [child]);
    }
    const { node, damage } = child;
    if (looked.cause !== undefined) return this.lose(looked.cause, ref);
    if (damage !== undefined) {
      return this.lose(this.#causes.unreadable(damage.id, damage.error), ref);
    }
    if (node === undefined || !(await this.#node(node, ref))) return false;
    this.#causes.addWhole(looked);
    return true;
  }

  #node(node: Leaf | InnerNode, ref: NodeRef): Promise<boolean> {
    if ("level" in node) return this.#children(childRefs(node, ref.after));
    return this.#leaf(node, ref.after);
  }

  #isLeafRight(leaf: Uint8Array, ref: NodeRef): boolean {
    const isNext = this.#walkedTo === ref.after;
    let isSound = true;
    const onItem = (depth: number, at: number, length: number) => {
      isSound = isSound && this.#contents.isSound(depth, leaf, at, length);
    };
    const scan = () => this.#scan.isRight(leaf, ref, isNext, onItem) && isSound;
    const before = this.#scan.folders;
    const isRight = this.#causes.inOneView(scan);
    if (isRight) this.#walkedTo = ref.lastKey;
    else this.#scan.resume(before);
    return isRight;
  }

  async #leaf(leaf: Leaf, after: string): Promise<boolean> {
    const { entries } = leaf;
    const first = entries[0];
    if (first === undefined) return true;
    const trail = new FolderTrail();
    // What was passed over may have held the folders that these lie in.
    if (this.#walkedTo !== after) trail.assumeAbove(first.key);
    else trail.resume(this.#scan.folders.map((length) => after.slice(0, length)));
    const isWhole = await this.#entries(leaf, trail);
    this.#walkedTo = entries.at(-1)?.key ?? "";
    this.#scan.resume(trail.folders.map(({ length }) => length));
    return isWhole;
  }

  async #entries(leaf: Leaf, trail: FolderTrail): Promise<boolean> {
    let isWhole = true;
    for (const entry of leaf.entries) {
      const { content } = entry;
      let causes = content === undefined ? undefined : this.#contents.causesOf(content);
      if (causes instanceof Promise) causes = await causes;
      if (!trail.step(entry)) causes = this.#addMisplaced(leaf, causes);
      if (causes === undefined) continue;
      isWhole = false;
      const hurt = { snapshot: this.#record.id, path: pathFromKey(entry.key), entries: 1 };
      this.#causes.damage.hurt(causes, hurt);
    }
    return isWhole;
  }

  #addMisplaced(leaf: Leaf, causes: Causes | undefined): Causes {
    const error = { message: "An entry lies in no folder of the catalog." };
    return (causes ?? new Set<DamageEntry>()).add(this.#causes.unreadable(leaf.id, error));
  }
}
