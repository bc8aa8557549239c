/**
 * Fences, the reader's side (format.md, "Fences"): a session that a prune declared dead has only
 * those snapshots that every such fence saw. A fence whose list was not written yet binds nobody
 * but the session itself: no prune has swept anything on its word.
 */

import { hasCode } from "../base/errors.ts";
import type { SessionId, SnapshotId } from "../base/ids.ts";
import type { Database } from "./cache/cache-database.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import type { Fence } from "./format/fence.ts";
import { openFence } from "./objects.ts";
import type { Store } from "./store/store.ts";

export interface FenceContext {
  readonly store: Store;
  readonly keys: RepositoryKeys;
  readonly db: Database;
}

/** Decides which snapshots of fenced sessions exist. */
export class Fences {
  readonly #seen = new Map<SessionId, Set<SnapshotId>[]>();

  add(session: SessionId, snapshots: Iterable<SnapshotId>): void {
    const lists = this.#seen.get(session) ?? [];
    lists.push(new Set(snapshots));
    this.#seen.set(session, lists);
  }

  exists(snapshot: SnapshotId, session: SessionId): boolean {
    return this.#seen.get(session)?.every((list) => list.has(snapshot)) ?? true;
  }
}

/** Loads all fences; complete ones never change again, so the cache keeps them. */
export async function loadFences(context: FenceContext): Promise<Fences> {
  const fences = new Fences();
  for await (const { name } of context.store.list("fences")) {
    const fenceName = name.slice(name.lastIndexOf("/") + 1);
    const fence = await loadFence(context, fenceName);
    if (fence?.listed === true) {
      fences.add(fenceName.slice(0, 32) as SessionId, fence.snapshots);
    }
  }
  return fences;
}

/**
 * Undefined when the fence is gone, or does not open: such a fence hides no snapshot. That errs on
 * the safe side: a prune keeps what a snapshot too many needs. `check` names the damage.
 */
async function loadFence(
  { store, keys, db }: FenceContext,
  fenceName: string,
): Promise<Fence | undefined> {
  const cached = db.prepare("SELECT sealed FROM fence WHERE name = ?").pluck().get(fenceName);
  try {
    const sealed = (cached as Uint8Array | undefined) ?? (await store.get(`fences/${fenceName}`));
    const fence = openFence(keys, fenceName, sealed);
    if (cached === undefined && fence.listed) {
      db.prepare("INSERT OR REPLACE INTO fence VALUES (?, ?)").run(fenceName, sealed);
    }
    return fence;
  } catch (error) {
    if (hasCode(error, "object-absent", "object-damaged")) return undefined;
    throw error;
  }
}
