/**
 * The vocabulary of what a snapshot holds: one `Entry` a path, with its content as a list of
 * chunk references and holes. Shared by sources (which make entries), the catalog (which keeps
 * them) and the engine. How they are written as bytes: docs/format.md, "Catalog".
 */
import type { BlobId } from "./ids.ts";
import type { CatalogKey, RawPath } from "./raw-path.ts";

export const EntryType = {
  file: 1,
  folder: 2,
  symlink: 3,
  fifo: 4,
  charDevice: 5,
  blockDevice: 6,
} as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

export interface Xattr {
  /** Bytes as a binary string, as in RawPath; at most 255. */
  readonly name: string;
  readonly value: Uint8Array;
}

/** A stretch of a file: a blob, or a hole where `id` is null. */
export interface ContentItem {
  readonly id: BlobId | null;
  /** Bytes of the file that it stands for; above 0. */
  readonly length: number;
}

/**
 * A file's bytes in order. At depth 0 the items are chunks and holes; at depth n they are list
 * blobs, each of which holds a list of depth n-1.
 */
export interface Content {
  readonly depth: number;
  readonly items: readonly ContentItem[];
}

export interface EntryMeta {
  readonly key: CatalogKey;
  readonly type: EntryType;
  /** Permission bits, setuid, setgid, sticky: 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Name of the owner on the source host; "" when it has none. */
  readonly user: string;
  readonly group: string;
  /** Nanoseconds since 1970, UTC; negative before. */
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  /** Bytes of a file; 0 for everything else. */
  readonly size: number;
}

/**
 * Where the times and the inode of an entry lie in memory: mtime, ctime, inode, each of 64 bits and
 * little-endian. Whoever compares very many entries compares these words: no bigint is made.
 */
export interface Stamp {
  readonly stampView: DataView;
  readonly stampAt: number;
}

export interface Entry extends EntryMeta {
  /** Files only; the lengths of all items add up to `size`. */
  readonly content?: Content;
  /** Symbolic links only. */
  readonly linkTarget?: RawPath;
  /** Device nodes only. */
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  readonly xattrs?: readonly Xattr[];
  /**
   * Set where other names share the inode: entries of a snapshot with equal `hardLink` and
   * `inode` are one file. It is the ordinal of the device within the snapshot, not a device
   * number, so that it stays the same when devices are numbered anew at boot.
   */
  readonly hardLink?: number;
}

/** An entry of a catalog that is stored. */
export interface StoredEntry extends Entry, Stamp {}
