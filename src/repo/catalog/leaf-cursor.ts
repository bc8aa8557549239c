/**
 * Walks the leaves of a catalog in key order: to the leaf at a key, or on to the next. While it
 * goes from leaf to leaf, it reads ahead in growing batches, because neighbours lie side by side
 * in packs; a jump reads one leaf. It holds at most two batches.
 */
import type { CatalogKey } from "../../base/raw-path.ts";
import type { InnerNode } from "../format/catalog-node.ts";
import {
  childRefs,
  keyEnd,
  type Leaf,
  type NodeReader,
  type NodeRef,
  type OnDamage,
} from "./node-reader.ts";

const batchMax = 32;

/** An inner node on the way from the root down, and the child to take next. */
interface Frame {
  readonly refs: readonly NodeRef[];
  next: number;
}

export interface LeafCursorOptions {
  readonly onDamage?: OnDamage;
  /** The first key that is no longer wanted; leaves from there on are not read. */
  readonly end?: CatalogKey;
}

export class LeafCursor {
  readonly #reader: NodeReader;
  readonly #onDamage: OnDamage | undefined;
  readonly #end: CatalogKey;
  /** Of the leaves to be read next, the deepest last. */
  #frames: Frame[] = [];
  #started = false;
  #batchCount = 1;
  /** Last key of the leaf that was given last. */
  #givenTo: CatalogKey | undefined;
  #ready: Leaf[] = [];
  #ahead: Promise<Leaf[]> | undefined;

  constructor(reader: NodeReader, options: LeafCursorOptions = {}) {
    this.#reader = reader;
    this.#onDamage = options.onDamage;
    this.#end = options.end ?? keyEnd;
  }

  /** The next leaf; undefined after the last. */
  async next(): Promise<Leaf | undefined> {
    if (!this.#started) await this.#jump("" as CatalogKey);
    if (this.#ready.length === 0) this.#ready = await this.#takeBatch();
    const leaf = this.#ready.shift();
    if (leaf === undefined) return undefined;
    this.#givenTo = leaf.entries.at(-1)?.key;
    // After a jump nobody knows yet whether the neighbours are wanted.
    if (this.#batchCount > 2 && this.#ahead === undefined) {
      this.#ahead = this.#readBatch();
      // It is looked at when it is wanted; nobody may be waiting when it fails.
      this.#ahead.catch(() => undefined);
    }
    return leaf;
  }

  /**
   * The first leaf that ends at or after `key`, which must not lie before the leaves that were
   * given already; undefined when there is none.
   */
  async seek(key: CatalogKey): Promise<Leaf | undefined> {
    if (!this.#reaches(this.#ready, key)) {
      this.#ready = this.#ahead === undefined ? [] : await this.#takeBatch();
      if (!this.#reaches(this.#ready, key)) await this.#jump(key);
    }
    for (;;) {
      const leaf = await this.next();
      const last = leaf?.entries.at(-1)?.key;
      if (last === undefined || last >= key) return leaf;
    }
  }

  #reaches(leaves: readonly Leaf[], key: CatalogKey): boolean {
    const last = leaves.at(-1)?.entries.at(-1)?.key;
    return last !== undefined && last >= key;
  }

  async #takeBatch(): Promise<Leaf[]> {
    for (;;) {
      const batch = await (this.#ahead ?? this.#readBatch());
      this.#ahead = undefined;
      // A batch may be empty because all of it was damaged.
      if (batch.length > 0 || this.#frames.length === 0) return batch;
    }
  }

  async #readBatch(): Promise<Leaf[]> {
    const refs = await this.#takeRefs(this.#batchCount);
    this.#batchCount = Math.min(batchMax, this.#batchCount * 2);
    if (refs.length === 0) return [];
    const leaves = await this.#reader.leaves(refs, this.#onDamage);
    return leaves.filter((leaf) => leaf !== undefined);
  }

  /** The next leaves of one inner node, at most `count`. */
  async #takeRefs(count: number): Promise<readonly NodeRef[]> {
    for (;;) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) return [];
      const ref = frame.refs[frame.next];
      if (ref === undefined) {
        this.#frames.pop();
      } else if (this.#isBeyondEnd(ref)) {
        this.#frames = [];
      } else if (ref.level === 0) {
        const taken = frame.refs.slice(frame.next, frame.next + count);
        const wanted = taken.filter((one) => !this.#isBeyondEnd(one));
        frame.next += wanted.length;
        return wanted;
      } else {
        frame.next++;
        const node = await this.#reader.inner(ref, this.#onDamage);
        if (node !== undefined) this.#push(node, ref.after, "" as CatalogKey);
      }
    }
  }

  #isBeyondEnd(ref: NodeRef): boolean {
    return ref.after >= this.#end;
  }

  async #jump(key: CatalogKey): Promise<void> {
    this.#started = true;
    this.#ready = [];
    this.#ahead = undefined;
    this.#frames = [];
    const ref = await this.#descend(key);
    if (ref === undefined || ref.after !== this.#givenTo) this.#batchCount = 1;
  }

  /** The leaf where `key` is or would be; undefined when it cannot be reached. */
  async #descend(key: CatalogKey): Promise<NodeRef | undefined> {
    let node = await this.#reader.top(this.#onDamage);
    let after = "" as CatalogKey;
    while (node !== undefined) {
      const frame = this.#push(node, after, key);
      const ref = frame.refs[frame.next];
      if (ref === undefined || ref.level === 0 || this.#isBeyondEnd(ref)) return ref;
      frame.next++;
      after = ref.after;
      node = await this.#reader.inner(ref, this.#onDamage);
    }
    return undefined;
  }

  #push(node: InnerNode, after: CatalogKey, key: CatalogKey): Frame {
    const refs = childRefs(node, after);
    const frame = { refs, next: firstReaching(refs, key) };
    this.#frames.push(frame);
    return frame;
  }
}

/** Index of the first that ends at or after `key`. */
export function firstReaching(refs: readonly { lastKey: CatalogKey }[], key: CatalogKey): number {
  return lowerBound(refs.length, (at) => (refs[at]?.lastKey ?? keyEnd) < key);
}

/** The first index below `count` for which `isBefore` is false; it must be true for all before. */
export function lowerBound(count: number, isBefore: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
