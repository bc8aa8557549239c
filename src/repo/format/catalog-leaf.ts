/**
 * Catalog leaves: entries in key order (format.md, "Catalog"). One encoding per sequence of
 * entries: owners in order of first use, extended attributes by name, shortest numbers; the
 * decoder accepts nothing else.
 *
 * Decoding checks everything at once but makes objects late: content, attributes and times are
 * read from the leaf's bytes when asked for, because a snapshot of unchanged files asks for few.
 * So entries keep their leaf's bytes alive, and ids and attribute values are views on them.
 */
import { type ByteReader, ByteWriter } from "../../base/bytes.ts";
import { type Entry, EntryType, type StoredEntry, type Xattr } from "../../base/entry.ts";
import { invariant, VarveError } from "../../base/errors.ts";
import { displayPath, pathFromKey } from "../../base/raw-path.ts";
import { KeyDecoder, KeyEncoder } from "./catalog-keys.ts";
import { type OnItem, skipItems, writeItems } from "./content-items.ts";
import { inlineItemsMax } from "./content-list.ts";
import { LeafEntry, type Owner } from "./leaf-entry.ts";

/** Entries in a leaf, whatever the cut hash says. */
export const leafEntriesMax = 256;
/** Bytes of link target. */
export const linkTargetBytesMax = 65_535;
export const xattrsMax = 65_535;
/** Names and values of an entry's attributes, so that a leaf is a blob whatever it holds. */
export const xattrsBytesMax = 8 * 1024 * 1024;

export const leafTag = 1;
export const nodeVersion = 1;
export const flagXattrs = 1;
export const flagHardLink = 2;
export const numberMax = 0xffff_ffff;
const ownersMax = leafEntriesMax;

const noOwner: Owner & { readonly number: number } = {
  uid: -1,
  gid: -1,
  user: "",
  group: "",
  number: 0,
};

function ownerName({ uid, gid, user, group }: Owner): string {
  return `${uid}:${gid}:${user}\0${group}`;
}

/** Encodes the entries of one leaf as they come. */
export class LeafEncoder {
  readonly #entries = new ByteWriter(32 * 1024);
  readonly #owners = new ByteWriter(256);
  readonly #node = new ByteWriter(32 * 1024);
  readonly #ownerNumbers = new Map<string, number>();
  readonly #keys = new KeyEncoder();
  /** Most entries have the owner of the one before. */
  #last = noOwner;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Length of what `finish` would give, less the few bytes that hold the two counts. */
  get bytes(): number {
    return this.#entries.length + this.#owners.length;
  }

  /** Throws `limit-exceeded` for an entry that the format cannot hold; it is as if not added. */
  add(entry: Entry): void {
    requireEncodable(entry);
    const writer = this.#entries;
    this.#keys.write(writer, entry.key);
    const { xattrs, hardLink } = entry;
    const hasXattrs = xattrs !== undefined && xattrs.length > 0;
    invariant(entry.type >= 1 && entry.type <= 6, "an entry has a type");
    invariant(entry.mode >= 0 && entry.mode <= 0o7777, "a mode is permission bits");
    const flags = (hasXattrs ? flagXattrs : 0) | (hardLink === undefined ? 0 : flagHardLink);
    writer.u8(entry.type).u8(flags).varint(entry.mode).varint(this.#ownerOf(entry));
    writer.i64(entry.mtimeNs).i64(entry.ctimeNs);
    writer.u64(BigInt.asUintN(64, entry.inode));
    writeBody(writer, entry);
    if (hardLink !== undefined) writer.varint(hardLink);
    if (hasXattrs) writeXattrs(writer, xattrs);
    this.#count++;
  }

  /** The leaf; lent until the encoder is used again. */
  finish(): Uint8Array {
    this.#node.reset();
    this.#node.u8(leafTag).u8(nodeVersion).varint(this.#ownerNumbers.size);
    this.#node.bytes(this.#owners.view()).varint(this.#count).bytes(this.#entries.view());
    this.#entries.reset();
    this.#owners.reset();
    this.#ownerNumbers.clear();
    this.#last = noOwner;
    this.#keys.reset();
    this.#count = 0;
    return this.#node.view();
  }

  #ownerOf(entry: Entry): number {
    const { uid, gid, user, group } = entry;
    const last = this.#last;
    const isSame =
      last.uid === uid && last.gid === gid && last.user === user && last.group === group;
    if (isSame) return last.number;
    const name = ownerName(entry);
    const number = this.#ownerNumbers.get(name) ?? this.#addOwner(entry, name);
    this.#last = { uid, gid, user, group, number };
    return number;
  }

  #addOwner(entry: Entry, name: string): number {
    this.#owners.varint(entry.uid).varint(entry.gid);
    for (const text of [entry.user, entry.group]) {
      const bytes = Buffer.from(text, "utf8");
      this.#owners.u8(bytes.length).bytes(bytes);
    }
    const number = this.#ownerNumbers.size;
    this.#ownerNumbers.set(name, number);
    return number;
  }
}

function requireEncodable(entry: Entry): void {
  const fault = limitFault(entry);
  if (fault === undefined) return;
  const path = displayPath(pathFromKey(entry.key)).slice(0, 200);
  throw new VarveError("limit-exceeded", `${path} has ${fault} for a catalog.`, {
    hint: "Change it, or exclude it from the snapshot.",
  });
}

/** What an entry has that the format cannot hold; bad keys are found by their encoder. */
function limitFault(entry: Entry): string | undefined {
  const { mtimeNs, ctimeNs, user, group, linkTarget, xattrs } = entry;
  if (!isTime(mtimeNs) || !isTime(ctimeNs)) return "a time too far from today";
  if (isLongName(user) || isLongName(group)) return "too long an owner name";
  if (linkTarget !== undefined && linkTarget.length > linkTargetBytesMax)
    return "too long a link target";
  if (xattrs === undefined) return undefined;
  const xattrBytes = xattrs.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (xattrs.length > xattrsMax || xattrBytes > xattrsBytesMax) return "too many attributes";
  return undefined;
}

const [timeMin, timeMax] = [-(2n ** 63n), 2n ** 63n - 1n];
const isTime = (timeNs: bigint) => timeNs >= timeMin && timeNs <= timeMax;

/** Up to three bytes of UTF-8 for a unit. */
const isLongName = (text: string) => text.length > 85 && Buffer.byteLength(text) > 255;

function writeBody(writer: ByteWriter, entry: Entry): void {
  switch (entry.type) {
    case EntryType.file: {
      const { content, size } = entry;
      invariant(content !== undefined, "a file has content");
      invariant(content.items.length <= inlineItemsMax, "long contents are in lists");
      writer.varint(size);
      writeItems(writer, content.depth, content.items);
      let bytes = 0;
      for (const item of content.items) bytes += item.length;
      invariant(bytes === size, "a file's content is as long as the file");
      break;
    }
    case EntryType.symlink: {
      const { linkTarget = "" } = entry;
      invariant(!linkTarget.includes("\0"), "a link target is a C string");
      writer.varint(linkTarget.length).latin1(linkTarget);
      break;
    }
    case EntryType.charDevice:
    case EntryType.blockDevice:
      writer.varint(entry.rdevMajor ?? 0).varint(entry.rdevMinor ?? 0);
      break;
    default:
      break;
  }
}

function writeXattrs(writer: ByteWriter, xattrs: readonly Xattr[]): void {
  writer.varint(xattrs.length);
  const sorted = [...xattrs].sort((a, b) => (a.name < b.name ? -1 : 1));
  let previous = "";
  for (const { name, value } of sorted) {
    invariant(name.length <= 255 && !name.includes("\0"), "an attribute's name is a name");
    invariant(name > previous, "attributes have names of their own");
    previous = name;
    writer.u8(name.length).latin1(name).varint(value.length).bytes(value);
  }
}

export interface LeafContent {
  readonly entries: readonly StoredEntry[];
  /** Sum of the sizes of the files. */
  readonly bytes: number;
}

/** What follows the tag and the version of a leaf. */
export function decodeLeaf(bytes: Uint8Array, reader: ByteReader): LeafContent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const owners = readOwners(reader);
  const count = reader.varint(leafEntriesMax);
  const keys = new KeyDecoder();
  const entries: StoredEntry[] = [];
  const place = { view, stampAt: 0, bodyAt: 0, tailAt: 0 };
  let ownersUsed = 0;
  let sum = 0;
  for (let at = 0; at < count; at++) {
    const key = keys.read(reader);
    const type = reader.u8();
    const flags = reader.u8();
    if (type < 1 || type > 6) throw reader.damaged(`an entry has the type ${type}`);
    if (flags > (flagXattrs | flagHardLink)) throw reader.damaged("an entry has unknown flags");
    const mode = reader.varint(0o7777);
    const ownerNumber = reader.varint();
    const owner = owners[ownerNumber];
    if (owner === undefined || ownerNumber > ownersUsed) throw reader.damaged("an owner is absent");
    if (ownerNumber === ownersUsed) ownersUsed++;
    place.stampAt = reader.offset;
    reader.skip(24);
    const size = type === EntryType.file ? reader.varint() : 0;
    place.bodyAt = reader.offset;
    skipBody(reader, type, size);
    place.tailAt = reader.offset;
    if (flags & flagHardLink) reader.varint(numberMax);
    if (flags & flagXattrs) skipXattrs(reader);
    const entry = new LeafEntry(key, type as EntryType, flags, mode, owner, size, place);
    // Optional fields are getters that may give undefined: what reading an absent field gives.
    entries.push(entry as unknown as StoredEntry);
    sum += size;
  }
  reader.end();
  if (ownersUsed !== owners.length) throw reader.damaged("an owner is not used");
  if (sum > Number.MAX_SAFE_INTEGER) throw reader.damaged("the sizes are too large");
  return { entries, bytes: sum };
}

/** The table before the entries; no owner comes twice. */
export function readOwners(reader: ByteReader): Owner[] {
  const count = reader.varint(ownersMax);
  const owners: Owner[] = [];
  const seen = new Set<string>();
  for (let at = 0; at < count; at++) {
    const uid = reader.varint(numberMax);
    const gid = reader.varint(numberMax);
    const user = reader.utf8(reader.u8());
    const group = reader.utf8(reader.u8());
    const owner = { uid, gid, user, group };
    seen.add(ownerName(owner));
    owners.push(owner);
  }
  if (seen.size !== count) throw reader.damaged("an owner comes twice");
  return owners;
}

/** Checks what is an entry's own by its type, and steps over it. */
export function skipBody(reader: ByteReader, type: number, size: number, onItem?: OnItem): void {
  if (type === EntryType.file) {
    const { bytes } = skipItems(reader, inlineItemsMax, onItem);
    if (bytes !== size) throw reader.damaged("a file's content is not as long as the file");
  } else if (type === EntryType.symlink) {
    const target = reader.latin1(reader.varint(linkTargetBytesMax));
    if (target.includes("\0")) throw reader.damaged("a link target holds a NUL");
  } else if (type === EntryType.charDevice || type === EntryType.blockDevice) {
    reader.varint(numberMax);
    reader.varint(numberMax);
  }
}

/** Checks attributes and steps over them. */
export function skipXattrs(reader: ByteReader): void {
  const count = reader.varint(xattrsMax);
  if (count === 0) throw reader.damaged("its attributes are none");
  let previous = "";
  let bytes = 0;
  for (let at = 0; at < count; at++) {
    const name = reader.latin1(reader.u8());
    if (name <= previous || name.includes("\0"))
      throw reader.damaged("attributes are not in order");
    previous = name;
    const length = reader.varint();
    reader.skip(length);
    bytes += name.length + length;
  }
  if (bytes > xattrsBytesMax) throw reader.damaged("its attributes are too many");
}
