/**
 * A file's content as a tree of lists (format.md, "List blob").
 *
 * Up to `inlineItemsMax` items stand in the catalog entry itself: few, so that a catalog stays
 * small beside the files it describes. Longer contents are cut into list blobs after items whose
 * id says so, so that a change rewrites the lists around it and no others; the lists' ids are the
 * items one depth up. The result depends on the items alone, not on how they arrived. Holes that
 * touch are one.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import type { Content, ContentItem } from "../../base/entry.ts";
import { invariant, VarveError } from "../../base/errors.ts";
import type { BlobId } from "../../base/ids.ts";
import {
  chunkBytesMax,
  fileBytesMax,
  listDepthMax,
  readItems,
  skipItems,
  writeItems,
} from "./content-items.ts";

/** Items in a catalog entry. */
export const inlineItemsMax = 64;
export const listItemsMin = 64;
export const listItemsMax = 1024;
/** An id below this, as u32, ends a list: one in 192, so that 256 items are the average. */
export const listCutBelow = Math.floor(2 ** 32 / 192);

const listVersion = 1;

export function encodeList(writer: ByteWriter, list: Content): void {
  writer.u8(listVersion);
  writeItems(writer, list.depth, list.items);
}

/** The ids are views on `bytes`. */
export function decodeList(bytes: Uint8Array): Content & { readonly bytes: number } {
  const reader = new ByteReader(bytes, "list of chunks");
  const version = reader.u8();
  if (version !== listVersion) throw reader.damaged(`its version is ${version}`);
  const start = reader.offset;
  const summary = skipItems(reader, listItemsMax);
  if (summary.count === 0) throw reader.damaged("it is empty");
  reader.end();
  reader.offset = start;
  return { ...readItems(reader), bytes: summary.bytes };
}

/** Whether a list ends after this item, the `count`th of its list. */
function endsList(item: ContentItem, count: number): boolean {
  if (count >= listItemsMax) return true;
  if (count < listItemsMin || item.id === null) return false;
  return new DataView(item.id.buffer, item.id.byteOffset).getUint32(0, true) < listCutBelow;
}

/** The items of one depth: held back while they may still go inline, then cut into lists. */
interface Level {
  items: ContentItem[];
  cutting: boolean;
}

/** Stores a list blob and gives its id; the bytes are only lent for the call. */
export type PutList = (plaintext: Uint8Array) => BlobId;

export interface ContentBuilderOptions {
  readonly putList: PutList;
}

/** Builds the contents of files, one after the other, in memory that does not grow with them. */
export class ContentBuilder {
  readonly #putList: PutList;
  readonly #writer = new ByteWriter(0);
  #levels: Level[] = [];
  #hole = 0;
  #size = 0;

  constructor({ putList }: ContentBuilderOptions) {
    this.#putList = putList;
  }

  /** Bytes appended since the last `finish`. */
  get size(): number {
    return this.#size;
  }

  /** A chunk, or a hole when `id` is null. The id is kept, not copied, until its list is full. */
  append(id: BlobId | null, length: number): void {
    if (length === 0) return;
    invariant(id === null || length <= chunkBytesMax, "chunks are no longer than a blob");
    this.#size += length;
    if (this.#size > fileBytesMax) {
      throw new VarveError("limit-exceeded", "A file or stream is larger than 4 PiB.", {
        hint: "Split it, or exclude it from the snapshot.",
      });
    }
    if (id === null) {
      this.#hole += length;
      return;
    }
    this.#endHole();
    this.#push(0, { id, length });
  }

  /** The content of what was appended; the builder is empty again. */
  finish(): Content {
    this.#endHole();
    for (let depth = 0; ; depth++) {
      const level = this.#levels[depth];
      if (level === undefined || !level.cutting) {
        const items = level?.items ?? [];
        this.#levels = [];
        this.#size = 0;
        return { depth: level === undefined ? 0 : depth, items };
      }
      if (level.items.length > 0) this.#endList(depth, level);
    }
  }

  #endHole(): void {
    const length = this.#hole;
    this.#hole = 0;
    if (length > 0) this.#push(0, { id: null, length });
  }

  #push(depth: number, item: ContentItem): void {
    invariant(depth <= listDepthMax, "the lists of a file are not that deep");
    let level = this.#levels[depth];
    if (level === undefined) {
      level = { items: [], cutting: false };
      this.#levels[depth] = level;
    }
    level.items.push(item);
    if (level.cutting) {
      if (endsList(item, level.items.length)) this.#endList(depth, level);
    } else if (level.items.length > inlineItemsMax) {
      const held = level.items;
      level.items = [];
      level.cutting = true;
      for (const each of held) this.#push(depth, each);
    }
  }

  #endList(depth: number, level: Level): void {
    this.#writer.reset();
    encodeList(this.#writer, { depth, items: level.items });
    let length = 0;
    for (const item of level.items) length += item.length;
    level.items = [];
    this.#push(depth + 1, { id: this.#putList(this.#writer.view()), length });
  }
}

export interface PlacedItem extends ContentItem {
  /** Where in the file the item starts, in bytes. */
  readonly fileOffset: number;
}

export interface ContentRange {
  /** First byte wanted; items that end at or before it are left out. */
  readonly start?: number;
  /** First byte no longer wanted. */
  readonly end?: number;
}

/** Reads and verifies a list blob. */
export type ReadList = (id: BlobId) => Promise<Uint8Array>;

/** Chunks and holes in file order, one array a list; lists outside the range are not read. */
export async function* readContentRuns(
  content: Content,
  readList: ReadList,
  range: ContentRange = {},
  base = 0,
): AsyncGenerator<PlacedItem[]> {
  const { start = 0, end = Number.POSITIVE_INFINITY } = range;
  const wanted: PlacedItem[] = [];
  let fileOffset = base;
  for (const { id, length } of content.items) {
    if (fileOffset >= end) break;
    if (fileOffset + length > start) wanted.push({ id, length, fileOffset });
    fileOffset += length;
  }
  if (content.depth === 0) {
    if (wanted.length > 0) yield wanted;
    return;
  }
  for (const item of wanted) {
    const list = await readChild(item, content.depth - 1, readList);
    yield* readContentRuns(list, readList, range, item.fileOffset);
  }
}

/** As `readContentRuns`, item by item. */
export async function* readContent(
  content: Content,
  readList: ReadList,
  range: ContentRange = {},
): AsyncGenerator<PlacedItem> {
  for await (const run of readContentRuns(content, readList, range)) yield* run;
}

async function readChild(item: ContentItem, depth: number, readList: ReadList): Promise<Content> {
  invariant(item.id !== null, "holes stand at depth 0 only");
  const list = decodeList(await readList(item.id));
  if (list.depth !== depth || list.bytes !== item.length) {
    throw new VarveError("object-damaged", "Damaged list of chunks: it is not what refers to it.", {
      hint: "Run `varve check` to see which snapshots are hurt.",
      context: { depth: list.depth, bytes: list.bytes, bytesExpected: item.length },
    });
  }
  return list;
}
