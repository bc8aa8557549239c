/**
 * The second reader's catalogs and contents, written from docs/format.md alone ("Catalog"); see
 * reader.ts. Entries come out as in expected.json; bytes of names as one code unit each.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Cursor, hex, type Json, type JsonObject, MiB, sha256 } from "./reader-bytes.ts";

interface Item {
  readonly length: number;
  readonly id: string | undefined;
}
type Content = { readonly depth: number; readonly items: readonly Item[] };
type Owner = { uid: number; gid: number; user: string; group: string };

/** The plaintext of a blob of kind 1 data, 2 catalog, 3 list; its id in hex. */
export type ReadBlob = (kind: number, id: string) => Buffer;

const typeNames = ["", "file", "folder", "symlink", "fifo", "char", "block"];

export class GoldenCatalogs {
  readonly #blob: ReadBlob;
  readonly #cutSeed: number;
  readonly #contents = new Map<string, { size: number; shown: JsonObject }>();

  constructor(blob: ReadBlob, cutSeed: number) {
    this.#blob = blob;
    this.#cutSeed = cutSeed;
  }

  read(root: string): JsonObject {
    const entries: JsonObject[] = [];
    const top = this.#node(root);
    const height = top[0] === 1 ? 0 : (top[2] as number);
    this.#walk(root, height, entries, true);
    requireOrder(entries);
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
    const count = (type: string) => entries.filter((entry) => entry["type"] === type).length;
    const bytes = entries.reduce((sum, { size }) => sum + Number(size ?? 0), 0);
    const totals = { entries: entries.length, files: count("file"), folders: count("folder") };
    const shown = { height, totals: { ...totals, bytes }, sha256: sha256(lines) };
    const list = entries.filter(({ path }) => String(path).length <= 300);
    return entries.length > 100 ? shown : { ...shown, list };
  }

  #node = (id: string) => this.#blob(2, id);

  /** Reads a node of a level and all below; returns what a parent says of it. */
  #walk(id: string, level: number, entries: JsonObject[], isLast: boolean): Json {
    const cursor = new Cursor(this.#node(id));
    assert.equal(cursor.u8(), level === 0 ? 1 : 2, "type of node");
    assert.equal(cursor.u8(), 1, "version of node");
    const keys: string[] = [];
    const from = entries.length;
    if (level === 0) this.#leaf(cursor, keys, entries, isLast);
    else this.#inner(cursor, keys, level, entries, isLast);
    cursor.end();
    const below = entries.slice(from);
    const bytes = below.reduce((sum, { size }) => sum + Number(size ?? 0), 0);
    return { id, lastKey: keys.at(-1) ?? "", entries: below.length, bytes };
  }

  #leaf(cursor: Cursor, keys: string[], entries: JsonObject[], isLast: boolean): void {
    const owners = cursor.list(() => readOwner(cursor));
    const count = cursor.varint();
    const used = new Set<number>();
    let encodedBefore = cursor.at;
    for (let i = 0; i < count; i++) {
      encodedBefore = cursor.at;
      entries.push(this.#entry(cursor, keys, owners, used));
    }
    assert.deepEqual([...used], [...owners.keys()], "owners stand in the order of first use");
    this.#checkCuts(0, keys, isLast, encodedBefore);
  }

  #inner(cursor: Cursor, keys: string[], level: number, entries: JsonObject[], isLast: boolean) {
    assert.equal(cursor.u8(), level, "level");
    const children = cursor.list(() => {
      const lastKey = readKey(cursor, keys);
      const id = hex(cursor.take(32));
      return { id, lastKey, entries: cursor.varint(), bytes: cursor.varint() };
    });
    for (const [i, child] of children.entries()) {
      const isLastChild = isLast && i === children.length - 1;
      const found = this.#walk(child.id, level - 1, entries, isLastChild);
      assert.deepEqual(found, child, "a child is what its parent says");
    }
    this.#checkCuts(level, keys, isLast, 0);
  }

  /** "Cuts"; `encodedBefore`: a leaf's bytes before its last entry. */
  #checkCuts(level: number, keys: readonly string[], isLast: boolean, encodedBefore: number): void {
    const ends = (key: string, count: number) =>
      (count >= 16 && cut(this.#cutSeed, level, key) < Math.floor(2 ** 32 / 48)) || count >= 256;
    for (const [i, key] of keys.slice(0, -1).entries())
      assert.ok(!ends(key, i + 1), "a node ends where it must");
    assert.ok(encodedBefore < 524_288, "a node ends when it is long");
    const last = keys.at(-1);
    if (!isLast && last !== undefined) assert.ok(ends(last, keys.length), "no node ends early");
  }

  #entry(cursor: Cursor, keys: string[], owners: readonly Owner[], used: Set<number>): JsonObject {
    const key = readKey(cursor, keys);
    const type = cursor.u8();
    assert.ok(type >= 1 && type <= 6, "type");
    const flags = cursor.u8();
    assert.ok(flags < 4, "flags");
    const mode = cursor.varint();
    assert.ok(mode <= 0o7777, "mode");
    const ordinal = cursor.varint();
    const owner = owners[ordinal];
    assert.ok(owner !== undefined, "owner");
    used.add(ordinal);
    const times = { mtimeNs: `${cursor.i64()}`, ctimeNs: `${cursor.i64()}` };
    const inode = `${cursor.u64()}`;
    const path = `/${key.replaceAll("\0", "/")}`;
    const shown = { path, type: typeNames[type] as string, mode, ...owner, ...times, inode };
    const body = this.#body(cursor, type);
    const link = flags & 2 ? { hardLink: cursor.varint() } : {};
    const xattrs = flags & 1 ? { xattrs: readXattrs(cursor) } : {};
    return { ...shown, ...body, ...link, ...xattrs };
  }

  #body(cursor: Cursor, type: number): JsonObject {
    if (type === 1) {
      const size = cursor.varint();
      const content = readItems(cursor);
      assert.ok(content.items.length <= 64, "an entry holds up to 64 items");
      return { size, ...this.#content(content, size) };
    }
    if (type === 3) {
      const target = cursor.take(cursor.varint()).toString("latin1");
      assert.ok(!target.includes("\0"));
      return { target };
    }
    return type >= 5 ? { device: [cursor.varint(), cursor.varint()] } : {};
  }

  /** "Content" */
  #content(content: Content, size: number): JsonObject {
    const name = JSON.stringify(content);
    const known = this.#contents.get(name);
    const found = known ?? { size: 0, shown: {} };
    if (known === undefined) {
      const hash = createHash("sha256");
      const holes: number[][] = [];
      let chunks = 0;
      for (const { id, length } of this.#leafItems(content)) {
        if (id === undefined) holes.push([found.size, length]);
        else {
          hash.update(this.#chunk(id, length));
          chunks++;
        }
        found.size += length;
      }
      const { depth } = content;
      found.shown = { depth, chunks, holes, sha256: hash.digest("hex") };
      this.#contents.set(name, found);
    }
    assert.equal(found.size, size, "the lengths of items add up");
    return found.shown;
  }

  #chunk(id: string, length: number): Buffer {
    const chunk = this.#blob(1, id);
    assert.equal(chunk.length, length);
    return chunk;
  }

  *#leafItems({ depth, items }: Content, isLast = true): Generator<Item> {
    for (const [i, item] of items.entries()) {
      const isLastItem = isLast && i === items.length - 1;
      if (depth === 0) yield item;
      else yield* this.#leafItems(this.#list(item, depth - 1, isLastItem), isLastItem);
    }
  }

  #list({ id, length }: Item, depth: number, isLast: boolean): Content {
    assert.ok(id !== undefined, "holes stand at depth 0 only");
    const cursor = new Cursor(this.#blob(3, id));
    assert.equal(cursor.u8(), 1, "version of a list");
    const list = readItems(cursor);
    cursor.end();
    assert.equal(list.depth, depth);
    assert.ok(list.items.length > 0 && list.items.length <= 1024);
    for (const [i, item] of list.items.entries()) {
      const cuts = i + 1 >= 64 && item.id !== undefined && endsList(item.id);
      const isEnd = i === list.items.length - 1;
      if (!isEnd) assert.ok(!cuts, "a list ends where it must");
      else if (!isLast) assert.ok(cuts || i === 1023, "no list ends early");
    }
    assert.equal(
      list.items.reduce((sum, each) => sum + each.length, 0),
      length,
    );
    return list;
  }
}

const endsList = (id: string) => Buffer.from(id, "hex").readUInt32LE(0) < Math.floor(2 ** 32 / 192);

function cut(seed: number, level: number, key: string): number {
  let h = (seed ^ 0x811c9dc5) >>> 0;
  for (const byte of Buffer.from(key, "latin1")) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  h = (h + Math.imul(level, 0x9e3779b9)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
}

/** Keys ascend over all leaves; every ancestor of an entry is an entry, and a folder. */
function requireOrder(entries: readonly JsonObject[]): void {
  const types = new Map(entries.map(({ path, type }) => [path, type]));
  let before = "";
  for (const { path } of entries) {
    const key = String(path).replaceAll("/", "\0");
    assert.ok(key > before, "keys ascend");
    before = key;
    const parent = String(path).replace(/\/[^/]*$/, "");
    assert.ok(parent === "" || types.get(parent) === "folder", "an entry lies in a folder");
  }
}

function readOwner(cursor: Cursor): Owner {
  const [uid, gid] = [cursor.varint(), cursor.varint()];
  return { uid, gid, user: cursor.text(cursor.u8()), group: cursor.text(cursor.u8()) };
}

function readXattrs(cursor: Cursor): Json {
  const xattrs = cursor.list(() => {
    const name = cursor.take(cursor.u8()).toString("latin1");
    return [name, cursor.take(cursor.varint()).toString("base64")] as const;
  });
  assert.ok(xattrs.length > 0);
  const names = xattrs.map(([name]) => name);
  assert.deepEqual(names, [...new Set(names)].sort(), "attributes ascend");
  return xattrs;
}

/** "Keys of entries"; adds the key to `keys`. */
function readKey(cursor: Cursor, keys: string[]): string {
  const previous = keys.at(-1) ?? "";
  const shared = cursor.varint();
  const rest = cursor.take(cursor.varint()).toString("latin1");
  assert.ok(shared <= previous.length && rest.length > 0 && rest[0] !== previous[shared]);
  const key = previous.slice(0, shared) + rest;
  assert.ok(keys.length === 0 || key > previous, "keys ascend");
  for (const name of key.split("\0"))
    assert.ok(name.length > 0 && name.length <= 255 && !/\/|^\.\.?$/.test(name), "name");
  keys.push(key);
  return key;
}

function readItems(cursor: Cursor): Content {
  const depth = cursor.u8();
  assert.ok(depth <= 8);
  const items = cursor.list(() => {
    const code = BigInt(cursor.varint());
    const length = Number(code / 2n);
    assert.ok(length > 0);
    return { length, id: code % 2n === 1n ? undefined : hex(cursor.take(32)) };
  });
  for (const [i, { id, length }] of items.entries()) {
    assert.ok(id !== undefined || (depth === 0 && (i === 0 || items[i - 1]?.id !== undefined)));
    assert.ok(id === undefined || depth > 0 || length <= 16 * MiB);
  }
  return { depth, items };
}
