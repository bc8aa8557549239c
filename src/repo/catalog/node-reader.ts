/**
 * Reads nodes of one catalog, decoded, and holds each against what its parent says of it: level,
 * last key, order, number of entries, bytes. A node that lies is damage, whoever wrote it.
 *
 * With `onDamage`, a node that is absent or damaged is told and left out, with the range of keys
 * that is lost by it; without, it throws. A store that cannot be reached always throws.
 */

import { bytesEqual } from "../../base/bytes.ts";
import type { StoredEntry } from "../../base/entry.ts";
import { hasCode, VarveError } from "../../base/errors.ts";
import { type BlobId, toHex } from "../../base/ids.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import {
  type CatalogNode,
  type ChildRef,
  decodeNode,
  type InnerNode,
  isLeaf,
} from "../format/catalog-node.ts";

export interface NodeSource {
  /** Reads and verifies a catalog blob; the bytes stay as they are. */
  readNode(id: BlobId): Promise<Uint8Array>;
  /** Several at once, in the order of `ids`. */
  readNodes?(ids: readonly BlobId[]): Promise<Uint8Array[]>;
}

/** A leaf of a stored catalog. */
export interface Leaf {
  readonly id: BlobId;
  readonly entries: readonly StoredEntry[];
  /** Length of the leaf's plaintext. */
  readonly nodeBytes: number;
}

/** A node in its place in the tree. */
export interface NodeRef extends ChildRef {
  readonly level: number;
  /** The last key before the node; keys in it are above. */
  readonly after: CatalogKey;
}

/** A part of a catalog that cannot be read. */
export interface NodeDamage {
  readonly id: BlobId;
  /** Lost: everything above this key... */
  readonly after: CatalogKey;
  /** ...up to and with this one; undefined when the root is lost, and so everything. */
  readonly lastKey: CatalogKey | undefined;
  /** How many entries, and bytes of files, are lost; undefined with the root. */
  readonly entries: number | undefined;
  readonly bytes: number | undefined;
  readonly error: VarveError;
}

export type OnDamage = (damage: NodeDamage) => void;

const innersMax = 64;
/** Above every key. */
export const keyEnd = "\u0100" as CatalogKey;

export class NodeReader {
  readonly root: BlobId;
  readonly #source: NodeSource;
  /** Inner nodes by id, oldest use first. */
  readonly #inners = new Map<string, InnerNode>();
  /** Who looks up one entry after the other mostly stays in a leaf. */
  #lastLeaf: Leaf | undefined;
  #top: Promise<{ top: InnerNode; rootLeaf: Leaf | undefined }> | undefined;

  constructor(source: NodeSource, root: BlobId) {
    this.#source = source;
    this.root = root;
  }

  /** The root; a leaf comes as the only child of an inner node that is not stored. */
  async top(onDamage?: undefined): Promise<InnerNode>;
  async top(onDamage?: OnDamage): Promise<InnerNode | undefined>;
  async top(onDamage?: OnDamage): Promise<InnerNode | undefined> {
    try {
      return (await this.#readTop()).top;
    } catch (error) {
      if (onDamage === undefined || !isDamage(error)) throw error;
      const nothing = { lastKey: undefined, entries: undefined, bytes: undefined };
      onDamage({ id: this.root, after: "" as CatalogKey, ...nothing, error });
      return undefined;
    }
  }

  /** The root when it is a leaf. */
  async rootLeaf(): Promise<Leaf | undefined> {
    return (await this.#readTop()).rootLeaf;
  }

  #readTop() {
    this.#top ??= this.#loadTop().catch((error: unknown) => {
      this.#top = undefined;
      throw error;
    });
    return this.#top;
  }

  async #loadTop(): Promise<{ top: InnerNode; rootLeaf: Leaf | undefined }> {
    const id = this.root;
    const bytes = await this.#source.readNode(id);
    const node = decodeNode(bytes);
    if (!isLeaf(node)) {
      if (node.children.length < 2) throw damagedNode(id, "a root with one child is no root");
      return { top: node, rootLeaf: undefined };
    }
    const { entries } = node;
    const lastKey = entries.at(-1)?.key;
    const ref = { id, entries: entries.length, bytes: node.bytes };
    const children = lastKey === undefined ? [] : [{ ...ref, lastKey }];
    return { top: { level: 1, children }, rootLeaf: { id, entries, nodeBytes: bytes.length } };
  }

  /** Inner nodes, kept for a while. The refs must have a level above 0. */
  async inner(ref: NodeRef, onDamage?: OnDamage): Promise<InnerNode | undefined> {
    const name = toHex(ref.id);
    const known = this.#inners.get(name);
    if (known !== undefined) {
      this.#inners.delete(name);
      this.#inners.set(name, known);
      return known;
    }
    const [node] = await this.nodes([ref], onDamage);
    if (node === undefined || "entries" in node) return undefined;
    if (this.#inners.size >= innersMax) {
      for (const oldest of this.#inners.keys()) {
        this.#inners.delete(oldest);
        break;
      }
    }
    this.#inners.set(name, node);
    return node;
  }

  async leaves(refs: readonly NodeRef[], onDamage?: OnDamage): Promise<(Leaf | undefined)[]> {
    const { rootLeaf } = await this.#readTop();
    if (rootLeaf !== undefined) return refs.map(() => rootLeaf);
    const [first] = refs;
    const last = this.#lastLeaf;
    if (refs.length === 1 && first !== undefined && last !== undefined) {
      if (bytesEqual(first.id, last.id)) return [last];
    }
    const nodes = await this.nodes(refs, onDamage);
    const leaves = nodes.map((node) =>
      node !== undefined && "entries" in node ? node : undefined,
    );
    this.#lastLeaf = refs.length === 1 ? leaves[0] : undefined;
    return leaves;
  }

  /** Nodes of any levels, in the order of `refs`; undefined for the damaged. */
  async nodes(
    refs: readonly NodeRef[],
    onDamage?: OnDamage,
  ): Promise<(Leaf | InnerNode | undefined)[]> {
    const plaintexts = await this.#readBytes(refs, onDamage);
    return refs.map((ref, at) => {
      const bytes = plaintexts[at];
      if (bytes === undefined) return undefined;
      try {
        return checkedNode(ref, bytes);
      } catch (error) {
        report(ref, error, onDamage);
        return undefined;
      }
    });
  }

  async #readBytes(
    refs: readonly NodeRef[],
    onDamage?: OnDamage,
  ): Promise<(Uint8Array | undefined)[]> {
    const source = this.#source;
    if (refs.length > 1 && source.readNodes !== undefined) {
      try {
        return await source.readNodes(refs.map((ref) => ref.id));
      } catch (error) {
        if (onDamage === undefined || !isDamage(error)) throw error;
      }
    }
    const read = async (ref: NodeRef) => {
      try {
        return await source.readNode(ref.id);
      } catch (error) {
        report(ref, error, onDamage);
        return undefined;
      }
    };
    return Promise.all(refs.map(read));
  }
}

/** The children of a node in their places; `after` is the last key before the node. */
export function childRefs(node: InnerNode, after: CatalogKey): NodeRef[] {
  const level = node.level - 1;
  return node.children.map((child, at) => ({
    ...child,
    level,
    after: at === 0 ? after : (node.children[at - 1]?.lastKey ?? after),
  }));
}

function isDamage(error: unknown): error is VarveError {
  return hasCode(error, "object-absent", "object-damaged", "blob-absent", "blob-damaged");
}

function report(ref: NodeRef, error: unknown, onDamage: OnDamage | undefined): void {
  if (onDamage === undefined || !isDamage(error)) throw error;
  const { id, after, lastKey, entries, bytes } = ref;
  onDamage({ id, after, lastKey, entries, bytes, error });
}

export function damagedNode(id: BlobId, reason: string): VarveError {
  return new VarveError("object-damaged", `Damaged catalog node: ${reason}.`, {
    hint: "Run `varve check` to see which snapshots are hurt.",
    context: { node: toHex(id) },
  });
}

function checkedNode(ref: NodeRef, bytes: Uint8Array): Leaf | InnerNode {
  const node = decodeNode(bytes);
  const found = summaryOf(node);
  const fault =
    node.level !== ref.level
      ? "it is of another level"
      : found.lastKey !== ref.lastKey
        ? "it ends with another key"
        : found.firstKey <= ref.after
          ? "it begins before the node before it ends"
          : found.entries !== ref.entries || found.bytes !== ref.bytes
            ? "it holds more or less"
            : undefined;
  if (fault !== undefined) throw damagedNode(ref.id, `${fault} than its parent says`);
  if (!isLeaf(node)) return node;
  return { id: ref.id, entries: node.entries, nodeBytes: bytes.length };
}

function summaryOf(node: CatalogNode) {
  if (isLeaf(node)) {
    const { entries, bytes } = node;
    const firstKey = entries[0]?.key ?? "";
    return { firstKey, lastKey: entries.at(-1)?.key, entries: entries.length, bytes };
  }
  const { children } = node;
  let entries = 0;
  let bytes = 0;
  for (const child of children) {
    entries += child.entries;
    bytes += child.bytes;
  }
  const firstKey = children[0]?.lastKey ?? "";
  return { firstKey, lastKey: children.at(-1)?.lastKey, entries, bytes };
}
