/**
 * An entry that reads what it is asked for from its leaf's bytes, which catalog-leaf.ts has
 * checked. Its fields are getters: `{ ...entry }` copies almost nothing, `plainEntry` does.
 */
import { ByteReader } from "../../base/bytes.ts";
import { type Content, type Entry, EntryType, type Xattr } from "../../base/entry.ts";
import type { CatalogKey, RawPath } from "../../base/raw-path.ts";
import { readItems } from "./content-items.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
}

/** Where the parts of an entry are in its leaf. */
export interface LeafPlace {
  /** All of the leaf. */
  readonly view: DataView;
  /** mtime, ctime, inode. */
  readonly stampAt: number;
  /** Content, link target or device numbers. */
  readonly bodyAt: number;
  /** Hard link, then attributes. */
  readonly tailAt: number;
}

const what = "catalog leaf";
const flagXattrs = 1;
const flagHardLink = 2;

export class LeafEntry {
  readonly key: CatalogKey;
  readonly type: EntryType;
  readonly mode: number;
  readonly size: number;
  readonly stampView: DataView;
  readonly stampAt: number;
  readonly #flags: number;
  readonly #bodyAt: number;
  readonly #tailAt: number;
  readonly #owner: Owner;
  #content: Content | undefined;

  /** Copies `place`, which may change afterwards: an object less for each of very many entries. */
  constructor(
    key: CatalogKey,
    type: EntryType,
    flags: number,
    mode: number,
    owner: Owner,
    size: number,
    place: LeafPlace,
  ) {
    this.key = key;
    this.type = type;
    this.mode = mode;
    this.size = size;
    this.stampView = place.view;
    this.stampAt = place.stampAt;
    this.#flags = flags;
    this.#bodyAt = place.bodyAt;
    this.#tailAt = place.tailAt;
    this.#owner = owner;
  }

  get uid(): number {
    return this.#owner.uid;
  }

  get gid(): number {
    return this.#owner.gid;
  }

  get user(): string {
    return this.#owner.user;
  }

  get group(): string {
    return this.#owner.group;
  }

  get mtimeNs(): bigint {
    return this.stampView.getBigInt64(this.stampAt, true);
  }

  get ctimeNs(): bigint {
    return this.stampView.getBigInt64(this.stampAt + 8, true);
  }

  get inode(): bigint {
    return this.stampView.getBigUint64(this.stampAt + 16, true);
  }

  get content(): Content | undefined {
    if (this.type !== EntryType.file) return undefined;
    this.#content ??= readItems(this.#readerAt(this.#bodyAt));
    return this.#content;
  }

  get linkTarget(): RawPath | undefined {
    if (this.type !== EntryType.symlink) return undefined;
    const reader = this.#readerAt(this.#bodyAt);
    return reader.latin1(reader.varint()) as RawPath;
  }

  get rdevMajor(): number | undefined {
    return this.#isDevice() ? this.#readerAt(this.#bodyAt).varint() : undefined;
  }

  get rdevMinor(): number | undefined {
    if (!this.#isDevice()) return undefined;
    const reader = this.#readerAt(this.#bodyAt);
    reader.varint();
    return reader.varint();
  }

  get hardLink(): number | undefined {
    if ((this.#flags & flagHardLink) === 0) return undefined;
    return this.#readerAt(this.#tailAt).varint();
  }

  get xattrs(): readonly Xattr[] | undefined {
    if ((this.#flags & flagXattrs) === 0) return undefined;
    const reader = this.#readerAt(this.#tailAt);
    if ((this.#flags & flagHardLink) !== 0) reader.varint();
    const xattrs: Xattr[] = new Array(reader.varint());
    for (let at = 0; at < xattrs.length; at++) {
      const name = reader.latin1(reader.u8());
      xattrs[at] = { name, value: reader.bytes(reader.varint()) };
    }
    return xattrs;
  }

  #isDevice(): boolean {
    return this.type === EntryType.charDevice || this.type === EntryType.blockDevice;
  }

  #readerAt(offset: number): ByteReader {
    const { buffer, byteOffset, byteLength } = this.stampView;
    const reader = new ByteReader(new Uint8Array(buffer, byteOffset, byteLength), what);
    reader.offset = offset;
    return reader;
  }
}

/** The same entry as a plain object that can be spread, compared and kept; buffers stay shared. */
export function plainEntry(entry: Entry): Entry {
  const { content, linkTarget, rdevMajor, rdevMinor, xattrs, hardLink } = entry;
  return {
    key: entry.key,
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    user: entry.user,
    group: entry.group,
    mtimeNs: entry.mtimeNs,
    ctimeNs: entry.ctimeNs,
    inode: entry.inode,
    size: entry.size,
    ...(content === undefined ? {} : { content }),
    ...(linkTarget === undefined ? {} : { linkTarget }),
    ...(rdevMajor === undefined ? {} : { rdevMajor }),
    ...(rdevMinor === undefined ? {} : { rdevMinor }),
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(hardLink === undefined ? {} : { hardLink }),
  };
}
