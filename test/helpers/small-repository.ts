/**
 * Small repositories with a bit of everything, made without sources and threads: quick enough to be
 * made, damaged and checked thousands of times.
 */
import type { Content, Entry } from "../../src/base/entry.ts";
import { EntryType } from "../../src/base/entry.ts";
import type { SnapshotId } from "../../src/base/ids.ts";
import { sessionId } from "../../src/base/ids.ts";
import type { CatalogKey, RawPath } from "../../src/base/raw-path.ts";
import { pathFromKey } from "../../src/base/raw-path.ts";
import { commitSnapshot } from "../../src/engine/commit-snapshot.ts";
import { BlobHasher } from "../../src/repo/blob-codec.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { CatalogBuilder } from "../../src/repo/catalog/catalog-builder.ts";
import { ContentBuilder, readContent } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import { sealFence } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { buryPacks } from "../../src/repo/tombstones.ts";

/** "a/b" -> pieces of the file; null: a folder. Folders must be given. */
export type Tree = Readonly<Record<string, readonly (string | Buffer | number)[] | null>>;

export const hourNs = 3_600_000_000_000n;
const firstNs = 1_700_000_000_000_000_000n;

/** Bytes that do not compress, the same for the same seed. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

/** Files with a few chunks, shared chunks, a hole, and one whose chunks are in lists. */
export function smallTree(version: number): Tree {
  const tree: Record<string, readonly (string | Buffer | number)[] | null> = {
    home: null,
    "home/empty": [],
    "home/list": Array.from({ length: 150 }, (_, at) => `line ${at} of a long file\n`),
    "home/shared-1": [noise(3000, 1), noise(2000, 2)],
    "home/shared-2": [noise(2000, 2), 5000, "and a hole before this"],
    "home/version": [`this is version ${version}, it says`, noise(500, 100 + version)],
  };
  for (let at = 100; at < 180; at++) tree[`home/small-${at}`] = [`content of ${at}`];
  return tree;
}

export interface SnapshotFacts {
  readonly timeNs?: bigint;
  readonly previous?: SnapshotId | null;
}

/** Stores a tree as a snapshot: data in packs of its own, as writers do. */
export async function storeTree(
  repo: Repository,
  tree: Tree,
  { timeNs = firstNs, previous = null }: SnapshotFacts = {},
): Promise<SnapshotId> {
  const session = await Session.begin(repo, "test");
  try {
    await repo.loadIndex();
    await withBlobWriter(repo, session, async (writer) => storeChunks(repo, writer, tree));
    const { root, totals } = await withBlobWriter(repo, session, async (writer) =>
      storeCatalog(repo, writer, tree),
    );
    return await commitSnapshot(repo, session, {
      version: 1,
      timeNs,
      startedNs: timeNs,
      endedNs: timeNs + 1n,
      host: "testhost",
      user: "tester",
      series: "small",
      seriesParts: { host: "testhost", name: "small" },
      tags: [],
      paths: ["/home" as RawPath],
      root,
      totals,
      added: { blobs: 0, bytes: 0, rawBytes: 0 },
      previous,
      session: session.id,
      sources: [{ kind: "files" }],
      program: "test",
      problems: 0,
    });
  } finally {
    await session.end();
  }
}

function storeChunks(repo: Repository, writer: BlobWriter, tree: Tree): void {
  const hasher = new BlobHasher(repo.keys);
  for (const piece of Object.values(tree).flatMap((pieces) => pieces ?? [])) {
    if (typeof piece === "number") continue;
    const bytes = Buffer.from(piece);
    const id = hasher.id(BlobKind.data, bytes);
    if (writer.claim(BlobKind.data, id)) writer.putClaimed(BlobKind.data, id, bytes);
  }
}

function storeCatalog(repo: Repository, writer: BlobWriter, tree: Tree) {
  const hasher = new BlobHasher(repo.keys);
  const builder = new CatalogBuilder({
    cutSeed: repo.keys.cutSeed,
    sink: { putNode: (plaintext) => writer.put(BlobKind.catalog, plaintext) },
  });
  const keyed = Object.entries(tree).map(([path, pieces]) => ({
    key: path.replaceAll("/", "\0") as CatalogKey,
    pieces,
  }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const { key, pieces } of keyed) builder.add(entryOf(key, pieces, writer, hasher));
  return builder.finish();
}

function entryOf(
  key: CatalogKey,
  pieces: readonly (string | Buffer | number)[] | null,
  writer: BlobWriter,
  hasher: BlobHasher,
): Entry {
  const owner = { uid: 1, gid: 2, user: "u", group: "g" };
  const facts = { key, ...owner, mtimeNs: firstNs, ctimeNs: firstNs, inode: 7n, size: 0 };
  if (pieces === null) return { ...facts, type: EntryType.folder, mode: 0o755 };
  const content = new ContentBuilder({
    putList: (plaintext) => writer.put(BlobKind.list, plaintext),
  });
  for (const piece of pieces) {
    if (typeof piece === "number") content.append(null, piece);
    else {
      const bytes = Buffer.from(piece);
      content.append(hasher.id(BlobKind.data, bytes), bytes.length);
    }
  }
  const { size } = content;
  return { ...facts, type: EntryType.file, mode: 0o644, size, content: content.finish() };
}

/** A file's bytes, read as a restore reads them. */
export async function readFile(repo: Repository, content: Content): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const readList = (id: Uint8Array) => repo.blobs.read(BlobKind.list, id);
  for await (const { id, length } of readContent(content, readList)) {
    parts.push(id === null ? Buffer.alloc(length) : await repo.blobs.read(BlobKind.data, id));
  }
  return Buffer.concat(parts);
}

/** Path -> content, or null for folders, of a snapshot; what is unreadable throws. */
export async function readTree(
  repo: Repository,
  root: Uint8Array,
): Promise<Map<RawPath, Buffer | null>> {
  const files = new Map<RawPath, Buffer | null>();
  for await (const { entries } of repo.catalogAt(root).leaves()) {
    for (const { key, content } of entries) {
      files.set(pathFromKey(key), content === undefined ? null : await readFile(repo, content));
    }
  }
  return files;
}

/** The files of a tree as `readTree` shows them. */
export function plainTree(tree: Tree): Map<RawPath, Buffer | null> {
  const files = new Map<RawPath, Buffer | null>();
  for (const [path, pieces] of Object.entries(tree)) {
    const bytes = pieces?.map((piece) =>
      typeof piece === "number" ? Buffer.alloc(piece) : Buffer.from(piece),
    );
    files.set(`/${path}` as RawPath, bytes === undefined ? null : Buffer.concat(bytes));
  }
  return files;
}

/** One object of each of the kinds that writers and prunes leave behind. */
export async function addLeftovers(repo: Repository): Promise<void> {
  const { store, keys, random } = repo;
  await Session.begin(repo, "left behind");
  const lone = "0".repeat(64) as Parameters<typeof buryPacks>[1][number];
  await buryPacks(repo, [lone]);
  const name = `${sessionId("1".repeat(32))}-${sessionId("2".repeat(32))}`;
  await store.put(`fences/${name}`, sealFence(keys, name, { listed: true, snapshots: [] }, random));
}
