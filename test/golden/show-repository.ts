/** What the product says of a repository, in the form of expected.json (../fixtures/README.md). */
import { createHash } from "node:crypto";
import { type Entry, EntryType } from "../../src/base/entry.ts";
import { fromHex, indexId, keySlotId, packId, snapshotId, toHex } from "../../src/base/ids.ts";
import { pathFromKey } from "../../src/base/raw-path.ts";
import { decodeKeySlot } from "../../src/repo/format/key-slot.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import { encodeSession } from "../../src/repo/format/session.ts";
import { encodeSnapshot } from "../../src/repo/format/snapshot.ts";
import { openKeySlotInfo } from "../../src/repo/key-slots.ts";
import { openFence, openIndexObject, openSnapshot } from "../../src/repo/objects.ts";
import { readPackFromStore } from "../../src/repo/pack-reader.ts";
import { descriptionName, type Repository } from "../../src/repo/repository.ts";
import { listSessions } from "../../src/repo/session.ts";
import { listTombstones } from "../../src/repo/tombstones.ts";
import { chunksOf } from "../helpers/snapshot-shown.ts";
import type { Json, JsonObject } from "./reader-bytes.ts";

type Shown = Record<string, JsonObject>;

const typeNames = ["", "file", "folder", "symlink", "fifo", "char", "block"];
const kindNames = ["", "data", "catalog", "list"];
const encodingNames = ["raw", "zstd", "zstd on base"];
/** Longer catalogs are shown by their hash alone; paths that are longer are only in the hash. */
const listedEntriesMax = 100;
const listedPathMax = 300;

export async function showRepository(repo: Repository): Promise<JsonObject> {
  await repo.loadIndex();
  const snapshots = await showSnapshots(repo);
  const catalogs: Shown = {};
  for (const { root } of Object.values(snapshots)) {
    catalogs[String(root)] ??= await showCatalog(repo, fromHex(String(root)));
  }
  return {
    description: parse(await repo.store.get(descriptionName)),
    slots: await showSlots(repo),
    sessions: Object.fromEntries(
      (await listSessions(repo.store, repo.keys)).map(({ id, lease }) => [
        id,
        parse(encodeSession(lease)),
      ]),
    ),
    tombstones: await showTombstones(repo),
    fences: await showFences(repo),
    index: await showIndex(repo),
    packs: await showPacks(repo),
    snapshots,
    catalogs,
  };
}

const parse = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as JsonObject;

async function* objects(repo: Repository, folder: string): AsyncGenerator<[string, Uint8Array]> {
  const names: string[] = [];
  for await (const { name } of repo.store.list(folder)) names.push(name);
  for (const name of names.sort()) {
    yield [name.slice(name.lastIndexOf("/") + 1), await repo.store.get(name)];
  }
}

async function showSlots(repo: Repository): Promise<Shown> {
  const shown: Shown = {};
  for await (const [id, bytes] of objects(repo, "keys")) {
    const { kdf } = decodeKeySlot(bytes);
    const info = openKeySlotInfo(repo.keys, keySlotId(id), bytes);
    const cost = kdf.kind === "key-file" ? [] : [kdf.memoryKib, kdf.passes, kdf.parallelism];
    shown[id] = { ...info, createdNs: `${info.createdNs}`, cost };
  }
  return shown;
}

async function showTombstones(repo: Repository): Promise<Shown> {
  const shown: Shown = {};
  for (const { id, tombstone } of await listTombstones(repo)) {
    const sessions = tombstone.sessions.map(({ session, beat }) => [session, beat]);
    shown[id] = { ...tombstone, sessions };
  }
  return shown;
}

async function showFences(repo: Repository): Promise<Shown> {
  const shown: Shown = {};
  for await (const [name, bytes] of objects(repo, "fences")) {
    shown[name] = { ...openFence(repo.keys, name, bytes) };
  }
  return shown;
}

async function showIndex(repo: Repository): Promise<Shown> {
  const shown: Shown = {};
  for await (const [id, bytes] of objects(repo, "index")) {
    const { replaces, packs } = openIndexObject(repo.keys, indexId(id), bytes);
    shown[id] = { replaces, packs: [...packs].map(({ pack }) => pack).sort() };
  }
  return shown;
}

async function showPacks(repo: Repository): Promise<Shown> {
  const states = new Map<string, string>();
  for (const { pack } of repo.index.livingPacks()) states.set(pack, "living");
  for (const pack of repo.index.deadPacks()) states.set(pack, "dead");
  const shown: Shown = {};
  for await (const { name, size } of repo.store.list("packs")) {
    const id = name.slice(name.lastIndexOf("/") + 1);
    const contents = await readPackFromStore(repo.store, repo.keys, packId(id), size);
    const blobs: Record<string, number> = {};
    for (const { kind, encoding } of contents.blobs) {
      const what = `${kindNames[kind]} ${encodingNames[encoding]}`;
      blobs[what] = (blobs[what] ?? 0) + 1;
    }
    shown[id] = { size, state: states.get(id) ?? "unlisted", blobs };
  }
  return shown;
}

async function showSnapshots(repo: Repository): Promise<Shown> {
  const existing = new Set<string>((await repo.snapshots()).map(({ id }) => id));
  const shown: Shown = {};
  for await (const [id, bytes] of objects(repo, "snapshots")) {
    const snapshot = openSnapshot(repo.keys, snapshotId(id), bytes);
    shown[id] = { exists: existing.has(id), ...parse(encodeSnapshot(snapshot)) };
  }
  return shown;
}

export async function showCatalog(repo: Repository, root: Uint8Array): Promise<JsonObject> {
  const catalog = repo.catalogAt(root);
  let height = 0;
  await catalog.walkNodes({
    enter: (_id, level) => {
      height = Math.max(height, (level ?? 0) + (level === undefined ? 0 : 1));
      return true;
    },
  });
  const entries: JsonObject[] = [];
  const contents = new Map<string, JsonObject>();
  for await (const leaf of catalog.leaves()) {
    for (const entry of leaf.entries) entries.push(await showEntry(repo, entry, contents));
  }
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  const sha256 = createHash("sha256").update(lines).digest("hex");
  const shown = { height, totals: totalsOf(entries), sha256 };
  const list = entries.filter(({ path }) => String(path).length <= listedPathMax);
  return entries.length > listedEntriesMax ? shown : { ...shown, list };
}

function totalsOf(entries: readonly JsonObject[]): JsonObject {
  const count = (type: string) => entries.filter((entry) => entry["type"] === type).length;
  const bytes = entries.reduce((sum, { size }) => sum + Number(size ?? 0), 0);
  return { entries: entries.length, files: count("file"), folders: count("folder"), bytes };
}

async function showEntry(
  repo: Repository,
  entry: Entry,
  contents: Map<string, JsonObject>,
): Promise<JsonObject> {
  const { key, type, mode, uid, gid, user, group, mtimeNs, ctimeNs, inode, size } = entry;
  const { content, linkTarget, hardLink, xattrs, rdevMajor, rdevMinor } = entry;
  const times = { mtimeNs: `${mtimeNs}`, ctimeNs: `${ctimeNs}` };
  const owner = { uid, gid, user, group };
  const path: string = pathFromKey(key);
  const what = { path, type: typeNames[type] as string, mode, ...owner, ...times };
  const hasDevice = type === EntryType.charDevice || type === EntryType.blockDevice;
  return {
    ...what,
    inode: `${inode}`,
    ...(type === EntryType.file ? { size, ...(await showContent(repo, content, contents)) } : {}),
    ...(linkTarget === undefined ? {} : { target: linkTarget as string }),
    ...(hasDevice ? { device: [rdevMajor ?? 0, rdevMinor ?? 0] } : {}),
    ...(hardLink === undefined ? {} : { hardLink }),
    ...(xattrs === undefined ? {} : { xattrs: xattrs.map(showXattr) }),
  };
}

const showXattr = ({ name, value }: { name: string; value: Uint8Array }): Json => [
  name,
  Buffer.from(value).toString("base64"),
];

async function showContent(
  repo: Repository,
  content: Entry["content"],
  known: Map<string, JsonObject>,
): Promise<JsonObject> {
  if (content === undefined) throw new Error("a file has content");
  const name = content.items.map(({ id, length }) => `${id && toHex(id)} ${length}`).join();
  const shown = known.get(name) ?? (await readContent(repo, content));
  known.set(name, shown);
  return shown;
}

async function readContent(
  repo: Repository,
  content: NonNullable<Entry["content"]>,
): Promise<JsonObject> {
  const hash = createHash("sha256");
  const holes: number[][] = [];
  const blobs = new Map<string, Uint8Array>();
  let chunks = 0;
  let offset = 0;
  for await (const { id, length } of chunksOf(repo, content)) {
    if (id === null) holes.push([offset, length]);
    else {
      const bytes = blobs.get(toHex(id)) ?? (await repo.blobs.read(BlobKind.data, id));
      blobs.set(toHex(id), bytes);
      hash.update(bytes);
      chunks++;
    }
    offset += length;
  }
  return { depth: content.depth, chunks, holes, sha256: hash.digest("hex") };
}
