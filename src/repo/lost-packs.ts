/**
 * Packs that the index names and that are not in the store any more: somebody deleted them, or a
 * disk lost them. A writer that knows leaves them out, so that what they held counts as absent and
 * is stored again where the source still has it.
 *
 * Must run after the own lease was put and the index was loaded: a pack that a prune deletes had
 * its tombstone before that, and is dead in the cache.
 */
import { fromHex, packId, toHex } from "../base/ids.ts";
import { packFolder } from "./format/object-names.ts";
import type { Repository } from "./repository.ts";

/** Folders that packs are spread over, by the first byte of their ids. */
const foldersCount = 256;
const foldersAtOnce = 8;

type PackRow = [number, Uint8Array];

/**
 * The numbers of lost packs, in no order; none where the store cannot tell at no cost
 * (`Store.namesIn`). In memory at a time: the names of a few of the 256 folders.
 */
export async function findLostPacks(repo: Repository): Promise<number[]> {
  const lost: number[] = [];
  if (repo.store.namesIn === undefined) return lost;
  let next = 0;
  const work = async () => {
    while (next < foldersCount) {
      for (const packNo of await lostIn(repo, next++)) lost.push(packNo);
    }
  };
  await Promise.all(Array.from({ length: foldersAtOnce }, work));
  return lost;
}

async function lostIn(repo: Repository, firstByte: number): Promise<number[]> {
  const { index, store, cache } = repo;
  const prefix = toHex(Uint8Array.of(firstByte));
  const rows = cache.db
    .prepare("SELECT no, id FROM pack WHERE id BETWEEN ? AND ?")
    .raw()
    .all(fromHex(prefix.padEnd(64, "0")), fromHex(prefix.padEnd(64, "f"))) as PackRow[];
  const named = rows.filter(([packNo]) => index.counts(packNo));
  if (named.length === 0) return [];
  const present = new Set(await store.namesIn?.(packFolder(prefix)));
  return named.filter(([, id]) => !present.has(packId(toHex(id)))).map(([packNo]) => packNo);
}
