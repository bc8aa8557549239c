/**
 * Brings the local cache up to date with the store's `index/` and `tombstones/` (format.md,
 * "Index", "Tombstones"). Both sets only grow in meaning: an object that vanished was merged into
 * another, so one that is listed but cannot be had any more means: list again. Packs are immutable,
 * so the blobs of a pack are taken from the first index object that names it and never again.
 *
 * Index objects are fetched and brought in by groups, each in one transaction, so memory holds one
 * group at a time and a kill leaves a cache that is merely behind. The rows of a group go into the
 * table in the order of their ids (cache/blob-rows.ts). An empty cache is filled with a large index
 * in another way (index-bulk.ts).
 */
import { hasCode, invariant, type VarveError } from "../base/errors.ts";
import { fromHex, type IndexId, indexId, type PackId, toHex, tombstoneId } from "../base/ids.ts";
import type { BlobIndex } from "./blob-index.ts";
import { PackState } from "./blob-index.ts";
import { BlobRows } from "./cache/blob-rows.ts";
import type { Database } from "./cache/cache-database.ts";
import { emptyIfRewound, knownTombstones } from "./cache/rewound-store.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import type { IndexPack } from "./format/index-object.ts";
import { BulkLoad } from "./index-bulk.ts";
import { openIndexObject, openTombstone } from "./objects.ts";
import type { ObjectInfo, Store } from "./store/store.ts";

/** What is far is mostly waited for. */
const fetchesAtOnce = 16;
const nearFetchesAtOnce = 4;
/** Of index objects that are held, and brought in, together; a larger one is a group by itself. */
const groupBytesMax = 40 * 1024 * 1024;
const groupObjectsMax = 1000;
/** Bytes of an index object that a blob takes at least: kind, id, two lengths. */
const blobRecordBytesMin = 35;
const listingsMax = 10;
/** From so many bytes of index objects on, an empty cache is filled in another way. */
const bulkBytesMin = 3 * groupBytesMax;

export interface IndexOnlooker {
  /** Told of index objects and tombstones that do not open, which are left out; else they throw. */
  readonly onDamaged?: (info: ObjectInfo, error: VarveError) => void;
  /** Sees every pack record of every index object that is fetched, after it was taken in. */
  readonly onPack?: (pack: IndexPack, packNo: number) => void;
}

export interface LoadContext extends IndexOnlooker {
  readonly store: Store;
  readonly keys: RepositoryKeys;
  readonly db: Database;
  readonly index: BlobIndex;
  readonly signal?: AbortSignal;
  /** Where temporary files may be; without it, and from fewer bytes on, all goes by groups. */
  readonly bulk?: { readonly folder: string; readonly bytesMin?: number };
  /** Bytes of index objects that were brought in, and of all that have to be; from 0 on. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * After this the index shows every pack that was listed in the store when the call began. Returns
 * the names of the tombstones that were there.
 */
export async function loadIndex(context: LoadContext): Promise<ReadonlySet<string>> {
  for (let listing = 1; ; listing++) {
    // What is listed and waits here would be taken in twice.
    context.index.writeOwn();
    // Before the listing: what another process adds to the cache after it is not gone.
    const known = knownIndexIds(context.db);
    const buried = knownTombstones(context.db);
    const [indexes, tombstones] = await Promise.all([
      listAll(context.store, "index"),
      listAll(context.store, "tombstones"),
    ]);
    try {
      const listed = new Set(tombstones.map(baseName));
      const gone = buried.filter((id) => !listed.has(id));
      if (await emptyIfRewound(context.db, gone, () => buriedPacks(context))) continue;
      await fetchTombstones(context, tombstones);
      await fetchIndexes(context, indexes, known);
      context.index.refresh();
      return new Set(tombstones.map(({ name }) => name));
    } catch (error) {
      // Somebody merged objects between our listing and our reading.
      if (!hasCode(error, "object-absent") || listing === listingsMax) throw error;
    }
  }
}

async function listAll(store: Store, folder: string): Promise<ObjectInfo[]> {
  const infos: ObjectInfo[] = [];
  for await (const info of store.list(folder)) infos.push(info);
  return infos;
}

function baseName(info: ObjectInfo): string {
  return info.name.slice(info.name.lastIndexOf("/") + 1);
}

/** Gets objects, several at once, in order of listing; all that are got are held. */
async function fetchAll(
  context: LoadContext,
  infos: readonly ObjectInfo[],
): Promise<FetchedObject[]> {
  const { store, signal } = context;
  const options = signal === undefined ? {} : { signal };
  const fetched: FetchedObject[] = [];
  let next = 0;
  const work = async () => {
    while (next < infos.length) {
      const at = next++;
      const info = infos[at];
      invariant(info !== undefined, "an object for each name");
      try {
        fetched[at] = { info, bytes: await store.get(info.name, options) };
      } catch (error) {
        // The others begin nothing more.
        next = infos.length;
        throw error;
      }
    }
  };
  const countMax = store.isNear === true ? nearFetchesAtOnce : fetchesAtOnce;
  const works = Array.from({ length: Math.min(countMax, infos.length) }, work);
  // None goes on reading once this has failed.
  await Promise.allSettled(works);
  await Promise.all(works);
  return fetched;
}

/** A few at a time are held. */
async function* fetchEach(
  context: LoadContext,
  infos: readonly ObjectInfo[],
): AsyncGenerator<FetchedObject> {
  for (let at = 0; at < infos.length; at += fetchesAtOnce) {
    yield* await fetchAll(context, infos.slice(at, at + fetchesAtOnce));
  }
}

interface FetchedObject {
  readonly info: ObjectInfo;
  readonly bytes: Uint8Array;
}

function useOrTell({ onDamaged }: LoadContext, info: ObjectInfo, use: () => void): void {
  try {
    use();
  } catch (error) {
    if (onDamaged === undefined || !hasCode(error, "object-damaged", "repo-future")) throw error;
    onDamaged(info, error);
  }
}

async function fetchTombstones(context: LoadContext, listed: readonly ObjectInfo[]): Promise<void> {
  const { db } = context;
  const isKnown = db.prepare("SELECT 1 FROM tombstone WHERE id = ?").pluck();
  const fresh = listed.filter((info) => isKnown.get(fromHex(baseName(info))) === undefined);
  for await (const { info, bytes } of fetchEach(context, fresh)) {
    useOrTell(context, info, () => addTombstone(context, info, bytes));
  }
}

async function* buriedPacks(context: LoadContext): AsyncGenerator<readonly PackId[]> {
  const listed = await listAll(context.store, "tombstones");
  for await (const { info, bytes } of fetchEach(context, listed)) {
    yield openTombstone(context.keys, tombstoneId(baseName(info)), bytes).packs;
  }
}

function addTombstone({ db, keys }: LoadContext, info: ObjectInfo, bytes: Uint8Array): void {
  const tombstone = openTombstone(keys, tombstoneId(baseName(info)), bytes);
  db.transaction(() => {
    const kill = db.prepare("INSERT OR IGNORE INTO dead_pack (id) VALUES (?)");
    for (const pack of tombstone.packs) kill.run(fromHex(pack));
    db.prepare("INSERT OR IGNORE INTO tombstone (id) VALUES (?)").run(fromHex(baseName(info)));
  }).immediate();
}

function knownIndexIds(db: Database): Set<string> {
  const ids = db.prepare("SELECT id FROM index_object").pluck().all() as Uint8Array[];
  return new Set(ids.map(toHex));
}

async function fetchIndexes(
  context: LoadContext,
  listed: readonly ObjectInfo[],
  known: ReadonlySet<string>,
): Promise<void> {
  const { db } = context;
  const present = new Set(listed.map(baseName));
  const fresh = listed.filter((info) => !known.has(baseName(info)));
  await addIndexObjects(context, fresh);
  const gone = [...known].filter((id) => !present.has(id));
  db.transaction(() => {
    removeIndexObjects(db, gone);
    applyStates(db);
  }).immediate();
}

async function addIndexObjects(context: LoadContext, fresh: readonly ObjectInfo[]): Promise<void> {
  const total = fresh.reduce((sum, { size }) => sum + size, 0);
  if (await addInBulk(context, fresh, total)) return;
  const rows = new BlobRows(context.db);
  await eachGroup(context, fresh, total, (group) =>
    context.db.transaction(() => addGroup(context, rows, group)).immediate(),
  );
}

/** `take` may empty the group. */
async function eachGroup(
  context: LoadContext,
  fresh: readonly ObjectInfo[],
  total: number,
  take: (group: FetchedObject[]) => void,
): Promise<void> {
  let done = 0;
  if (total > 0) context.onProgress?.(done, total);
  for (const infos of groupsOf(fresh)) {
    take(await fetchAll(context, infos));
    for (const { size } of infos) done += size;
    context.onProgress?.(done, total);
  }
}

/** False when that is not for this cache, or another process has changed it meanwhile. */
async function addInBulk(
  context: LoadContext,
  fresh: readonly ObjectInfo[],
  total: number,
): Promise<boolean> {
  const { bulk, db, keys } = context;
  if (bulk === undefined || total < (bulk.bytesMin ?? bulkBytesMin)) return false;
  const load = BulkLoad.begin(db, bulk.folder, Math.ceil(total / blobRecordBytesMin));
  if (load === undefined) return false;
  try {
    await eachGroup(context, fresh, total, (group) => {
      for (let next = group.shift(); next !== undefined; next = group.shift()) {
        const { info, bytes } = next;
        const id = indexId(baseName(info));
        useOrTell(context, info, () => {
          const { packs } = openIndexObject(keys, id, bytes);
          load.add({ id, size: info.size }, packs, (pack, no) => context.onPack?.(pack, no));
        });
      }
    });
    return load.finish();
  } finally {
    load.close();
  }
}

function groupsOf(infos: readonly ObjectInfo[]): ObjectInfo[][] {
  const groups: ObjectInfo[][] = [];
  let bytes = 0;
  for (const info of infos) {
    const group = groups.at(-1);
    bytes += info.size;
    if (group === undefined || bytes > groupBytesMax || group.length === groupObjectsMax) {
      groups.push([info]);
      bytes = info.size;
    } else group.push(info);
  }
  return groups;
}

/** Empties `group`: each object's memory is free as soon as it was taken in. */
function addGroup(context: LoadContext, rows: BlobRows, group: FetchedObject[]): void {
  try {
    for (let next = group.shift(); next !== undefined; next = group.shift()) {
      const { info, bytes } = next;
      rows.makeRoom(Math.floor(bytes.length / blobRecordBytesMin));
      const before = rows.count;
      useOrTell(context, info, () => {
        try {
          // A savepoint: of an object that turns out to be damaged nothing stays.
          context.db.transaction(() => addIndexObject(context, rows, info, bytes)).immediate();
        } catch (error) {
          rows.rewind(before);
          throw error;
        }
      });
    }
    rows.write();
  } catch (error) {
    rows.rewind(0);
    throw error;
  }
}

function addIndexObject(
  context: LoadContext,
  rows: BlobRows,
  info: ObjectInfo,
  bytes: Uint8Array,
): void {
  const { db, index } = context;
  const id = indexId(baseName(info));
  const { packs } = openIndexObject(context.keys, id, bytes);
  const indexNo = insertIndexObject(db, id, info.size);
  const link = db.prepare("INSERT OR IGNORE INTO index_pack VALUES (?, ?)");
  const isDead = db.prepare("SELECT 1 FROM dead_pack WHERE id = ?").pluck();
  for (const pack of packs) {
    // Nobody will read the blobs of a dead pack by this index: no rows for them.
    const dead = isDead.get(fromHex(pack.pack)) !== undefined;
    const known = dead ? { ...pack, blobs: [] } : pack;
    const packNo = index.insert(known, PackState.unlisted, null, rows);
    link.run(indexNo, packNo);
    context.onPack?.(pack, packNo);
  }
}

/** The number of an index object's row, made if need be; inside the caller's transaction. */
export function insertIndexObject(db: Database, id: IndexId, size: number): number {
  db.prepare("INSERT OR IGNORE INTO index_object (id, size) VALUES (?, ?)").run(fromHex(id), size);
  return db.prepare("SELECT no FROM index_object WHERE id = ?").pluck().get(fromHex(id)) as number;
}

function removeIndexObjects(db: Database, ids: readonly string[]): void {
  for (const id of ids) {
    const no = db.prepare("SELECT no FROM index_object WHERE id = ?").pluck().get(fromHex(id));
    db.prepare("DELETE FROM index_pack WHERE index_no = ?").run(no);
    db.prepare("DELETE FROM index_object WHERE no = ?").run(no);
  }
}

/**
 * Works out each pack's state anew. When a pack that counted counts no more, the generation goes
 * up, and with it ends what is believed of whole catalogs (whole-roots.ts). Pending packs counted
 * for the run that stored them, which may have believed so.
 */
export function applyStates(db: Database): void {
  const { dead, living, unlisted, pending } = PackState;
  db.exec(`
    UPDATE setting SET value = value + 1 WHERE name = 'generation' AND EXISTS (
      SELECT 1 FROM pack WHERE
        (state IN (${living}, ${pending}) AND id IN (SELECT id FROM dead_pack)) OR
        (state = ${living} AND no NOT IN (SELECT pack_no FROM index_pack)));
    UPDATE pack SET state = ${dead}
      WHERE state != ${dead} AND id IN (SELECT id FROM dead_pack);
    UPDATE pack SET state = ${living}, session = NULL
      WHERE state IN (${unlisted}, ${pending}) AND no IN (SELECT pack_no FROM index_pack);
    UPDATE pack SET state = ${unlisted}
      WHERE state = ${living} AND no NOT IN (SELECT pack_no FROM index_pack);
  `);
  dropDeadRows(db);
}

/**
 * Blobs of dead packs only cost space; they go once they are a quarter of all. The packs' own rows
 * stay as long as an index object names them, so that prune finds the objects to rewrite, and go
 * when none does. Nobody takes another pack for one whose row is gone: numbers are not used again.
 */
function dropDeadRows(db: Database): void {
  const { dead } = PackState;
  const sum = (where: string) =>
    (db.prepare(`SELECT sum(blob_count) FROM pack ${where}`).pluck().get() as number | null) ?? 0;
  const deadBlobs = sum(`WHERE state = ${dead}`);
  if (deadBlobs > 0 && deadBlobs * 4 >= sum("")) {
    db.exec(`
      DELETE FROM blob WHERE pack IN (SELECT no FROM pack WHERE state = ${dead});
      DELETE FROM verified_pack WHERE substr(id, 1, 32) IN (SELECT id FROM dead_pack);
      UPDATE pack SET blob_count = 0 WHERE state = ${dead};
    `);
  }
  // Also those that were dead when an index object was taken in, and never had rows of blobs.
  db.exec(`
    DELETE FROM pack WHERE state = ${dead} AND blob_count = 0
      AND no NOT IN (SELECT pack_no FROM index_pack);
  `);
}
