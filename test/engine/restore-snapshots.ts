/** Makes snapshots from descriptions of entries, so that tests need no source, nor a sane one. */
import { createHash } from "node:crypto";
import { type Content, type Entry, EntryType } from "../../src/base/entry.ts";
import { type CatalogKey, keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { BlobHasher, type BlobSealer } from "../../src/repo/blob-codec.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { CatalogBuilder } from "../../src/repo/catalog/catalog-builder.ts";
import { ContentBuilder } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Snapshot } from "../../src/repo/format/snapshot.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";

/** A chunk of a file, or a hole of so many bytes. */
export type Piece = string | Buffer | number;

export interface Made extends Partial<Omit<Entry, "key" | "content">> {
  /** Absolute, as in RawPath. Folders above are made as needed. */
  readonly path: string;
  readonly pieces?: readonly Piece[];
  /** Instead of what the pieces give. */
  readonly content?: Content;
}

export const file = (path: string, ...pieces: Piece[]): Made => ({ path, pieces });
export const folder = (path: string, more: Partial<Entry> = {}): Made => ({
  ...more,
  path,
  type: EntryType.folder,
});
export const symlink = (path: string, linkTarget: string): Made => ({
  path,
  type: EntryType.symlink,
  linkTarget: linkTarget as RawPath,
});

export const timeOf = (path: string): bigint =>
  1_700_000_000_000_000_000n + createHash("md5").update(path).digest().readBigUInt64LE() / 100n;

const base = {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  user: "",
  group: "",
  ctimeNs: 0n,
  size: 0,
};

function entriesOf(made: readonly Made[]): Map<string, Made> {
  const all = new Map<string, Made>();
  for (const each of made) {
    const names = each.path.slice(1).split("/");
    for (let depth = 1; depth < names.length; depth++) {
      const path = `/${names.slice(0, depth).join("/")}`;
      if (!all.has(path)) all.set(path, folder(path));
    }
    all.set(each.path, each);
  }
  return all;
}

/** Stores the entries, in key order, as a snapshot whose source was `roots`. */
export async function makeSnapshot(
  repo: Repository,
  made: readonly Made[],
  roots: readonly string[] = ["/"],
): Promise<SnapshotRecord> {
  await repo.loadIndex();
  const session = await Session.begin(repo, "test");
  const root = await withBlobWriter(repo, session, async (writer) => {
    const builder = new CatalogBuilder({
      cutSeed: repo.keys.cutSeed,
      sink: { putNode: (plaintext) => writer.put(BlobKind.catalog, plaintext) },
    });
    const sorted = [...entriesOf(made).values()]
      .map((each) => ({ ...each, key: keyFromPath(each.path as RawPath) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    let inode = 100n;
    const data = new DataPacks(repo, writer);
    for (const each of sorted) builder.add(entryOf(each, inode++, writer, data));
    await data.flush();
    return builder.finish().root;
  });
  await session.end();
  await repo.loadIndex();
  const snapshot = { root, paths: roots } as unknown as Snapshot;
  return { id: "", snapshot } as unknown as SnapshotRecord;
}

/** Data blobs in packs of their own, as the workers make them. */
class DataPacks {
  readonly #repo: Repository;
  readonly #writer: BlobWriter;
  readonly #hasher: BlobHasher;
  #sealer: BlobSealer | undefined;

  constructor(repo: Repository, writer: BlobWriter) {
    this.#repo = repo;
    this.#writer = writer;
    this.#hasher = new BlobHasher(repo.keys);
  }

  put(bytes: Uint8Array): Uint8Array {
    const id = this.#hasher.id(BlobKind.data, bytes);
    if (!this.#writer.claim(BlobKind.data, id)) return id;
    if (this.#sealer?.fits(bytes.length) === false) void this.flush();
    this.#sealer ??= this.#repo.newSealer();
    this.#sealer.append(BlobKind.data, id, bytes);
    return id;
  }

  async flush(): Promise<void> {
    const full = this.#sealer;
    this.#sealer = undefined;
    if (full !== undefined) await this.#writer.addPack(full.finish());
  }
}

function entryOf(
  made: Made & { readonly key: CatalogKey },
  inode: bigint,
  writer: BlobWriter,
  data: DataPacks,
): Entry {
  const { path, pieces = [], key, ...more } = made;
  const type = more.type ?? EntryType.file;
  const mode = type === EntryType.folder ? 0o755 : 0o644;
  const entry = { ...base, mode, mtimeNs: timeOf(path), inode, ...more, key, type };
  if (type !== EntryType.file) return entry;
  const builder = new ContentBuilder({
    putList: (plaintext) => writer.put(BlobKind.list, plaintext),
  });
  for (const piece of pieces) {
    if (typeof piece === "number") {
      builder.append(null, piece);
      continue;
    }
    const bytes = Buffer.from(piece);
    builder.append(data.put(bytes), bytes.length);
  }
  const { size } = builder;
  return { ...entry, content: builder.finish(), ...more, size: more.size ?? size };
}
