/**
 * Removes snapshots by id. Only the manifest goes; the space comes back with a prune. Each removal
 * is durable by itself: a crash in between leaves the later ones in place.
 */
import type { SnapshotId } from "../base/ids.ts";
import type { Repository } from "../repo/repository.ts";

export interface ForgetOptions {
  readonly signal?: AbortSignal;
  readonly onForgotten?: (id: SnapshotId) => void;
}

export async function forgetSnapshots(
  repo: Repository,
  ids: readonly SnapshotId[],
  options: ForgetOptions = {},
): Promise<void> {
  for (const id of ids) {
    options.signal?.throwIfAborted();
    await repo.store.delete(`snapshots/${id}`);
    options.onForgotten?.(id);
  }
}
