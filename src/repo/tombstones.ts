/**
 * Tombstones, the writer's side (format.md, "Tombstones"; docs/concurrency.md). A pack named by a
 * tombstone is dead from the moment the tombstone is durable, for ever. The sessions that were
 * alive are noted after that, in the same object: in this order a writer either sees the tombstone
 * or is seen by it.
 */
import { hasCode } from "../base/errors.ts";
import { type PackId, randomIdBytes, type TombstoneId, toHex, tombstoneId } from "../base/ids.ts";
import { tombstonePacksMax } from "./format/limits.ts";
import type { MarkedSession, Tombstone } from "./format/tombstone.ts";
import { openTombstone, sealTombstone } from "./objects.ts";
import type { Repository } from "./repository.ts";
import { deleteAll } from "./store/delete-all.ts";

export interface StoredTombstone {
  readonly id: TombstoneId;
  readonly tombstone: Tombstone;
}

/** Swept tombstones are joined when there are this many. */
const mergeCount = 8;

export async function putTombstone(repo: Repository, stored: StoredTombstone): Promise<void> {
  const sealed = sealTombstone(repo.keys, stored.id, stored.tombstone, repo.random);
  await repo.store.put(`tombstones/${stored.id}`, sealed);
}

/** Puts tombstones for `packs`, without sessions yet; durable when it resolves. */
export async function buryPacks(
  repo: Repository,
  packs: readonly PackId[],
): Promise<StoredTombstone[]> {
  const stored: StoredTombstone[] = [];
  for (let at = 0; at < packs.length; at += tombstonePacksMax) {
    const some = packs.slice(at, at + tombstonePacksMax);
    const tombstone = { swept: false, replaces: [], packs: some, sessions: [] };
    stored.push({ id: newTombstoneId(repo), tombstone });
  }
  for (const each of stored) await putTombstone(repo, each);
  return stored;
}

function newTombstoneId(repo: Repository): TombstoneId {
  return tombstoneId(toHex(repo.random(randomIdBytes)));
}

/** Notes who was alive after the tombstone was put. */
export async function noteSessions(
  repo: Repository,
  stored: StoredTombstone,
  sessions: readonly MarkedSession[],
): Promise<StoredTombstone> {
  const noted = { id: stored.id, tombstone: { ...stored.tombstone, sessions } };
  await putTombstone(repo, noted);
  return noted;
}

export async function markSwept(repo: Repository, stored: StoredTombstone): Promise<void> {
  const tombstone = { ...stored.tombstone, swept: true, sessions: [] };
  await putTombstone(repo, { id: stored.id, tombstone });
}

/** All tombstones as they are now. Swept ones that this cache saw swept are not read again. */
export async function listTombstones(repo: Repository): Promise<StoredTombstone[]> {
  const stored: StoredTombstone[] = [];
  for await (const { name } of repo.store.list("tombstones")) {
    const id = tombstoneId(name.slice(name.lastIndexOf("/") + 1));
    try {
      stored.push({ id, tombstone: openTombstone(repo.keys, id, await repo.store.get(name)) });
    } catch (error) {
      // Merged by somebody: its packs are in the union, which is listed as well or next time.
      if (!hasCode(error, "object-absent")) throw error;
    }
  }
  return stored;
}

/**
 * Joins swept tombstones. The union is put before the parts go, so that no reader ever misses a
 * pack; a reader that finds a part gone lists again.
 */
export async function mergeTombstones(repo: Repository): Promise<void> {
  const swept = (await listTombstones(repo)).filter(({ tombstone }) => tombstone.swept);
  if (swept.length < mergeCount) return;
  const packs = new Set(swept.flatMap(({ tombstone }) => tombstone.packs));
  if (packs.size > tombstonePacksMax) return;
  const parts = swept.map(({ id }) => id);
  const union = { swept: true, replaces: parts, packs: [...packs], sessions: [] };
  const id = newTombstoneId(repo);
  await putTombstone(repo, { id, tombstone: union });
  // The cache is not told: it may not have all parts yet, and takes the union in at its next load.
  await deleteAll(
    repo.store,
    parts.map((part) => `tombstones/${part}`),
  );
}
