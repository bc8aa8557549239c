/**
 * Where the catalog is cut into nodes (format.md, "Catalog"). A node ends after an entry, or a
 * child, whose key says so: by a keyed hash of the key alone, so that changed metadata moves no
 * cut; 64 entries on average. Every rule looks only at what the node holds already, so that the
 * same entries from the same start always give the same node.
 */

import { leafEntriesMax } from "../format/catalog-leaf.ts";
import { innerChildrenMax } from "../format/catalog-node.ts";

/** Entries or children before the hash may end a node. */
export const nodeCountMin = 16;
export const nodeCountMax = Math.min(leafEntriesMax, innerChildrenMax);
/** A hash below this ends a node: one in 48, which after the first 16 makes 64 on average. */
export const cutBelow = Math.floor(2 ** 32 / 48);
/** A node also ends with the entry that makes it this long, encoded: the last resort. */
export const nodeBytesCut = 512 * 1024;

/** FNV-1a over the key's bytes from a secret seed, finished as in MurmurHash3 with the level. */
export function cutHash(seed: number, level: number, key: string): number {
  let hash = seed ^ 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  hash = (hash + Math.imul(level, 0x9e3779b9)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Whether a node of `count` entries or children ends after this key; its length aside. */
export function endsNode(seed: number, level: number, key: string, count: number): boolean {
  if (count < nodeCountMin) return false;
  return count >= nodeCountMax || cutHash(seed, level, key) < cutBelow;
}
