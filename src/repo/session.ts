/**
 * A session: the lease of one running writer (format.md, "Sessions"; docs/concurrency.md). The
 * lease is put before the writer looks at anything, its beat counter is raised while it works, and
 * it is removed at the end. Nobody waits for anybody: a prune that finds the counter standing still
 * declares the session dead by a fence, and `isFenced` tells a writer that slept through that.
 */
import type { Clock, Random } from "../base/clock.ts";
import { hasCode, VarveError } from "../base/errors.ts";
import type { Host } from "../base/host.ts";
import { fromHex, randomIdBytes, type SessionId, sessionId, toHex } from "../base/ids.ts";
import { programName } from "../base/program.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import type { SessionLease } from "./format/session.ts";
import { openSession, sealSession } from "./objects.ts";
import type { Store } from "./store/store.ts";

/** How long a beat counter may stand still before a prune may fence the session. */
export const leaseMs = 5 * 60_000;
const beatMs = 60_000;

export interface SessionContext {
  readonly store: Store;
  readonly keys: RepositoryKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: Host;
}

export class Session {
  readonly id: SessionId;
  readonly #context: SessionContext;
  readonly #lease: Omit<SessionLease, "beat">;
  #beat = 0;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();

  private constructor(context: SessionContext, command: string) {
    this.#context = context;
    this.id = sessionId(toHex(context.random(randomIdBytes)));
    this.#lease = {
      host: context.host.hostname,
      user: context.host.user,
      pid: context.host.pid,
      bootId: context.host.bootId,
      command,
      startedNs: context.clock.nowNs(),
      program: programName,
    };
  }

  /** Puts the lease; it is durable when this resolves. */
  static async begin(context: SessionContext, command: string): Promise<Session> {
    const session = new Session(context, command);
    await session.#put();
    session.#timer = setInterval(() => session.#raise(), beatMs);
    session.#timer.unref();
    return session;
  }

  /** A session that nobody sees, for dry runs: it may write nothing. */
  static unseen(context: SessionContext): Session {
    return new Session(context, "");
  }

  get idBytes(): Uint8Array {
    return fromHex(this.id);
  }

  async #put(): Promise<void> {
    const { store, keys, random } = this.#context;
    const lease = { ...this.#lease, beat: this.#beat };
    await store.put(`sessions/${this.id}`, sealSession(keys, this.id, lease, random));
  }

  /** A beat that fails costs nothing by itself: if it goes on, a fence will tell. */
  #raise(): void {
    this.#beat++;
    this.#beating = this.#beating.then(() => this.#put()).catch(() => undefined);
  }

  /** Whether a prune declared this session dead. */
  async isFenced(): Promise<boolean> {
    for await (const info of this.#context.store.list("fences")) {
      if (info.name.startsWith(`fences/${this.id}-`)) return true;
    }
    return false;
  }

  async requireUnfenced(): Promise<void> {
    if (!(await this.isFenced())) return;
    throw new VarveError(
      "session-fenced",
      "A prune took this run for dead and went on without it.",
      {
        hint: "Run the command again; what was stored already is found again.",
        context: { session: this.id },
      },
    );
  }

  /** Removes the lease. A crash before this leaves it to a prune's fence. */
  async end(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    await this.#beating;
    await this.#context.store.delete(`sessions/${this.id}`);
  }
}

/**
 * Runs `work` in a session. The lease is removed before success is told; where that is forbidden
 * (credentials that may not delete), a later prune fences the session.
 */
export async function withSession<T>(
  context: SessionContext,
  command: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await Session.begin(context, command);
  try {
    const result = await work(session);
    await session.end().catch((error: unknown) => {
      if (!hasCode(error, "store-denied")) throw error;
    });
    return result;
  } catch (error) {
    // What went wrong first is what the user has to know.
    await session.end().catch(() => undefined);
    throw error;
  }
}

export interface ListedSession {
  readonly id: SessionId;
  readonly lease: SessionLease;
  /** The lease does not open; what `lease` says is made up. A prune fences such a session. */
  readonly isDamaged: boolean;
}

/** Stands for a lease that does not open, so that one damaged object holds up nobody. */
const damagedLease: SessionLease = {
  host: "",
  user: "",
  pid: 0,
  bootId: "",
  command: "(unreadable lease)",
  startedNs: 0n,
  program: "",
  beat: 0,
};

/** All leases in the store; one that ends meanwhile is left out. */
export async function listSessions(store: Store, keys: RepositoryKeys): Promise<ListedSession[]> {
  const sessions: ListedSession[] = [];
  for await (const { name } of store.list("sessions")) {
    const id = sessionId(name.slice(name.lastIndexOf("/") + 1));
    try {
      const lease = openSession(keys, id, await store.get(name));
      sessions.push({ id, lease, isDamaged: false });
    } catch (error) {
      if (hasCode(error, "object-absent")) continue;
      if (!hasCode(error, "object-damaged")) throw error;
      sessions.push({ id, lease: damagedLease, isDamaged: true });
    }
  }
  return sessions;
}

/**
 * Whether the session's process is known to be gone: it ran in this very boot of this machine and
 * its process id is no more. A false "gone" does no harm: a fence is safe at any time.
 */
export function isSessionGone(lease: SessionLease, host: Host): boolean {
  if (host.bootId === "" || lease.bootId !== host.bootId) return false;
  return lease.pid !== host.pid && host.isProcessGone(lease.pid);
}
