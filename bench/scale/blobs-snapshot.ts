/**
 * A repository with millions of blobs that prune and check can work on: every pack is there, as a
 * sparse file of the size that the index says, and a snapshot names all blobs of four packs in
 * five, as a folder with a file for each pack. What is in the packs of data nobody reads; catalog
 * and lists are real.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Entry, EntryType } from "../../src/base/entry.ts";
import { keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { commitSnapshot } from "../../src/engine/commit-snapshot.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { type BuiltCatalog, CatalogBuilder } from "../../src/repo/catalog/catalog-builder.ts";
import { ContentBuilder } from "../../src/repo/format/content-list.ts";
import type { IndexPack } from "../../src/repo/format/index-object.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { type Session, withSession } from "../../src/repo/session.ts";
import { addManyBlobs, type ManyBlobs } from "./many-blobs.ts";

const top = "/blobs";
const unneededEvery = 5;
const timeNs = 1_700_000_000_000_000_000n;

function entry(path: string, type: EntryType): Entry {
  const owner = { uid: 0, gid: 0, user: "", group: "" };
  const times = { mtimeNs: timeNs, ctimeNs: timeNs, inode: 1n };
  const key = keyFromPath(path as RawPath);
  return { key, type, mode: 0o755, ...owner, ...times, size: 0 };
}

/** A file of the size of the pack, with not a block on the disk. */
function putSparse(folder: string, { pack, size }: IndexPack): void {
  const path = join(folder, packObject(pack));
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, "wx");
  ftruncateSync(file, size);
  closeSync(file);
}

/** `folder`: where the repository's local store is. */
export async function addBlobsOfSnapshot(
  repo: Repository,
  folder: string,
  blobs: ManyBlobs,
): Promise<void> {
  await repo.loadIndex();
  await withSession(repo, "bench", async (session) => {
    const built = await withBlobWriter(repo, session, (writer) =>
      addBlobs(repo, folder, blobs, writer),
    );
    await commit(repo, session, built);
  });
}

async function addBlobs(
  repo: Repository,
  folder: string,
  blobs: ManyBlobs,
  writer: BlobWriter,
): Promise<BuiltCatalog> {
  const catalog = new CatalogBuilder({
    cutSeed: repo.keys.cutSeed,
    sink: { putNode: (plaintext) => writer.put(BlobKind.catalog, plaintext) },
  });
  const contents = new ContentBuilder({
    putList: (plaintext) => writer.put(BlobKind.list, plaintext),
  });
  let packs = 0;
  catalog.add(entry(top, EntryType.folder));
  const onPack = async (pack: IndexPack) => {
    putSparse(folder, pack);
    const number = packs++;
    if (number % unneededEvery === 0) return;
    for (const { id, rawLength } of pack.blobs) contents.append(id, rawLength);
    const { size } = contents;
    const file = entry(`${top}/${String(number).padStart(8, "0")}`, EntryType.file);
    catalog.add({ ...file, size, content: contents.finish() });
    await writer.ready();
  };
  await addManyBlobs(repo, { ...blobs, onPack });
  return catalog.finish();
}

async function commit(repo: Repository, session: Session, built: BuiltCatalog): Promise<void> {
  const nowNs = repo.clock.nowNs();
  await commitSnapshot(repo, session, {
    version: 1,
    timeNs: nowNs,
    startedNs: nowNs,
    endedNs: nowNs,
    host: "bench",
    user: "",
    series: "blobs",
    seriesParts: { host: "bench", name: "blobs" },
    tags: [],
    paths: [top as RawPath],
    root: built.root,
    totals: { ...built.totals },
    added: { blobs: 0, bytes: 0, rawBytes: 0 },
    previous: null,
    session: session.id,
    sources: [],
    program: "bench",
    problems: 0,
  });
}
