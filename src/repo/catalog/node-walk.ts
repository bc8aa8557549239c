/**
 * Visits every node of a catalog once, depth first, in key order: for those who ask what a catalog
 * refers to (prune, check), and who know most of it already from other catalogs.
 */
import type { BlobId } from "../../base/ids.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import {
  childRefs,
  type Leaf,
  type NodeReader,
  type NodeRef,
  type OnDamage,
} from "./node-reader.ts";

export interface NodeVisitor {
  /**
   * Before a node is read: false passes over it and everything below. Leaves have level 0; the
   * level of the root is not known yet: undefined.
   */
  enter(id: BlobId, level: number | undefined): boolean;
  leaf?(leaf: Leaf): void | Promise<void>;
  /** After an entered node and everything below it was visited. */
  leave?(id: BlobId): void;
  /** Told of unreadable nodes, which are passed over; without it they throw. */
  readonly onDamage?: OnDamage;
}

/** Nodes read at once. */
const batchMax = 32;

export async function walkNodes(reader: NodeReader, visitor: NodeVisitor): Promise<void> {
  if (!visitor.enter(reader.root, undefined)) return;
  const top = await reader.top(visitor.onDamage);
  if (top !== undefined) {
    const leaf = await reader.rootLeaf();
    if (leaf !== undefined) await visitor.leaf?.(leaf);
    else await visitAll(reader, visitor, childRefs(top, "" as CatalogKey));
  }
  visitor.leave?.(reader.root);
}

async function visitAll(
  reader: NodeReader,
  visitor: NodeVisitor,
  refs: readonly NodeRef[],
): Promise<void> {
  const wanted = refs.filter((ref) => visitor.enter(ref.id, ref.level));
  for (let at = 0; at < wanted.length; at += batchMax) {
    const batch = wanted.slice(at, at + batchMax);
    const nodes = await reader.nodes(batch, visitor.onDamage);
    for (const [i, ref] of batch.entries()) {
      const node = nodes[i];
      if (node !== undefined) {
        if ("level" in node) await visitAll(reader, visitor, childRefs(node, ref.after));
        else await visitor.leaf?.(node);
      }
      visitor.leave?.(ref.id);
    }
  }
}
