/**
 * What a catalog node or a list of chunks refers to, without what it says besides (format.md,
 * "Catalog", "List blob"): for a prune, which asks for the ids alone, of very many nodes that
 * differ little. Makes no objects and no strings.
 *
 * The node has been hashed against its id, so it is what its writer wrote. Its structure is checked
 * as far as ids depend on it: lengths, counts, kinds, that it ends where it should. That keys
 * ascend, that owners are there, that sums are right: the readers of entries see to that.
 */
import { ByteReader } from "../../base/bytes.ts";
import { EntryType } from "../../base/entry.ts";
import { idBytes } from "../../base/ids.ts";
import { keyBytesMax } from "./catalog-keys.ts";
import { leafEntriesMax, leafTag, linkTargetBytesMax, nodeVersion } from "./catalog-leaf.ts";
import { innerChildrenMax } from "./catalog-node.ts";
import { fileBytesMax, listDepthMax } from "./content-items.ts";
import { inlineItemsMax, listItemsMax } from "./content-list.ts";
import { BlobKind } from "./pack-table.ts";

/** Told of each id, in order: its kind, and where its 32 bytes begin. */
export type OnReference = (kind: BlobKind, at: number) => void;

const innerTag = 2;
const listVersion = 1;
const flagXattrs = 1;
const flagHardLink = 2;
const stampBytes = 24;

/** Children of an inner node, or chunks and lists of the files in a leaf. */
export function eachNodeReference(bytes: Uint8Array, onReference: OnReference): void {
  const reader = new ByteReader(bytes, "catalog node");
  const tag = reader.u8();
  const version = reader.u8();
  if (version !== nodeVersion) throw reader.damaged(`its version is ${version}`);
  if (tag === leafTag) scanLeaf(reader, onReference);
  else if (tag === innerTag) scanInner(reader, onReference);
  else throw reader.damaged(`its type is ${tag}`);
  reader.end();
}

/** Chunks, or the lists below. */
export function eachListReference(bytes: Uint8Array, onReference: OnReference): void {
  const reader = new ByteReader(bytes, "list of chunks");
  const version = reader.u8();
  if (version !== listVersion) throw reader.damaged(`its version is ${version}`);
  scanItems(reader, listItemsMax, onReference);
  reader.end();
}

function scanInner(reader: ByteReader, onReference: OnReference): void {
  reader.u8(); // level
  const count = reader.varint(innerChildrenMax);
  for (let at = 0; at < count; at++) {
    skipKey(reader);
    onReference(BlobKind.catalog, reader.offset);
    reader.skip(idBytes);
    reader.varint();
    reader.varint();
  }
}

function scanLeaf(reader: ByteReader, onReference: OnReference): void {
  const owners = reader.varint(leafEntriesMax);
  for (let at = 0; at < owners; at++) {
    reader.varint();
    reader.varint();
    reader.skip(reader.u8());
    reader.skip(reader.u8());
  }
  const count = reader.varint(leafEntriesMax);
  for (let at = 0; at < count; at++) {
    skipKey(reader);
    const type = reader.u8();
    const flags = reader.u8();
    if (flags > (flagXattrs | flagHardLink)) throw reader.damaged("an entry has unknown flags");
    reader.varint(); // mode
    reader.varint(); // owner
    reader.skip(stampBytes);
    scanBody(reader, type, onReference);
    if (flags & flagHardLink) reader.varint();
    if (flags & flagXattrs) skipXattrs(reader);
  }
}

function scanBody(reader: ByteReader, type: number, onReference: OnReference): void {
  switch (type) {
    case EntryType.file:
      reader.varint(fileBytesMax);
      scanItems(reader, inlineItemsMax, onReference);
      break;
    case EntryType.symlink:
      reader.skip(reader.varint(linkTargetBytesMax));
      break;
    case EntryType.charDevice:
    case EntryType.blockDevice:
      reader.varint();
      reader.varint();
      break;
    case EntryType.folder:
    case EntryType.fifo:
      break;
    default:
      throw reader.damaged(`an entry has the type ${type}`);
  }
}

function scanItems(reader: ByteReader, countMax: number, onReference: OnReference): void {
  const depth = reader.u8();
  if (depth > listDepthMax) throw reader.damaged("lists are nested too deeply");
  const kind = depth === 0 ? BlobKind.data : BlobKind.list;
  const count = reader.varint(countMax);
  for (let item = 0; item < count; item++) {
    const isHole = reader.varint() % 2 === 1;
    if (isHole) continue;
    onReference(kind, reader.offset);
    reader.skip(idBytes);
  }
}

function skipKey(reader: ByteReader): void {
  reader.varint(keyBytesMax);
  reader.skip(reader.varint(keyBytesMax));
}

function skipXattrs(reader: ByteReader): void {
  for (let left = reader.varint(); left > 0; left--) {
    reader.skip(reader.u8());
    reader.skip(reader.varint());
  }
}
