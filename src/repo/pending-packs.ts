/**
 * Packs that an earlier run on this host stored but never named in an index object, because it was
 * killed. The local cache knows them as pending; a later run adopts them, so that nothing is
 * stored twice. Must run after the own lease was put and the index was loaded: a pack that a prune
 * has condemned meanwhile has a tombstone, and is then dead in the cache.
 */
import { hasCode } from "../base/errors.ts";
import { type PackId, packId, toHex } from "../base/ids.ts";
import { PackState } from "./blob-index.ts";
import type { BlobWriter } from "./blob-writer.ts";
import { packObject } from "./format/object-names.ts";
import { readPackContents } from "./pack-reader.ts";
import type { Repository } from "./repository.ts";
import { isSessionGone, listSessions } from "./session.ts";

type PendingRow = [number, Uint8Array, number, Uint8Array];

/** Returns how many packs were taken over. */
export async function adoptPendingPacks(repo: Repository, writer: BlobWriter): Promise<number> {
  const { db } = repo.cache;
  const rows = db
    .prepare("SELECT no, id, size, session FROM pack WHERE state = ?")
    .raw()
    .all(PackState.pending) as PendingRow[];
  if (rows.length === 0) return 0;
  // A pack whose writer still runs is that writer's.
  const running = new Set<string>();
  for (const { id, lease } of await listSessions(repo.store, repo.keys)) {
    if (!isSessionGone(lease, repo.host)) running.add(id);
  }
  let adopted = 0;
  for (const [no, id, size, session] of rows) {
    if (running.has(toHex(session))) continue;
    if (await adopt(repo, writer, no, packId(toHex(id)), size)) adopted++;
  }
  return adopted;
}

async function adopt(
  repo: Repository,
  writer: BlobWriter,
  packNo: number,
  pack: PackId,
  size: number,
): Promise<boolean> {
  try {
    if ((await repo.store.size(packObject(pack))) === size) {
      const name = packObject(pack);
      const ranges = {
        size,
        read: (offset: number, length: number) => repo.store.getRange(name, offset, length),
      };
      writer.addPending({ pack, ...(await readPackContents(repo.keys, ranges)) }, packNo);
      return true;
    }
  } catch (error) {
    if (!hasCode(error, "object-absent", "object-damaged")) throw error;
  }
  repo.cache.db
    .transaction(() => {
      repo.cache.db.prepare("DELETE FROM blob WHERE pack = ?").run(packNo);
      repo.cache.db.prepare("DELETE FROM pack WHERE no = ?").run(packNo);
    })
    .immediate();
  return false;
}
