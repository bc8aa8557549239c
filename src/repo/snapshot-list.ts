/**
 * The snapshots of a repository. Sealed manifests are kept in the local cache as they are in the
 * store, so that a listing fetches only what is new; and once they are many, opened ones in groups
 * (cache/snapshot-groups.ts). A manifest that does not open is reported beside the others, never
 * dropped: prune must not run while one is unreadable.
 */
import { hasCode, type VarveError } from "../base/errors.ts";
import { fromHex, type SnapshotId, snapshotId } from "../base/ids.ts";
import type { Database } from "./cache/cache-database.ts";
import type { SnapshotGroup, SnapshotGroups } from "./cache/snapshot-groups.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import { loadFences } from "./fences.ts";
import { openSnapshot } from "./objects.ts";
import { byTime, type SnapshotRecord } from "./snapshot-record.ts";
import type { Store } from "./store/store.ts";

export { byTime, type SnapshotRecord } from "./snapshot-record.ts";

const fetchesAtOnce = 16;
/** So many that are in no group, or more gone than left in groups, are worth writing them. */
const groupRecordsMin = 64;

export interface SnapshotListing {
  /** By time, oldest first. */
  readonly records: SnapshotRecord[];
  readonly damaged: { readonly id: SnapshotId; readonly error: VarveError }[];
}

export interface SnapshotListContext {
  readonly store: Store;
  readonly keys: RepositoryKeys;
  readonly db: Database;
  readonly groups: SnapshotGroups;
}

export async function listSnapshots(context: SnapshotListContext): Promise<SnapshotListing> {
  // Before the listing: what another process adds to the cache after it is not gone.
  const groups = context.groups.read();
  const sealed = knownIds(context.db);
  const names = await listNames(context.store);
  const inGroups = listedOf(groups, new Set<string>(names));
  const single = names.filter((id) => !inGroups.has(id));
  await fetchMissing(context, single, sealed);
  const opened = await openEach(context, single);
  const gone = groups.reduce((sum, { records }) => sum + records.length, 0) - inGroups.size;
  const pays = Math.max(opened.records.length, gone - inGroups.size) >= groupRecordsMin;
  if (pays) context.groups.add(opened.records, groups, ({ id }) => inGroups.has(id));
  const fences = await loadFences(context);
  // Groups are in order, and sorting is quick where much is.
  const records = [...inGroups.values(), ...opened.records]
    .filter(({ id, snapshot }) => fences.exists(id, snapshot.session))
    .sort(byTime);
  return { records, damaged: opened.damaged };
}

/** Each once: two processes at the same time may both have put it into a group. */
function listedOf(
  groups: readonly SnapshotGroup[],
  listed: ReadonlySet<string>,
): Map<string, SnapshotRecord> {
  const found = new Map<string, SnapshotRecord>();
  for (const { records } of groups) {
    for (const record of records) if (listed.has(record.id)) found.set(record.id, record);
  }
  return found;
}

async function listNames(store: Store): Promise<SnapshotId[]> {
  const folder = "snapshots";
  if (store.listNames !== undefined) return (await store.listNames(folder)).map(snapshotId);
  const names: SnapshotId[] = [];
  for await (const { name } of store.list(folder)) {
    names.push(snapshotId(name.slice(name.lastIndexOf("/") + 1)));
  }
  return names;
}

/** Verifies and opens those that the cache has sealed. */
async function openEach(
  { store, keys, db }: SnapshotListContext,
  ids: readonly SnapshotId[],
): Promise<SnapshotListing> {
  const listing: SnapshotListing = { records: [], damaged: [] };
  const sealedOf = db.prepare("SELECT sealed FROM snapshot WHERE id = ?").pluck();
  for (const id of ids) {
    const cached = sealedOf.get(fromHex(id)) as Uint8Array | undefined;
    // Another process may have taken it from the cache: only the store's word counts.
    const sealed = cached ?? (await getIfPresent(store, id));
    // Forgotten by somebody between our listing and our reading.
    if (sealed === undefined) continue;
    try {
      listing.records.push({ id, snapshot: openSnapshot(keys, id, sealed) });
    } catch (error) {
      if (!hasCode(error, "object-damaged", "repo-future")) throw error;
      listing.damaged.push({ id, error });
      db.prepare("DELETE FROM snapshot WHERE id = ?").run(fromHex(id));
    }
  }
  return listing;
}

/** `sealed`: as it lies in the store. */
export function keepSnapshot(db: Database, id: SnapshotId, sealed: Uint8Array): void {
  db.prepare("INSERT OR REPLACE INTO snapshot VALUES (?, ?)").run(fromHex(id), sealed);
}

function knownIds(db: Database): Set<string> {
  const ids = db.prepare("SELECT lower(hex(id)) FROM snapshot").pluck().all() as string[];
  return new Set(ids);
}

/** After this the cache holds the listed manifests, less those that vanished meanwhile. */
async function fetchMissing(
  context: SnapshotListContext,
  names: readonly SnapshotId[],
  known: ReadonlySet<string>,
): Promise<void> {
  const { db } = context;
  const listed = new Set<string>(names);
  const gone = [...known].filter((id) => !listed.has(id));
  const fresh = names.filter((id) => !known.has(id));
  if (gone.length > 0) {
    db.transaction(() => {
      const drop = db.prepare("DELETE FROM snapshot WHERE id = ?");
      for (const id of gone) drop.run(fromHex(id));
    }).immediate();
  }
  for (let at = 0; at < fresh.length; at += fetchesAtOnce) {
    const some = fresh.slice(at, at + fetchesAtOnce);
    const objects = await Promise.all(some.map((id) => getIfPresent(context.store, id)));
    db.transaction(() => {
      const keep = db.prepare("INSERT OR REPLACE INTO snapshot VALUES (?, ?)");
      for (const [i, id] of some.entries()) {
        const sealed = objects[i];
        if (sealed !== undefined) keep.run(fromHex(id), sealed);
      }
    }).immediate();
  }
}

async function getIfPresent(store: Store, id: SnapshotId): Promise<Uint8Array | undefined> {
  try {
    return await store.get(`snapshots/${id}`);
  } catch (error) {
    if (hasCode(error, "object-absent")) return undefined;
    throw error;
  }
}
