/** The commit point of a snapshot (format.md, "Order"; docs/concurrency.md, "Writer", 4). */
import { hasCode, VarveError } from "../base/errors.ts";
import type { SnapshotId } from "../base/ids.ts";
import { snapshotObject } from "../repo/format/object-names.ts";
import type { Snapshot } from "../repo/format/snapshot.ts";
import { sealSnapshot } from "../repo/objects.ts";
import type { IndexView, Repository } from "../repo/repository.ts";
import type { Session } from "../repo/session.ts";
import { dyingPacks, rescueBlobs } from "./rescue.ts";

/**
 * Puts the manifest; durable when it resolves. A fence between the two looks means that a prune did
 * not see the snapshot: it is taken back, and `session-fenced` thrown. `view`: the one in which all
 * blobs of the snapshot were looked up; when packs of it are dying by now, what the snapshot needs
 * of them is copied out at once, so that nobody who reads it has to wait for the next prune.
 */
export async function commitSnapshot(
  repo: Repository,
  session: Session,
  snapshot: Snapshot,
  view?: IndexView,
): Promise<SnapshotId> {
  await session.requireUnfenced();
  const { id, bytes } = sealSnapshot(repo.keys, snapshot, repo.random);
  await repo.store.put(snapshotObject(id), bytes);
  if (await session.isFenced()) {
    await takeBack(repo, id);
    throw new VarveError("session-fenced", "A prune took this run for dead.", {
      hint: "Run the command again; what was stored already is found again.",
    });
  }
  if (view !== undefined && (await havePacksDied(repo, view))) {
    // The packs cannot be deleted yet: whoever buried them waits for this session.
    const dying = await dyingPacks(repo);
    const { failures } = await rescueBlobs(repo, session, [{ id, snapshot }], dying);
    if (failures[0] !== undefined) throw failures[0];
  }
  repo.keepSnapshot(id, bytes);
  return id;
}

/** Where that is forbidden it stays, and the fence hides it from everybody. */
async function takeBack(repo: Repository, id: SnapshotId): Promise<void> {
  try {
    await repo.store.delete(snapshotObject(id));
  } catch (error) {
    if (!hasCode(error, "store-denied")) throw error;
  }
}

async function havePacksDied(repo: Repository, view: IndexView): Promise<boolean> {
  let isSame = true;
  for await (const { name } of repo.store.list("tombstones")) {
    if (!view.tombstones.has(name)) isSame = false;
  }
  if (isSame) return false;
  await repo.loadIndex();
  return repo.view.generation !== view.generation;
}
