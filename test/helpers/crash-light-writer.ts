/**
 * Makes snapshots as engine/snapshot.ts does, in the same order and with the same looks at the
 * store, but of files that are in memory and without worker threads, so that thousands of runs can
 * be tried and a seed fixes all of them.
 */
import { createHash } from "node:crypto";
import { type Content, type Entry, EntryType } from "../../src/base/entry.ts";
import { hasCode } from "../../src/base/errors.ts";
import type { BlobId, SnapshotId } from "../../src/base/ids.ts";
import { type CatalogKey, keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { commitSnapshot } from "../../src/engine/commit-snapshot.ts";
import { chooseBase } from "../../src/engine/snapshot/base-choice.ts";
import { isContentPresent } from "../../src/engine/snapshot/content-presence.ts";
import { type BlobBase, BlobHasher } from "../../src/repo/blob-codec.ts";
import { standingCopy } from "../../src/repo/blob-lookup.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { type BuiltCatalog, CatalogBuilder } from "../../src/repo/catalog/catalog-builder.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Snapshot } from "../../src/repo/format/snapshot.ts";
import { mergeIndexObjects } from "../../src/repo/index-writer.ts";
import { adoptPendingPacks } from "../../src/repo/pending-packs.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { type Session, withSession } from "../../src/repo/session.ts";
import type { Shown } from "./snapshot-shown.ts";

/** Names and contents of the files of one folder. */
export type LightTree = ReadonlyMap<string, Buffer>;

const attemptsMax = 3;
const timeNs = 1_600_000_000_000_000_000n;

export const lightRoot = (series: string) => `/${series}`;

export function shownByLight(series: string, tree: LightTree): Shown {
  const shown: Shown = { [lightRoot(series)]: `folder 755 ${timeNs}` };
  for (const [name, bytes] of tree) {
    const hash = createHash("sha256").update(bytes).digest("hex");
    shown[`${lightRoot(series)}/${name}`] = `file 644 ${timeNs} ${bytes.length} ${hash}`;
  }
  return shown;
}

export async function takeLight(
  repo: Repository,
  series: string,
  tree: LightTree,
): Promise<SnapshotId> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withSession(repo, "snapshot", (session) => run(repo, session, series, tree));
    } catch (error) {
      if (!hasCode(error, "session-fenced") || attempt === attemptsMax) throw error;
    }
  }
}

async function run(repo: Repository, session: Session, series: string, tree: LightTree) {
  await repo.loadIndex();
  const { view } = repo;
  const records = await repo.snapshots();
  const parent = records.filter(({ snapshot }) => snapshot.series === series).at(-1);
  const built = await withBlobWriter(repo, session, async (writer) => {
    await adoptPendingPacks(repo, writer);
    const before = await parentContents(repo, parent?.snapshot.root);
    const isWhole =
      parent !== undefined && repo.wholeRoots.isWhole(parent.snapshot.root, view.generation);
    return build(repo, writer, series, tree, { before, isWhole });
  });
  const id = await commitSnapshot(repo, session, manifest(repo, session, series, built), view);
  repo.wholeRoots.remember(built.root, view.generation);
  await mergeIndexObjects(repo);
  return id;
}

interface Parent {
  readonly before: ReadonlyMap<CatalogKey, Content>;
  readonly isWhole: boolean;
}

/** Of the parent's files; nothing of what cannot be read. */
async function parentContents(repo: Repository, root: Uint8Array | undefined) {
  const contents = new Map<CatalogKey, Content>();
  if (root === undefined) return contents;
  for await (const leaf of repo.catalogAt(root).leaves({ onDamage: () => undefined })) {
    for (const { key, content } of leaf.entries) if (content) contents.set(key, content);
  }
  return contents;
}

async function build(
  repo: Repository,
  writer: BlobWriter,
  series: string,
  tree: LightTree,
  { before, isWhole }: Parent,
): Promise<BuiltCatalog> {
  const hasher = new BlobHasher(repo.keys);
  const builder = new CatalogBuilder({
    cutSeed: repo.keys.cutSeed,
    sink: {
      putNode: (plaintext) => writer.put(BlobKind.catalog, plaintext),
      hasNode: (id) => writer.has(BlobKind.catalog, id),
    },
  });
  builder.add(entryOf(lightRoot(series), EntryType.folder));
  for (const [name, bytes] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const id = hasher.id(BlobKind.data, bytes);
    const entry = entryOf(`${lightRoot(series)}/${name}`, EntryType.file);
    const known = before.get(entry.key);
    const isKnown = known?.items[0]?.id && Buffer.compare(known.items[0].id, id) === 0;
    if (!isKnown || !(isWhole || (await isContentPresent(repo, known)))) {
      if (writer.claim(BlobKind.data, id)) await putData(repo, writer, id, bytes, known);
    }
    const content = { depth: 0, items: [{ id, length: bytes.length }] };
    builder.add({ ...entry, size: bytes.length, content });
  }
  return builder.finish();
}

/** On the base that a worker would take, if what it stands in the place of has one. */
async function putData(
  repo: Repository,
  writer: BlobWriter,
  id: BlobId,
  bytes: Buffer,
  known: Content | undefined,
): Promise<void> {
  const base = await baseFor(repo, known?.items[0]?.id ?? undefined);
  const sealer = repo.newSealer();
  const isOn = base && sealer.appendOnBase(BlobKind.data, id, bytes, base) !== undefined;
  if (isOn === true) await writer.addPack(sealer.finish());
  else writer.putClaimed(BlobKind.data, id, bytes);
}

async function baseFor(repo: Repository, like: BlobId | undefined): Promise<BlobBase | undefined> {
  const copy = like && standingCopy(repo.index, BlobKind.data, like);
  const chosen = like && copy && chooseBase(like, copy);
  if (chosen === undefined) return undefined;
  const { id, generation } = chosen;
  const intact = await repo.blobs.findIntact(BlobKind.data, id);
  return intact && { id, plaintext: intact.plaintext, generation };
}

function entryOf(path: string, type: EntryType): Entry {
  const mode = type === EntryType.folder ? 0o755 : 0o644;
  const owner = { uid: 0, gid: 0, user: "", group: "" };
  const times = { mtimeNs: timeNs, ctimeNs: timeNs };
  return { key: keyFromPath(path as RawPath), type, mode, ...owner, ...times, inode: 1n, size: 0 };
}

function manifest(
  repo: Repository,
  session: Session,
  series: string,
  { root, totals }: BuiltCatalog,
): Snapshot {
  const nowNs = repo.clock.nowNs();
  return {
    version: 1,
    timeNs: nowNs,
    startedNs: nowNs,
    endedNs: nowNs,
    host: series,
    user: "",
    series,
    seriesParts: { host: series, name: series },
    tags: [],
    paths: [lightRoot(series) as RawPath],
    root,
    totals: { ...totals },
    added: { blobs: 0, bytes: 0, rawBytes: 0 },
    previous: null,
    session: session.id,
    sources: [],
    program: "test",
    problems: 0,
  };
}
