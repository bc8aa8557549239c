/** Nodes in a Map, and trees of entries to put into catalogs. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { type Content, type Entry, EntryType } from "../../../src/base/entry.ts";
import { VarveError } from "../../../src/base/errors.ts";
import { toHex } from "../../../src/base/ids.ts";
import type { CatalogKey, RawPath } from "../../../src/base/raw-path.ts";
import { CatalogBuilder, type NodeSink } from "../../../src/repo/catalog/catalog-builder.ts";
import { CatalogReader } from "../../../src/repo/catalog/catalog-reader.ts";
import type { NodeSource } from "../../../src/repo/catalog/node-reader.ts";

export const cutSeed = 0x5eed;

export class MemoryNodes implements NodeSink, NodeSource {
  readonly nodes = new Map<string, Uint8Array>();
  /** Ids of all reads and puts since they were last emptied. */
  reads: string[] = [];
  puts: string[] = [];

  putNode(plaintext: Uint8Array): Uint8Array {
    const id = createHash("sha256").update(plaintext).digest();
    this.puts.push(toHex(id));
    if (!this.nodes.has(toHex(id))) this.nodes.set(toHex(id), Uint8Array.from(plaintext));
    return id;
  }

  async readNode(id: Uint8Array): Promise<Uint8Array> {
    this.reads.push(toHex(id));
    const bytes = this.nodes.get(toHex(id));
    if (bytes === undefined) throw new VarveError("blob-absent", "No such node.");
    return bytes;
  }

  readNodes(ids: readonly Uint8Array[]): Promise<Uint8Array[]> {
    return Promise.all(ids.map((id) => this.readNode(id)));
  }

  build(entries: Iterable<Entry>, seed = cutSeed) {
    const builder = new CatalogBuilder({ cutSeed: seed, sink: this });
    for (const entry of entries) builder.add(entry);
    return builder.finish();
  }

  reader(root: Uint8Array): CatalogReader {
    return new CatalogReader(this, root);
  }

  /** All entries of a catalog, by the reader. */
  async entries(root: Uint8Array): Promise<Entry[]> {
    const all: Entry[] = [];
    for await (const leaf of this.reader(root).leaves()) all.push(...leaf.entries);
    return all;
  }
}

export const key = (path: string): CatalogKey => path.replaceAll("/", "\0") as CatalogKey;

const base = {
  mode: 0o644,
  uid: 1000,
  gid: 1000,
  user: "ann",
  group: "staff",
  mtimeNs: 1_700_000_000_123_456_789n,
  ctimeNs: 1_700_000_001_000_000_001n,
  inode: 42n,
  size: 0,
};

export function folder(path: string, changes: Partial<Entry> = {}): Entry {
  return { ...base, key: key(path), type: EntryType.folder, mode: 0o755, ...changes };
}

/** 32 bytes that follow from `seed` and look like a hash. */
function idOf(seed: number): Uint8Array {
  const words = new Uint32Array(8);
  for (let at = 0; at < 8; at++) words[at] = Math.imul(seed * 8 + at + 1, 0x9e37_79b1) >>> 0;
  return new Uint8Array(words.buffer);
}

/** A file whose content follows from `seed`. */
export function file(path: string, seed = 1, changes: Partial<Entry> = {}): Entry {
  const size = 1 + (seed % 10_000);
  const content = { depth: 0, items: [{ id: idOf(seed), length: size }] };
  return { ...base, key: key(path), type: EntryType.file, size, content, ...changes };
}

/** Entries by path, in key order, with the folders above them. */
export function inOrder(entries: Iterable<Entry>): Entry[] {
  const byKey = new Map<string, Entry>();
  for (const entry of entries) {
    for (let at = entry.key.indexOf("\0"); at >= 0; at = entry.key.indexOf("\0", at + 1)) {
      const above = entry.key.slice(0, at);
      const known = byKey.get(above);
      if (known?.type !== EntryType.folder) {
        byKey.set(above, folder("", { key: above as CatalogKey }));
      }
    }
    const isFolderNeeded = byKey.get(entry.key)?.type === EntryType.folder;
    if (!isFolderNeeded) byKey.set(entry.key, entry);
  }
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** A regular tree: `folders` folders of `files` files. */
export function* grid(folders: number, files: number): Generator<Entry> {
  const digits = (value: number) => String(value).padStart(7, "0");
  for (let one = 0; one < folders; one++) {
    yield folder(`d${digits(one)}`);
    for (let two = 0; two < files; two++) {
      yield file(`d${digits(one)}/f${digits(two)}`, one * files + two);
    }
  }
}

const byteName = fc
  .string({ unit: fc.integer({ min: 1, max: 255 }).map((unit) => String.fromCharCode(unit)) })
  .map((text) => text.replaceAll("/", "_").slice(0, 255));
/** Few different names, so that trees share folders, and some strange ones. */
export const anyName = fc
  .oneof(
    { weight: 8, arbitrary: fc.constantFrom("a", "b", "ab", "a.", "A", "c", "..a", "~", "\x01") },
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 999 }).map((value) => `f${value}`) },
    { weight: 1, arbitrary: byteName },
    { weight: 1, arbitrary: fc.constant("x".repeat(255)) },
  )
  .filter((name) => name !== "" && name !== "." && name !== "..");
export const anyKey = fc
  .array(anyName, { minLength: 1, maxLength: 4 })
  .map((names) => names.join("\0") as CatalogKey);

const anyId = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyChunk = fc.record({ id: anyId, length: fc.integer({ min: 1, max: 16_777_216 }) });
const anyItems = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: anyChunk },
    { weight: 1, arbitrary: fc.record({ id: fc.constant(null), length: fc.nat(2 ** 40) }) },
  ),
  { maxLength: 5 },
);
/** Contents as the format wants them: no empty item, holes apart and at depth 0. */
export const anyContent: fc.Arbitrary<Content> = fc
  .record({ depth: fc.constantFrom(0, 0, 0, 1, 2), items: anyItems })
  .map(({ depth, items }) => ({
    depth,
    items: items.filter(
      ({ id, length }, at) =>
        length > 0 && (id !== null || (depth === 0 && (at === 0 || items[at - 1]?.id !== null))),
    ),
  }));

const anyTime = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const anyMeta = fc.record({
  mode: fc.nat(0o7777),
  uid: fc.oneof(fc.constantFrom(0, 1000), fc.nat(0xffff_ffff)),
  gid: fc.constantFrom(0, 1000, 65_534),
  user: fc.constantFrom("", "root", "ann", "jürgen"),
  group: fc.constantFrom("", "root", "日本"),
  mtimeNs: anyTime,
  ctimeNs: anyTime,
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});
const anyBytes = fc.uint8Array({ maxLength: 40 });
const anyXattrs = fc
  .uniqueArray(fc.record({ name: anyName, value: anyBytes }), {
    selector: (xattr) => xattr.name,
    maxLength: 3,
  })
  .map((xattrs) => xattrs.sort((a, b) => (a.name < b.name ? -1 : 1)));

function bodyOf(type: EntryType, content: Content, target: string): Partial<Entry> {
  if (type === EntryType.file) {
    return { content, size: content.items.reduce((sum, item) => sum + item.length, 0) };
  }
  if (type === EntryType.symlink) return { linkTarget: target as RawPath };
  const isDevice = type === EntryType.charDevice || type === EntryType.blockDevice;
  return isDevice ? { rdevMajor: content.items.length, rdevMinor: 0xffff_ffff } : {};
}

export const anyEntry: fc.Arbitrary<Entry> = fc
  .record({
    key: anyKey,
    type: fc.constantFrom(...Object.values(EntryType)),
    meta: anyMeta,
    content: anyContent,
    target: anyName,
    xattrs: anyXattrs,
    hardLink: fc.option(fc.nat(100), { nil: undefined }),
  })
  .map(({ key, type, meta, content, target, xattrs, hardLink }) => ({
    key,
    type,
    ...meta,
    size: 0,
    ...bodyOf(type, content, target),
    ...(xattrs.length > 0 ? { xattrs } : {}),
    ...(hardLink === undefined ? {} : { hardLink }),
  }));

/** Up to a few hundred entries that make a tree. */
export const anyTree: fc.Arbitrary<Entry[]> = fc
  .array(
    fc.oneof(
      { weight: 1, arbitrary: anyEntry },
      {
        weight: 6,
        arbitrary: fc.tuple(anyKey, fc.nat(50)).map(([path, seed]) => file(path, seed)),
      },
    ),
    { maxLength: 400, size: "max" },
  )
  .map(inOrder);
