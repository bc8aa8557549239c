/**
 * Notices that the cache knows of dead packs that the store says nothing of: the store is an older
 * copy of the repository, put back after a loss or opened beside it. To go on believing would call
 * lost what is there, since a dead pack counts for nothing; so all is learned anew from this store.
 */
import { type PackId, toHex } from "../../base/ids.ts";
import { PackState } from "../blob-index.ts";
import type { Database } from "./cache-database.ts";

export function knownTombstones(db: Database): string[] {
  const ids = db.prepare("SELECT id FROM tombstone").pluck().all() as Uint8Array[];
  return ids.map(toHex);
}

/**
 * Whether the cache was emptied. `gone`: tombstones that the cache knows and a listing lacks, as is
 * so whenever somebody merged them. `readAll` lists once more, since a merge during the first
 * listing may hide both the parts and the union, and yields the packs of each that stands.
 */
export async function emptyIfRewound(
  db: Database,
  gone: readonly string[],
  readAll: () => AsyncIterable<readonly PackId[]>,
): Promise<boolean> {
  if (gone.length === 0) return false;
  // Before the listing: what another process learns after it is no sign.
  const dead = db.prepare("SELECT lower(hex(id)) FROM dead_pack").pluck().all() as PackId[];
  const named = new Set<PackId>();
  for await (const packs of readAll()) for (const pack of packs) named.add(pack);
  const isRewound = dead.some((pack) => !named.has(pack));
  db.transaction(() => {
    if (isRewound) emptyCache(db);
    else {
      const drop = db.prepare("DELETE FROM tombstone WHERE id = ?");
      for (const id of gone) drop.run(Buffer.from(id, "hex"));
    }
  }).immediate();
  return isRewound;
}

/** Pending packs stay: whoever takes one over looks first whether the store has it. */
function emptyCache(db: Database): void {
  db.exec(`
    DELETE FROM index_pack;
    DELETE FROM index_object;
    DELETE FROM tombstone;
    DELETE FROM dead_pack;
    DELETE FROM fence;
    DELETE FROM snapshot;
    DELETE FROM snapshot_group;
    DELETE FROM session_look;
    DELETE FROM verified_pack;
    DELETE FROM whole_root;
    DELETE FROM pack WHERE state != ${PackState.pending};
    DELETE FROM blob WHERE pack NOT IN (SELECT no FROM pack);
    UPDATE setting SET value = value + 1 WHERE name = 'generation';
  `);
}
