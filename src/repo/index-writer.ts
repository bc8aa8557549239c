/**
 * Writing and merging index objects. Merging keeps their number small whatever the frequency of
 * snapshots: objects of about the same size are joined eight at a time, so each record is written
 * about log8(size) times in its life and a repository has a few dozen objects.
 *
 * A merged object is put before the parts are removed; anybody may merge at any time, several at
 * once as well: the index is a set and only the union counts (design/concurrency.md, "Packs die
 * once"). Packs that a tombstone names are left out: removal wins for ever.
 */
import { hasCode } from "../base/errors.ts";
import { fromHex, type IndexId, indexId, toHex } from "../base/ids.ts";
import { type EncodedPack, encodePack } from "./format/index-object.ts";
import { insertIndexObject } from "./index-loader.ts";
import { openIndexObject, sealIndexObject } from "./objects.ts";
import type { Repository } from "./repository.ts";
import { deleteAll } from "./store/delete-all.ts";

/** Objects of one size class that are joined. */
const mergeCount = 8;
/** Larger objects are left alone: a merge must fit in memory. */
const mergedBytesMax = 32 * 1024 * 1024;
const smallestClassBytes = 4096;

/**
 * Puts an index object naming `packs`; durable when it resolves. The local cache is told at once,
 * or together with the own packs that wait (blob-index.ts).
 */
export async function writeIndexObject(
  repo: Repository,
  packs: readonly EncodedPack[],
  replaces: readonly IndexId[],
): Promise<IndexId> {
  const { id, bytes } = sealIndexObject(repo.keys, repo.cipher, { packs, replaces }, repo.random);
  await repo.store.put(`index/${id}`, bytes);
  const { db } = repo.cache;
  const ids = packs.map(({ pack }) => pack);
  const size = bytes.length;
  repo.index.afterOwn(() => {
    const indexNo = insertIndexObject(db, id, size);
    const link = db.prepare("INSERT OR IGNORE INTO index_pack VALUES (?, ?)");
    for (const pack of ids) {
      const packNo = repo.index.packNumber(pack);
      if (packNo !== undefined) link.run(indexNo, packNo);
    }
  });
  return id;
}

interface IndexRow {
  readonly id: IndexId;
  readonly size: number;
}

/** Index objects that are worth joining now; empty when there is nothing to gain. */
export function planMerge(objects: readonly IndexRow[]): IndexId[] {
  const classes = new Map<number, IndexRow[]>();
  for (const object of objects) {
    if (object.size * 2 > mergedBytesMax) continue;
    const ratio = Math.max(1, object.size / smallestClassBytes);
    const sizeClass = Math.floor(Math.log(ratio) / Math.log(mergeCount));
    classes.set(sizeClass, [...(classes.get(sizeClass) ?? []), object]);
  }
  for (const rows of classes.values()) {
    if (rows.length < mergeCount) continue;
    const chosen: IndexId[] = [];
    let total = 0;
    for (const row of rows.sort((a, b) => a.size - b.size)) {
      total += row.size;
      if (total > mergedBytesMax) break;
      chosen.push(row.id);
    }
    if (chosen.length > 1) return chosen;
  }
  return [];
}

/**
 * Joins index objects as long as it pays. A crash after the union was put leaves the parts beside
 * it: harmless, and the next merge takes them in.
 *
 * Credentials that may not delete would add a union each time and get rid of no part: whoever has
 * met that once, by this cache, leaves joining to others. `again` tries all the same, for a prune,
 * which is nothing without the right to delete.
 */
export async function mergeIndexObjects(repo: Repository, again = false): Promise<number> {
  if (!again && areJoinsDenied(repo)) return 0;
  let merges = 0;
  for (; merges < 10; merges++) {
    const rows = repo.cache.db.prepare("SELECT id, size FROM index_object").raw().all() as [
      Uint8Array,
      number,
    ][];
    const parts = planMerge(rows.map(([id, size]) => ({ id: indexId(toHex(id)), size })));
    if (parts.length === 0 || !(await joinParts(repo, parts))) break;
  }
  return merges;
}

/**
 * Rewrites the index objects that still name dead packs, without those. Not needed for anything to
 * be right: removal wins anyhow.
 */
export async function rewriteIndexWithoutDead(repo: Repository): Promise<void> {
  const rows = repo.cache.db
    .prepare(
      `SELECT DISTINCT index_object.id, index_object.size FROM index_object
       JOIN index_pack ON index_no = index_object.no JOIN pack ON pack_no = pack.no
       WHERE pack.id IN (SELECT id FROM dead_pack) ORDER BY index_object.size`,
    )
    .raw()
    .all() as [Uint8Array, number][];
  for (let parts: IndexId[] = [], total = 0, at = 0; at < rows.length; at++) {
    const [id, size] = rows[at] as [Uint8Array, number];
    parts.push(indexId(toHex(id)));
    total += size;
    if (total < mergedBytesMax && at + 1 < rows.length) continue;
    if (!(await joinParts(repo, parts))) return;
    parts = [];
    total = 0;
  }
}

const deniedSetting = "joins_denied";

function areJoinsDenied({ cache: { db } }: Repository): boolean {
  return db.prepare("SELECT 1 FROM setting WHERE name = ?").get(deniedSetting) !== undefined;
}

/** False where the store does not let these credentials delete; the cache notes either. */
async function removeParts(repo: Repository, parts: readonly IndexId[]): Promise<boolean> {
  const { db } = repo.cache;
  const names = parts.map((part) => `index/${part}`);
  try {
    await deleteAll(repo.store, names);
  } catch (error) {
    if (!hasCode(error, "store-denied")) throw error;
    db.prepare("INSERT OR REPLACE INTO setting VALUES (?, 1)").run(deniedSetting);
    return false;
  }
  if (names.length > 0) db.prepare("DELETE FROM setting WHERE name = ?").run(deniedSetting);
  return true;
}

/** False when a part is gone, since somebody else is at it, or cannot be removed. */
async function joinParts(repo: Repository, parts: readonly IndexId[]): Promise<boolean> {
  const { db } = repo.cache;
  const isDead = db.prepare("SELECT 1 FROM dead_pack WHERE id = ?").pluck();
  // Decoded a pack at a time: as objects the blobs of all parts would take 300 MB.
  const packs = new Map<string, EncodedPack>();
  for (const part of parts) {
    try {
      const bytes = await repo.store.get(`index/${part}`);
      for (const pack of openIndexObject(repo.keys, part, bytes).packs) {
        if (isDead.get(fromHex(pack.pack)) === undefined) packs.set(pack.pack, encodePack(pack));
      }
    } catch (error) {
      if (hasCode(error, "object-absent")) return false;
      throw error;
    }
  }
  const union = packs.size > 0 ? await writeIndexObject(repo, [...packs.values()], parts) : "";
  const removed = parts.filter((part) => part !== union);
  if (!(await removeParts(repo, removed))) return false;
  db.transaction(() => {
    for (const part of removed) {
      const no = db.prepare("SELECT no FROM index_object WHERE id = ?").pluck().get(fromHex(part));
      db.prepare("DELETE FROM index_pack WHERE index_no = ?").run(no);
      db.prepare("DELETE FROM index_object WHERE no = ?").run(no);
    }
  }).immediate();
  return true;
}
