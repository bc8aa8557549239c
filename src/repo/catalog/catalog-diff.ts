/**
 * The difference of two catalogs, in key order, by passing over equal subtrees: both trees are
 * opened from the top down, and where both stand at the start of nodes with the same id, these are
 * the same. So the cost follows the difference, not the size. Which cuts are the same is settled
 * by the keys (catalog-cuts.ts), so that one more file moves a cut or two, not all behind it.
 */

import { bytesEqual } from "../../base/bytes.ts";
import type { Entry } from "../../base/entry.ts";
import { toHex } from "../../base/ids.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import { type CatalogReader, endOfSubtree, trimmed } from "./catalog-reader.ts";
import { type EntryDifference, entryDifference } from "./entry-compare.ts";
import { childRefs, keyEnd, type Leaf, type NodeReader, type NodeRef } from "./node-reader.ts";

export interface CatalogChange {
  readonly key: CatalogKey;
  readonly kind: "added" | "removed" | EntryDifference;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

const changesBatch = 256;
const leavesBatch = 16;

/** Changes in key order, in batches; `internal` ones among them. With `prefix` only below that. */
export async function* diffCatalogs(
  before: CatalogReader,
  after: CatalogReader,
  prefix = "" as CatalogKey,
): AsyncGenerator<CatalogChange[]> {
  if (bytesEqual(before.root, after.root)) return;
  const a = new Side(before.nodes, prefix);
  const b = new Side(after.nodes, prefix);
  await Promise.all([a.start(), b.start()]);
  let changes: CatalogChange[] = [];
  while (!a.isDone || !b.isDone) {
    if (a.entry !== undefined && b.entry !== undefined) mergeLeaves(a, b, changes);
    else if (a.entry !== undefined) await drain(a, b, (entry) => changes.push(removed(entry)));
    else if (b.entry !== undefined) await drain(b, a, (entry) => changes.push(added(entry)));
    else await descend(a, b);
    if (changes.length >= changesBatch) {
      yield changes;
      changes = [];
    }
  }
  if (changes.length > 0) yield changes;
}

function removed(entry: Entry): CatalogChange {
  return { key: entry.key, kind: "removed", before: entry, after: undefined };
}

function added(entry: Entry): CatalogChange {
  return { key: entry.key, kind: "added", before: undefined, after: entry };
}

/** Both stand in a leaf: entry by entry, until one leaf ends. */
function mergeLeaves(a: Side, b: Side, changes: CatalogChange[]): void {
  for (;;) {
    const before = a.entry;
    const after = b.entry;
    if (before === undefined || after === undefined) return;
    const { key } = before;
    if (key < after.key) {
      changes.push(removed(before));
      a.index++;
    } else if (key > after.key) {
      changes.push(added(after));
      b.index++;
    } else {
      const kind = entryDifference(before, after);
      if (kind !== undefined) changes.push({ key, kind, before, after });
      a.index++;
      b.index++;
    }
  }
}

/** One stands in a leaf, the other before a node: what lies before that node, it alone has. */
async function drain(side: Side, other: Side, alone: (entry: Entry) => void): Promise<void> {
  const bound = other.ref?.after ?? keyEnd;
  for (let entry = side.entry; entry !== undefined && entry.key <= bound; entry = side.entry) {
    alone(entry);
    side.index++;
  }
  if (side.entry !== undefined) await other.open(side);
}

/** Both stand before a node, or are done. */
async function descend(a: Side, b: Side): Promise<void> {
  const one = a.ref;
  const two = b.ref;
  if (one === undefined) return b.open(a);
  if (two === undefined) return a.open(b);
  if (bytesEqual(one.id, two.id)) {
    a.drop();
    b.drop();
    return;
  }
  // Nodes that do not overlap, or of which one may lie within the other.
  if (one.lastKey <= two.after || (one.level > two.level && two.lastKey > one.after)) {
    return a.open(b);
  }
  if (two.lastKey <= one.after || two.level > one.level) return b.open(a);
  await Promise.all([a.open(b), b.open(a)]);
}

/** How far one of the two trees has been opened. */
class Side {
  readonly #reader: NodeReader;
  readonly #start: CatalogKey;
  readonly #end: CatalogKey;
  /** Nodes not yet opened, the next one last. */
  readonly #frontier: NodeRef[] = [];
  readonly #read = new Map<NodeRef, Leaf>();
  #leaf: Leaf | undefined;
  /** Of the next entry in the open leaf. */
  index = 0;

  constructor(reader: NodeReader, prefix: CatalogKey) {
    this.#reader = reader;
    this.#start = prefix;
    this.#end = endOfSubtree(prefix);
  }

  async start(): Promise<void> {
    this.#push(childRefs(await this.#reader.top(), "" as CatalogKey));
  }

  get isDone(): boolean {
    return this.entry === undefined && this.#frontier.length === 0;
  }

  /** The next entry when a leaf is open. */
  get entry(): Entry | undefined {
    return this.#leaf?.entries[this.index];
  }

  /** The next node; what it holds is above `after`. */
  get ref(): NodeRef | undefined {
    return this.#frontier.at(-1);
  }

  drop(): void {
    const ref = this.#frontier.pop();
    if (ref !== undefined) this.#read.delete(ref);
  }

  /** Opens the next node: its children take its place, or its entries come next. */
  async open(other: Side): Promise<void> {
    const ref = this.ref;
    if (ref === undefined) return;
    if (ref.level > 0) {
      const node = await this.#reader.inner(ref);
      this.drop();
      if (node !== undefined) this.#push(childRefs(node, ref.after));
      return;
    }
    if (!this.#read.has(ref)) await this.#readLeaves(other);
    const leaf = this.#read.get(ref);
    this.#leaf = leaf === undefined ? undefined : trimmed(leaf, this.#start, this.#end);
    this.index = 0;
    this.drop();
  }

  #push(refs: readonly NodeRef[]): void {
    for (const ref of refs.toReversed()) {
      if (ref.lastKey >= this.#start && ref.after < this.#end) this.#frontier.push(ref);
    }
  }

  /** The leaves that come next, without a gap of inner nodes. */
  #nextLeaves(): NodeRef[] {
    const first = this.#frontier.findLastIndex((ref) => ref.level > 0) + 1;
    return this.#frontier.slice(first).reverse();
  }

  /** Reads the next leaf and, with it, others that the other side is known not to have. */
  async #readLeaves(other: Side): Promise<void> {
    const theirs = other.#nextLeaves();
    const knownTo = other.#frontier.length === 0 ? keyEnd : (theirs.at(-1)?.lastKey ?? "");
    const shared = new Set(theirs.map((ref) => toHex(ref.id)));
    const wanted = this.#nextLeaves().filter(
      (ref, at) => at === 0 || (ref.lastKey <= knownTo && !shared.has(toHex(ref.id))),
    );
    const batch = wanted.slice(0, leavesBatch);
    const leaves = await this.#reader.leaves(batch);
    for (const [at, ref] of batch.entries()) {
      const leaf = leaves[at];
      if (leaf !== undefined) this.#read.set(ref, leaf);
    }
  }
}
