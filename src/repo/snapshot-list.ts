/**
 * The snapshots of a repository. Sealed manifests are kept in the local cache as they are in the
 * store, so that a listing fetches only what is new. A manifest that does not open is reported
 * beside the others, never dropped: prune must not run while one is unreadable.
 */
import { hasCode, type VarveError } from "../base/errors.ts";
import { fromHex, type SnapshotId, snapshotId } from "../base/ids.ts";
import type { Database } from "./cache/cache-database.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import { loadFences } from "./fences.ts";
import type { Snapshot } from "./format/snapshot.ts";
import { openSnapshot } from "./objects.ts";
import type { Store } from "./store/store.ts";

const fetchesAtOnce = 16;

export interface SnapshotRecord {
  readonly id: SnapshotId;
  readonly snapshot: Snapshot;
}

export interface SnapshotListing {
  /** By time, oldest first. */
  readonly records: SnapshotRecord[];
  readonly damaged: { readonly id: SnapshotId; readonly error: VarveError }[];
}

export interface SnapshotListContext {
  readonly store: Store;
  readonly keys: RepositoryKeys;
  readonly db: Database;
}

export async function listSnapshots(context: SnapshotListContext): Promise<SnapshotListing> {
  // Before the listing: what another process adds to the cache after it is not gone.
  const known = knownIds(context.db);
  const names: SnapshotId[] = [];
  for await (const { name } of context.store.list("snapshots")) {
    names.push(snapshotId(name.slice(name.lastIndexOf("/") + 1)));
  }
  await fetchMissing(context, names, known);
  const fences = await loadFences(context);
  const listing: SnapshotListing = { records: [], damaged: [] };
  const sealedOf = context.db.prepare("SELECT sealed FROM snapshot WHERE id = ?").pluck();
  for (const id of names) {
    const cached = sealedOf.get(fromHex(id)) as Uint8Array | undefined;
    // Another process may have taken it from the cache: only the store's word counts.
    const sealed = cached ?? (await getIfPresent(context.store, id));
    // Forgotten by somebody between our listing and our reading.
    if (sealed === undefined) continue;
    try {
      const snapshot = openSnapshot(context.keys, id, sealed);
      if (fences.exists(id, snapshot.session)) listing.records.push({ id, snapshot });
    } catch (error) {
      if (!hasCode(error, "object-damaged", "repo-future")) throw error;
      listing.damaged.push({ id, error });
      context.db.prepare("DELETE FROM snapshot WHERE id = ?").run(fromHex(id));
    }
  }
  listing.records.sort(byTime);
  return listing;
}

export function byTime(a: SnapshotRecord, b: SnapshotRecord): number {
  if (a.snapshot.timeNs !== b.snapshot.timeNs) {
    return a.snapshot.timeNs < b.snapshot.timeNs ? -1 : 1;
  }
  return a.id < b.id ? -1 : 1;
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
    })();
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
    })();
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
