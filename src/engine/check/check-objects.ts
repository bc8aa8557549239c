/**
 * Checks the small objects: description, key slots, leases, fences, snapshots; each is fetched from
 * the store, whatever the cache knows. What vanishes between listing and reading was removed by
 * somebody, and is no damage.
 */
import { bytesEqual } from "../../base/bytes.ts";
import { hasCode, type VarveError } from "../../base/errors.ts";
import {
  keySlotId,
  type SessionId,
  type SnapshotId,
  sessionId,
  snapshotId,
} from "../../base/ids.ts";
import { Fences } from "../../repo/fences.ts";
import { decodeDescription, encodeDescription } from "../../repo/format/description.ts";
import { descriptionObject } from "../../repo/format/object-names.ts";
import { openKeySlotInfo, verifyDescription } from "../../repo/key-slots.ts";
import { openFence, openSession, openSnapshot } from "../../repo/objects.ts";
import type { Repository } from "../../repo/repository.ts";
import { byTime, type SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { DamageKind, DamageList, NoteList } from "./damage.ts";

const fetchesAtOnce = 16;

export interface ObjectCheck {
  readonly repo: Repository;
  readonly damage: DamageList;
  readonly notes: NoteList;
  readonly signal: AbortSignal | undefined;
}

/** Errors that say something of an object's bytes. */
export function isObjectFault(error: unknown): error is VarveError {
  return hasCode(error, "object-damaged", "object-absent", "repo-future");
}

export interface ObjectCounts {
  keySlots: number;
  sessions: number;
  fences: number;
}

/** Everything but snapshots, packs and the index. */
export async function checkSmallObjects(check: ObjectCheck): Promise<ObjectCounts> {
  const { repo } = check;
  await checkDescription(check);
  const keySlots = await eachObject(check, "keys", "key", (base, bytes) => {
    openKeySlotInfo(repo.keys, keySlotId(base), bytes);
  });
  if (keySlots === 0) check.damage.add("key", "keys", "There is no key slot left.");
  const sessions = await eachObject(check, "sessions", "session", (base, bytes) => {
    openSession(repo.keys, sessionId(base), bytes);
  });
  return { keySlots, sessions, fences: 0 };
}

async function checkDescription({ repo, damage }: ObjectCheck): Promise<void> {
  try {
    const bytes = await repo.store.get(descriptionObject);
    const description = decodeDescription(bytes);
    verifyDescription(description, repo.keys);
    const same = description.id === repo.description.id;
    if (same && bytesEqual(encodeDescription(description), bytes)) return;
    damage.add("description", descriptionObject, "It is not as varve writes it.");
  } catch (error) {
    if (!isObjectFault(error)) throw error;
    damage.add("description", descriptionObject, error.message);
  }
}

/** Hands each object of a folder to `open`; returns how many opened. */
async function eachObject(
  { repo, damage, signal }: ObjectCheck,
  folder: string,
  kind: DamageKind,
  open: (baseName: string, bytes: Uint8Array) => void,
): Promise<number> {
  const names: string[] = [];
  for await (const { name } of repo.store.list(folder)) names.push(name);
  let opened = 0;
  for (let at = 0; at < names.length; at += fetchesAtOnce) {
    signal?.throwIfAborted();
    const some = names.slice(at, at + fetchesAtOnce);
    const objects = await Promise.all(some.map((name) => getIfPresent(repo, name)));
    for (const [i, name] of some.entries()) {
      const bytes = objects[i];
      if (bytes === undefined) continue;
      try {
        open(name.slice(folder.length + 1), bytes);
        opened++;
      } catch (error) {
        if (!isObjectFault(error)) throw error;
        damage.add(kind, name, error.message);
      }
    }
  }
  return opened;
}

async function getIfPresent(repo: Repository, name: string): Promise<Uint8Array | undefined> {
  try {
    return await repo.store.get(name);
  } catch (error) {
    if (hasCode(error, "object-absent")) return undefined;
    throw error;
  }
}

export interface CheckedSnapshots {
  /** Oldest first; without those of fenced sessions that no prune saw. */
  readonly records: SnapshotRecord[];
  readonly fences: number;
}

export async function checkSnapshots(check: ObjectCheck): Promise<CheckedSnapshots> {
  const { repo } = check;
  const found: SnapshotRecord[] = [];
  await eachObject(check, "snapshots", "snapshot", (base, bytes) => {
    const id = snapshotId(base);
    found.push({ id, snapshot: openSnapshot(repo.keys, id, bytes) });
  });
  // After the snapshots: one that a fence does not list must not count.
  const fences = new Fences();
  const count = await eachObject(check, "fences", "fence", (base, bytes) => {
    const fence = openFence(repo.keys, base, bytes);
    if (fence.listed) fences.add(base.slice(0, 32) as SessionId, fence.snapshots);
  });
  const records = found.filter(({ id, snapshot }) => fences.exists(id, snapshot.session));
  notePrevious(check, records);
  return { records: records.sort(byTime), fences: count };
}

/** A previous snapshot that is not there was forgotten, or lost: nobody can tell. */
function notePrevious({ notes }: ObjectCheck, records: readonly SnapshotRecord[]): void {
  const present = new Set<SnapshotId>(records.map(({ id }) => id));
  for (const { id, snapshot } of records) {
    if (snapshot.previous === null || present.has(snapshot.previous)) continue;
    const message = "Snapshots whose previous one is gone; forgotten, most likely.";
    notes.add("previous-absent", message, id);
  }
}
