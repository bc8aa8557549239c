/**
 * Ends sessions whose process is no more. One whose beat counter stood still between two looks of
 * this host, a lease period apart, or whose process is known to be gone, is fenced: the fence
 * first, then the look at its snapshots, then the list of those, and only then its lease goes. A
 * fence is safe at any time, on a living session too: that one starts again.
 */
import { fromHex, type SessionId, toHex } from "../base/ids.ts";
import { fenceName } from "../repo/format/fence.ts";
import { sessionObject } from "../repo/format/object-names.ts";
import { sealFence } from "../repo/objects.ts";
import type { Repository } from "../repo/repository.ts";
import {
  isSessionGone,
  type ListedSession,
  leaseMs,
  listSessions,
  type Session,
} from "../repo/session.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";

export interface OtherSessions {
  /** At work, as far as anybody can tell. */
  readonly alive: readonly ListedSession[];
  /** How many were fenced. */
  readonly fenced: number;
}

/** Lists the sessions besides `own`, after fencing those that are dead. */
export async function endDeadSessions(repo: Repository, own: Session): Promise<OtherSessions> {
  const alive: ListedSession[] = [];
  let fenced = 0;
  const sessions = await listSessions(repo.store, repo.keys);
  forgetLooks(repo, sessions);
  for (const listed of sessions) {
    if (listed.id === own.id) continue;
    if (listed.isDamaged || isDead(repo, listed)) {
      await fenceSession(repo, own, listed.id);
      fenced++;
    } else {
      alive.push(listed);
    }
  }
  return { alive, fenced };
}

/** What was seen of sessions that have ended; at worst, of one that another process knows of. */
function forgetLooks({ cache: { db } }: Repository, sessions: readonly ListedSession[]): void {
  const listed = new Set<string>(sessions.map(({ id }) => id));
  const seen = db.prepare("SELECT id FROM session_look").pluck().all() as Uint8Array[];
  const forget = db.prepare("DELETE FROM session_look WHERE id = ?");
  for (const id of seen) if (!listed.has(toHex(id))) forget.run(id);
}

/** Looks at the beat; remembers the look for the next prune on this host. */
function isDead(repo: Repository, { id, lease }: ListedSession): boolean {
  if (isSessionGone(lease, repo.host)) return true;
  const { db } = repo.cache;
  const nowMs = Number(repo.clock.nowNs() / 1_000_000n);
  const look = db
    .prepare("SELECT beat, seen_ms FROM session_look WHERE id = ?")
    .raw()
    .get(fromHex(id)) as [number, number] | undefined;
  if (look !== undefined && look[0] === lease.beat) return nowMs - look[1] >= leaseMs;
  db.prepare("INSERT OR REPLACE INTO session_look VALUES (?, ?, ?)").run(
    fromHex(id),
    lease.beat,
    nowMs,
  );
  return false;
}

async function fenceSession(repo: Repository, own: Session, id: SessionId): Promise<void> {
  const { store, keys, random } = repo;
  const name = fenceName(id, own.id);
  const put = (listed: boolean, snapshots: readonly SnapshotRecord["id"][]) =>
    store.put(`fences/${name}`, sealFence(keys, name, { listed, snapshots }, random));
  await put(false, []);
  const { records } = await repo.listSnapshots();
  const seen = records.filter(({ snapshot }) => snapshot.session === id);
  await put(
    true,
    seen.map((record) => record.id),
  );
  await store.delete(sessionObject(id));
}
