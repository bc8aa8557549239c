/**
 * The entries of the golden repositories' synthetic snapshots, one of everything that format.md
 * knows, and the writing of them; used once, by make-fixture.ts.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Content, type Entry, EntryType, type Xattr } from "../../src/base/entry.ts";
import { type CatalogKey, keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { type BlobBase, BlobHasher, type BlobSealer } from "../../src/repo/blob-codec.ts";
import type { BlobWriter } from "../../src/repo/blob-writer.ts";
import { CatalogBuilder } from "../../src/repo/catalog/catalog-builder.ts";
import { ContentBuilder } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";

/** Bytes of a chunk, or the length of a hole. */
export type Piece = Buffer | number;

export interface GoldenEntry extends Partial<Omit<Entry, "key" | "content">> {
  /** Absolute, bytes as code units. */
  readonly path: string;
  readonly pieces?: readonly Piece[];
  /** The chunks are compressed against this one. */
  readonly base?: Buffer;
  /** With a base: 1 unless it says otherwise. */
  readonly generation?: number;
}

/** Bytes that no compressor makes smaller, the same in every run. */
export function noise(name: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) {
    parts.push(createHash("sha256").update(`${name} ${i}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** Text that compresses. */
export function prose(name: string, lines: number): Buffer {
  const words = ["pack", "blob", "chunk", "index", "catalog", "snapshot", "lease", "fence"];
  const line = (i: number) => {
    const picks = createHash("md5").update(`${name} ${i}`).digest();
    return [...picks.subarray(0, 6)].map((byte) => words[byte % words.length]).join(" ");
  };
  return Buffer.from(Array.from({ length: lines }, (_, i) => `${i}: ${line(i)}\n`).join(""));
}

export const folder = (path: string, more: Partial<Entry> = {}): GoldenEntry => ({
  mode: 0o755,
  ...more,
  path,
  type: EntryType.folder,
});
const file = (path: string, ...pieces: Piece[]): GoldenEntry => ({ path, pieces });
const symlink = (path: string, target: string): GoldenEntry => ({
  path,
  type: EntryType.symlink,
  mode: 0o777,
  linkTarget: target as RawPath,
});
const xattr = (name: string, value: string | Buffer): Xattr => ({
  name,
  value: Buffer.from(value),
});

/** As getfacl shows it: user::rw-, user:1000:r--, group::r--, mask::r--, other::---. */
const acl = Buffer.from(
  "0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff",
  "hex",
);
/** cap_net_raw=ep */
const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");

export const story = prose("story", 60);
const longName = `${"long-".repeat(50)}12345`;
const odd = "caf\xe9 \xff\xfe"; // Latin-1 and no UTF-8 at all.
const owner = (uid: number, gid: number, user: string, group: string) => ({
  uid,
  gid,
  user,
  group,
});

/** Everything but long contents and many entries. */
export function everything(): GoldenEntry[] {
  const times = { mtimeNs: 1_700_000_000_000_000_077n, ctimeNs: 1_700_000_000_000_000_078n };
  const twoNames = { pieces: [prose("linked", 5)], inode: 77n, hardLink: 0, ...times };
  const linkNames = { inode: 78n, hardLink: 0, ...times };
  return [
    folder("/golden", { mode: 0o1777 }),
    folder("/golden/empty folder"),
    folder("/golden/private", { mode: 0o700, ...owner(1000, 1000, "anna", "staff") }),
    { ...file("/golden/private/key", noise("key", 32)), mode: 0o600, uid: 1000, user: "anna" },
    file("/golden/empty"),
    file("/golden/raw", noise("raw", 700)),
    file("/golden/text", story),
    { ...file("/golden/text edited", edited(story)), base: story },
    file("/golden/chunks", prose("a", 9), noise("b", 64), prose("a", 9), prose("c", 30)),
    file("/golden/sparse", 65_536, noise("in a hole", 300), 1_000_000, prose("after", 3), 1),
    file("/golden/large hole", prose("start", 1), 8_589_934_592, prose("end", 1)),
    file("/golden/only a hole", 12_345),
    { ...file("/golden/setuid", prose("setuid", 4)), mode: 0o6755 },
    { path: "/golden/linked", ...twoNames },
    { path: "/golden/private/linked too", ...twoNames },
    { path: "/golden/other device", ...twoNames, hardLink: 1 },
    symlink("/golden/symlink", "../golden/text"),
    symlink("/golden/dangling", `nowhere/${odd}`),
    { ...symlink("/golden/symlink with names", "raw"), ...linkNames },
    { ...symlink("/golden/symlink, second name", "raw"), ...linkNames },
    { path: "/golden/fifo", type: EntryType.fifo, mode: 0o640 },
    { path: "/golden/tty", type: EntryType.charDevice, rdevMajor: 4, rdevMinor: 64 },
    { path: "/golden/disk", type: EntryType.blockDevice, rdevMajor: 4095, rdevMinor: 1_048_575 },
    {
      ...file("/golden/attributes", prose("xattr", 2)),
      xattrs: [
        xattr("security.capability", capability),
        xattr("system.posix_acl_access", acl),
        xattr("user.empty", ""),
        xattr("user.\xff not text", noise("value", 40)),
      ],
    },
    folder("/golden/inherits", { xattrs: [xattr("system.posix_acl_default", acl)] }),
    file(`/golden/${odd}`, prose("odd", 1)),
    file("/golden/\u00e4\u00c3\u00a4", prose("half UTF-8", 1)),
    file("/golden/line\nbreak\x01\x7f", prose("control", 1)),
    file("/golden/ \t", prose("blank", 1)),
    file("/golden/-rf", prose("option", 1)),
    file("/golden/..x", prose("dots", 1)),
    file(`/golden/${longName}`, prose("255", 1)),
    ...deepFolders("/golden/deep", 24),
    { ...file("/golden/before 1970", prose("1969", 1)), mtimeNs: -1_500_000_001n },
    { ...file("/golden/after 2038", prose("2040", 1)), mtimeNs: 2_208_988_800_987_654_321n },
    { ...file("/golden/first time", prose("1677", 1)), mtimeNs: -(2n ** 63n) },
    { ...file("/golden/last time", prose("2262", 1)), mtimeNs: 2n ** 63n - 1n },
    { ...file("/golden/large numbers", prose("nobody", 1)), ...largest },
    { ...file("/golden/group only", prose("group", 1)), ...owner(0, 5, "", "tty") },
    file("/golden\x01after the folder's content", prose("order", 1)),
    file("/golden2", prose("order", 2)),
  ];
}

const largest = {
  ...owner(4_294_967_294, 4_294_967_294, "n\u00c3\u00b6body", ""),
  inode: 2n ** 64n - 1n,
};

export function edited(text: Buffer): Buffer {
  return Buffer.concat([text.subarray(0, 700), Buffer.from("edited\n"), text.subarray(700)]);
}

/** Of the story: each edition lies on the one before, the last one so deep as can be. */
export function editions(): GoldenEntry[] {
  const entries: GoldenEntry[] = [];
  let base = edited(story);
  for (const [name, generation] of Object.entries({ "": 3, " again": 7, " at last": 135 })) {
    const edition = edited(base);
    entries.push({ path: `/golden/text${name}`, pieces: [edition], base, generation });
    base = edition;
  }
  return entries;
}

/** Folders in folders, names of 200 bytes, so that paths get longer than 4,096 bytes. */
function deepFolders(top: string, depth: number): GoldenEntry[] {
  const paths = Array.from({ length: depth }, (_, i) => `${top}${`/${"d".repeat(200)}`.repeat(i)}`);
  const last = file(`${paths.at(-1)}/bottom`, prose("bottom", 1));
  return [...paths.map((path) => folder(path)), last];
}

/** Writes a catalog's blobs; the data go into packs of their own. */
export class GoldenWriter {
  readonly #repo: Repository;
  readonly #writer: BlobWriter;
  readonly #hasher: BlobHasher;
  readonly #sealer: BlobSealer;
  /** The node that nodes are compressed against, when one is given. */
  readonly #nodeBase: BlobBase | undefined;
  readonly nodes: BlobBase[] = [];

  constructor(repo: Repository, writer: BlobWriter, nodeBase?: BlobBase) {
    this.#repo = repo;
    this.#writer = writer;
    this.#hasher = new BlobHasher(repo.keys);
    this.#sealer = repo.newSealer();
    this.#nodeBase = nodeBase;
  }

  catalog(entries: readonly GoldenEntry[]): Uint8Array {
    const sink = { putNode: (plaintext: Uint8Array) => this.#putNode(plaintext) };
    const builder = new CatalogBuilder({ cutSeed: this.#repo.keys.cutSeed, sink });
    const keyed = entries.map((each) => ({ ...each, key: keyFromPath(each.path as RawPath) }));
    keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const [i, entry] of keyed.entries()) builder.add(this.#entry(entry, i));
    const { root } = builder.finish();
    if (this.#sealer.blobCount > 0) void this.#writer.addPack(this.#sealer.finish());
    return root;
  }

  #putNode(plaintext: Uint8Array): Uint8Array {
    const id = this.#hasher.id(BlobKind.catalog, plaintext);
    this.nodes.push({ id, plaintext: Uint8Array.from(plaintext), generation: 1 });
    if (this.#nodeBase === undefined) return this.#writer.put(BlobKind.catalog, plaintext);
    if (this.#writer.claim(BlobKind.catalog, id)) {
      this.#sealer.append(BlobKind.catalog, id, plaintext, this.#nodeBase);
    }
    return id;
  }

  #entry(golden: GoldenEntry & { readonly key: CatalogKey }, ordinal: number): Entry {
    const { path: _, pieces = [], base, generation = 1, key, ...more } = golden;
    const type = more.type ?? EntryType.file;
    const time = 1_700_000_000_000_000_000n + BigInt(ordinal) * 1_000_000_007n;
    const meta = {
      mode: 0o644,
      ...owner(0, 0, "root", "root"),
      mtimeNs: time,
      ctimeNs: time + 5n,
      inode: BigInt(1000 + ordinal),
      size: 0,
      ...more,
      key,
      type,
    };
    if (type !== EntryType.file) return meta;
    const content = this.#content(pieces, base, generation);
    const size = pieces.reduce<number>((sum, each) => sum + lengthOf(each), 0);
    return { ...meta, size, content };
  }

  #content(pieces: readonly Piece[], base: Buffer | undefined, generation: number): Content {
    const putList = (plaintext: Uint8Array) => this.#writer.put(BlobKind.list, plaintext);
    const builder = new ContentBuilder({ putList });
    for (const piece of pieces) {
      const id = typeof piece === "number" ? null : this.#data(piece, base, generation);
      builder.append(id, lengthOf(piece));
    }
    return builder.finish();
  }

  #data(bytes: Buffer, base: Buffer | undefined, generation: number): Uint8Array {
    const id = this.#hasher.id(BlobKind.data, bytes);
    if (!this.#writer.claim(BlobKind.data, id)) return id;
    if (base === undefined) {
      this.#sealer.append(BlobKind.data, id, bytes);
      return id;
    }
    const baseId = this.#hasher.id(BlobKind.data, base);
    const blobBase = { id: baseId, plaintext: base, generation };
    assert.equal(this.#sealer.append(BlobKind.data, id, bytes, blobBase).encoding, 2);
    return id;
  }
}

const lengthOf = (piece: Piece) => (typeof piece === "number" ? piece : piece.length);
