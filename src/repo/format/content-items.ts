/**
 * The items of a file's content as they stand in catalog leaves and list blobs (format.md,
 * "Content"): `varint (length * 2 + hole)`, then the id unless it is a hole. Canonical: no item is
 * empty, two holes never touch, holes only at depth 0, chunks no longer than a blob may be.
 */
import type { ByteReader, ByteWriter } from "../../base/bytes.ts";
import type { ContentItem } from "../../base/entry.ts";
import { invariant } from "../../base/errors.ts";
import { idBytes } from "../../base/ids.ts";

/** Bytes of a file, so that `length * 2 + 1` is a varint: 4 PiB. */
export const fileBytesMax = 2 ** 52 - 1;
/** Raw length of a blob, so also of a chunk. */
export const chunkBytesMax = 16 * 1024 * 1024;
/** Lists above lists; more than a file of `fileBytesMax` can need. */
export const listDepthMax = 8;

export function writeItems(writer: ByteWriter, depth: number, items: readonly ContentItem[]): void {
  writer.u8(depth).varint(items.length);
  let afterHole = false;
  for (const { id, length } of items) {
    invariant(length > 0 && length <= fileBytesMax, "a content item has a length");
    if (id === null) {
      invariant(depth === 0 && !afterHole, "holes stand between chunks only");
      writer.varint(length * 2 + 1);
    } else {
      invariant(id.length === idBytes, "a blob id has 32 bytes");
      writer.varint(length * 2).bytes(id);
    }
    afterHole = id === null;
  }
}

export interface ItemsSummary {
  readonly depth: number;
  readonly count: number;
  /** Bytes of the file that the items stand for. */
  readonly bytes: number;
}

/** Told of each item that is no hole: how deep the list is, where its id begins, its length. */
export type OnItem = (depth: number, at: number, length: number) => void;

/** Checks items and steps over them. */
export function skipItems(reader: ByteReader, countMax: number, onItem?: OnItem): ItemsSummary {
  const depth = reader.u8();
  if (depth > listDepthMax) throw reader.damaged("lists are nested too deeply");
  const count = reader.varint(countMax);
  let bytes = 0;
  let afterHole = false;
  for (let item = 0; item < count; item++) {
    const word = reader.varint();
    const hole = word % 2 === 1;
    const length = (word - (hole ? 1 : 0)) / 2;
    if (length === 0) throw reader.damaged("a content item is empty");
    if (hole) {
      if (depth > 0 || afterHole) throw reader.damaged("a hole is out of place");
    } else {
      if (depth === 0 && length > chunkBytesMax) throw reader.damaged("a chunk is too long");
      const at = reader.offset;
      reader.skip(idBytes);
      onItem?.(depth, at, length);
    }
    afterHole = hole;
    bytes += length;
  }
  if (bytes > fileBytesMax) throw reader.damaged("a content is too long");
  return { depth, count, bytes };
}

/** Items that `skipItems` has checked; their ids are views on the input. */
export function readItems(reader: ByteReader): { depth: number; items: ContentItem[] } {
  const depth = reader.u8();
  const items: ContentItem[] = new Array(reader.varint());
  for (let item = 0; item < items.length; item++) {
    const word = reader.varint();
    items[item] =
      word % 2 === 1
        ? { id: null, length: (word - 1) / 2 }
        : { id: reader.bytes(idBytes), length: word / 2 };
  }
  return { depth, items };
}
