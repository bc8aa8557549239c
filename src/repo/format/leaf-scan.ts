/**
 * Says of a catalog leaf that it is right in all that a reader of entries would see to, without
 * making entries: for checks, which read very many leaves that differ little. A leaf that is not
 * found right has to be decoded (catalog-leaf.ts), to learn what is wrong with it.
 *
 * Keys stay bytes: the last one is kept, and of it how long the folders are that it lies in
 * (catalog/folder-trail.ts has the rule that every entry's parent is a folder before it).
 */
import { ByteReader } from "../../base/bytes.ts";
import { EntryType } from "../../base/entry.ts";
import { hasCode } from "../../base/errors.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import { keyBytesMax, nameBytesMax } from "./catalog-keys.ts";
import {
  flagHardLink,
  flagXattrs,
  leafEntriesMax,
  leafTag,
  nodeVersion,
  numberMax,
  readOwners,
  skipBody,
  skipXattrs,
} from "./catalog-leaf.ts";
import type { ChildRef } from "./catalog-node.ts";
import type { OnItem } from "./content-items.ts";

/** A leaf as its parent describes it; keys in it are above `after`. */
export type LeafRef = Omit<ChildRef, "id"> & { readonly after: CatalogKey };

const slash = 0x2f;
const dot = 0x2e;

export class LeafScan {
  readonly #key = Buffer.alloc(keyBytesMax);
  #keyLength = 0;
  /** Where the last name of the key begins. */
  #nameAt = 0;
  #folders: number[] = [];

  /** Lengths of the folders that the last leaf's last key lies in, and its own if it is one. */
  get folders(): readonly number[] {
    return this.#folders;
  }

  /** Goes on behind a leaf that was not scanned. */
  resume(folders: readonly number[]): void {
    this.#folders = [...folders];
  }

  /**
   * Whether the leaf is right. `isNext`: it follows the last one; else whatever is above its first
   * key is taken to be folders. After false, all is as before; `onItem` may have been told of some.
   */
  isRight(bytes: Uint8Array, ref: LeafRef, isNext: boolean, onItem: OnItem): boolean {
    const before = this.#folders;
    this.#folders = [...before];
    const reader = new ByteReader(bytes, "catalog leaf");
    try {
      if (this.#scan(bytes, reader, ref, isNext, onItem)) return true;
    } catch (error) {
      if (!hasCode(error, "object-damaged")) throw error;
    }
    this.#folders = before;
    return false;
  }

  #scan(
    bytes: Uint8Array,
    reader: ByteReader,
    ref: LeafRef,
    isNext: boolean,
    onItem: OnItem,
  ): boolean {
    if (reader.u8() !== leafTag || reader.u8() !== nodeVersion) return false;
    const owners = readOwners(reader).length;
    const count = reader.varint(leafEntriesMax);
    if (count === 0 || count !== ref.entries) return false;
    let ownersUsed = 0;
    let sum = 0;
    this.#keyLength = 0;
    for (let at = 0; at < count; at++) {
      const shared = this.#readKey(reader, bytes);
      if (shared < 0) return false;
      const type = reader.u8();
      if (type < 1 || type > 6) return false;
      const isInPlace = at === 0 ? this.#begin(ref.after, isNext, type) : this.#step(shared, type);
      if (!isInPlace) return false;
      const flags = reader.u8();
      if (flags > (flagXattrs | flagHardLink)) return false;
      reader.varint(0o7777);
      const owner = reader.varint();
      if (owner > ownersUsed || owner >= owners) return false;
      if (owner === ownersUsed) ownersUsed++;
      reader.skip(24);
      const size = type === EntryType.file ? reader.varint() : 0;
      skipBody(reader, type, size, onItem);
      if (flags & flagHardLink) reader.varint(numberMax);
      if (flags & flagXattrs) skipXattrs(reader);
      sum += size;
    }
    reader.end();
    const lastKey = this.#key.latin1Slice(0, this.#keyLength);
    return ownersUsed === owners && sum === ref.bytes && lastKey === ref.lastKey;
  }

  /** How much the key shares with the one before; -1 when it is no key, or not above that one. */
  #readKey(reader: ByteReader, bytes: Uint8Array): number {
    const shared = reader.varint();
    const length = reader.varint();
    const before = this.#keyLength;
    const from = reader.offset;
    if (shared > before || length === 0 || shared + length > keyBytesMax) return -1;
    reader.skip(length);
    const key = this.#key;
    if (shared < before && (bytes[from] as number) <= (key[shared] as number)) return -1;
    for (let at = 0; at < length; at++) key[shared + at] = bytes[from + at] as number;
    this.#keyLength = shared + length;
    return this.#hasNames(shared) ? shared : -1;
  }

  /** Whether the names of the key are names, from the one on in which `shared` lies. */
  #hasNames(shared: number): boolean {
    const key = this.#key;
    const end = this.#keyLength;
    let start = shared;
    while (start > 0 && key[start - 1] !== 0) start--;
    let dots = true;
    for (let at = start; at <= end; at++) {
      const byte = at === end ? 0 : (key[at] as number);
      if (byte === slash) return false;
      if (byte !== 0) {
        if (byte !== dot) dots = false;
        continue;
      }
      const length = at - start;
      if (length === 0 || length > nameBytesMax || (dots && length <= 2)) return false;
      this.#nameAt = start;
      start = at + 1;
      dots = true;
    }
    return true;
  }

  /** The first entry: its key is whole, and held against the last one before the leaf. */
  #begin(after: CatalogKey, isNext: boolean, type: number): boolean {
    const key = this.#key;
    const end = this.#keyLength;
    let shared = 0;
    while (shared < after.length && shared < end && key[shared] === after.charCodeAt(shared)) {
      shared++;
    }
    if (shared === end) return false;
    if (shared < after.length && (key[shared] as number) < after.charCodeAt(shared)) return false;
    if (isNext) return this.#step(shared, type);
    this.#folders = [];
    for (let at = 0; at < this.#nameAt; at++) if (key[at] === 0) this.#folders.push(at);
    return this.#step(end, type);
  }

  /** Whether the parent of the entry is a folder that came before. */
  #step(shared: number, type: number): boolean {
    const folders = this.#folders;
    const key = this.#key;
    const end = this.#keyLength;
    for (let last = folders.at(-1); last !== undefined; last = folders.at(-1)) {
      if (last <= shared && last < end && key[last] === 0) break;
      folders.pop();
    }
    const isTop = this.#nameAt === 0;
    const isInPlace = isTop || folders.at(-1) === this.#nameAt - 1;
    if (type === EntryType.folder) folders.push(end);
    return isInPlace;
  }
}
