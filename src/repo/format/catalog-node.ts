/**
 * Nodes of the catalog: leaves (catalog-leaf.ts) and the inner nodes above them (format.md,
 * "Catalog"). Pure; how nodes hang together is checked where the tree is known, in
 * catalog/node-reader.ts.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import type { Entry } from "../../base/entry.ts";
import { type BlobId, idBytes } from "../../base/ids.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import { KeyDecoder, KeyEncoder } from "./catalog-keys.ts";
import { decodeLeaf, type LeafContent, LeafEncoder, leafTag, nodeVersion } from "./catalog-leaf.ts";

/** Children of an inner node, whatever the cut hash says. */
export const innerChildrenMax = 256;
/** Leaves are level 0; at 16 children a node, level 15 is above any catalog. */
export const levelMax = 15;
const innerTag = 2;

/** A node as its parent describes it. */
export interface ChildRef {
  readonly id: BlobId;
  readonly lastKey: CatalogKey;
  /** Entries in the leaves below. */
  readonly entries: number;
  /** Sum of the sizes of the files below. */
  readonly bytes: number;
}

export interface LeafNode extends LeafContent {
  readonly level: 0;
}

export interface InnerNode {
  readonly level: number;
  readonly children: readonly ChildRef[];
}

export type CatalogNode = LeafNode | InnerNode;

export function isLeaf(node: CatalogNode): node is LeafNode {
  return node.level === 0;
}

/** Encodes the children of one inner node as they come. */
export class InnerEncoder {
  readonly #children = new ByteWriter(8 * 1024);
  readonly #node = new ByteWriter(8 * 1024);
  readonly #keys = new KeyEncoder();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Length of what `finish` would give, less the few bytes before the first child. */
  get bytes(): number {
    return this.#children.length;
  }

  add(child: ChildRef): void {
    this.#keys.write(this.#children, child.lastKey);
    this.#children.bytes(child.id).varint(child.entries).varint(child.bytes);
    this.#count++;
  }

  /** The node; lent until the encoder is used again. */
  finish(level: number): Uint8Array {
    this.#node.reset();
    this.#node.u8(innerTag).u8(nodeVersion).u8(level).varint(this.#count);
    this.#node.bytes(this.#children.view());
    this.#children.reset();
    this.#keys.reset();
    this.#count = 0;
    return this.#node.view();
  }
}

/** A leaf of entries that ascend; for few, or for tests. `LeafEncoder` streams. */
export function encodeLeaf(entries: Iterable<Entry>): Uint8Array {
  const encoder = new LeafEncoder();
  for (const entry of entries) encoder.add(entry);
  return encoder.finish();
}

export function encodeInner(node: InnerNode): Uint8Array {
  const encoder = new InnerEncoder();
  for (const child of node.children) encoder.add(child);
  return encoder.finish(node.level);
}

/** Any catalog node; `bytes` must not change while the node is used. */
export function decodeNode(bytes: Uint8Array): CatalogNode {
  const reader = new ByteReader(bytes, "catalog node");
  const tag = reader.u8();
  const version = reader.u8();
  if (version !== nodeVersion) throw reader.damaged(`its version is ${version}`);
  if (tag === leafTag) return { level: 0, ...decodeLeaf(bytes, reader) };
  if (tag === innerTag) return decodeInner(reader);
  throw reader.damaged(`its type is ${tag}`);
}

function decodeInner(reader: ByteReader): InnerNode {
  const level = reader.u8();
  if (level < 1 || level > levelMax) throw reader.damaged(`its level is ${level}`);
  const count = reader.varint(innerChildrenMax);
  if (count === 0) throw reader.damaged("it has no children");
  const keys = new KeyDecoder();
  const children: ChildRef[] = [];
  for (let at = 0; at < count; at++) {
    const lastKey = keys.read(reader);
    const id = reader.bytes(idBytes);
    const entries = reader.varint();
    const bytes = reader.varint();
    if (entries === 0) throw reader.damaged("a child has no entries");
    children.push({ id, lastKey, entries, bytes });
  }
  reader.end();
  return { level, children };
}
