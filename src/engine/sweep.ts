/**
 * The sweep of docs/concurrency.md: deletes the packs of tombstones that nobody may still rely on.
 *
 *  1. Each session that was alive at the mark must have ended. One whose beat counter stood still
 *     between two looks, a lease period apart, or whose process is known to be gone, is fenced.
 *  2. Then list the snapshots, and write into the fences which were seen.
 *  3. Load index and tombstones again. What listed snapshots need and no living pack has is copied
 *     out of the dying packs.
 *  4. Delete the packs; mark the tombstone swept. It stays.
 */
import { VarveError } from "../base/errors.ts";
import type { PackId } from "../base/ids.ts";
import { packObject } from "../repo/format/object-names.ts";
import type { Repository } from "../repo/repository.ts";
import type { ListedSession, Session } from "../repo/session.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import {
  listTombstones,
  markSwept,
  noteSessions,
  type StoredTombstone,
} from "../repo/tombstones.ts";
import { endDeadSessions } from "./dead-sessions.ts";
import { packSize, rescueBlobs } from "./rescue.ts";

/** Stores sync or answer many deletes together about as fast as one. */
const deletesAtOnce = 32;

export interface SweepOptions {
  /** The snapshots that the caller has marked already, and whose needs living packs meet. */
  readonly known: readonly SnapshotRecord[];
  /**
   * Packs that the caller buried, having copied out of them what `known` needs; with the bytes of
   * those that it has just seen in the store, which need not be asked of it.
   */
  readonly ownPacks: ReadonlyMap<string, number | undefined>;
  /** Packs that were dead when the caller marked. */
  readonly deadAtMark: ReadonlySet<string>;
  readonly signal: AbortSignal | undefined;
}

export interface SweepResult {
  deletedPacks: number;
  deletedBytes: number;
  /** Packs whose tombstones wait for sessions that are at work. */
  waitingPacks: number;
  fencedSessions: number;
  /** Blobs that only dying packs had, saved. */
  copiedBlobs: number;
}

export async function sweepTombstones(
  repo: Repository,
  session: Session,
  options: SweepOptions,
): Promise<SweepResult> {
  return new Sweep(repo, session, options).run();
}

class Sweep {
  readonly #repo: Repository;
  readonly #session: Session;
  readonly #options: SweepOptions;
  readonly #result: SweepResult = {
    deletedPacks: 0,
    deletedBytes: 0,
    waitingPacks: 0,
    fencedSessions: 0,
    copiedBlobs: 0,
  };

  constructor(repo: Repository, session: Session, options: SweepOptions) {
    this.#repo = repo;
    this.#session = session;
    this.#options = options;
  }

  async run(): Promise<SweepResult> {
    const all = await listTombstones(this.#repo);
    const unswept = all.filter(({ tombstone }) => !tombstone.swept);
    if (unswept.length === 0) return this.#result;
    const { alive, fenced } = await endDeadSessions(this.#repo, this.#session);
    this.#result.fencedSessions = fenced;
    const ready = await this.#ready(unswept, alive);
    const { records, damaged } = await this.#repo.listSnapshots();
    if (damaged.length > 0) {
      throw new VarveError("object-damaged", "A snapshot cannot be read; nothing was removed.", {
        hint: "Run `varve check`, then `varve repair snapshots`.",
      });
    }
    await this.#repo.loadIndex(this.#options.signal);
    await this.#copyOut(records, new Set(unswept.flatMap(({ tombstone }) => tombstone.packs)));
    for (const stored of ready) await this.#remove(stored);
    return this.#result;
  }

  /** Tombstones for which no session of their mark is at work any more. */
  async #ready(
    unswept: readonly StoredTombstone[],
    alive: readonly ListedSession[],
  ): Promise<StoredTombstone[]> {
    const atWork = new Set<string>(alive.map(({ id }) => id));
    const ready: StoredTombstone[] = [];
    for (const stored of unswept) {
      const noted = await this.#noted(stored, alive);
      if (noted.tombstone.sessions.some(({ session }) => atWork.has(session))) {
        this.#result.waitingPacks += stored.tombstone.packs.length;
      } else {
        ready.push(noted);
      }
    }
    return ready;
  }

  /**
   * A tombstone without sessions is one of a mark that saw none, or one that died before it noted
   * them: whoever is at work now is noted, and only those are waited for.
   */
  async #noted(stored: StoredTombstone, alive: readonly ListedSession[]): Promise<StoredTombstone> {
    if (stored.tombstone.sessions.length > 0 || alive.length === 0) return stored;
    const marked = alive.map(({ id, lease }) => ({ session: id, beat: lease.beat }));
    return noteSessions(this.#repo, stored, marked);
  }

  /** Saves what only dying packs have; also of those that cannot be deleted yet. */
  async #copyOut(records: readonly SnapshotRecord[], dying: ReadonlySet<PackId>): Promise<void> {
    if (this.#isCovered(records, dying)) return;
    const { signal } = this.#options;
    const rescue = await rescueBlobs(this.#repo, this.#session, records, dying, signal);
    this.#result.copiedBlobs += rescue.copied;
    // A damaged pack that somebody needs stays: what cannot be read today may be read tomorrow.
    if (rescue.failures[0] !== undefined) throw rescue.failures[0];
  }

  /**
   * Whether living packs are known to have everything: all dying packs are this run's own, and no
   * snapshot came since it marked.
   */
  #isCovered(records: readonly SnapshotRecord[], dying: ReadonlySet<PackId>): boolean {
    const { known, ownPacks } = this.#options;
    const knownIds = new Set<string>(known.map(({ id }) => id));
    const isOwn = [...dying].every((pack) => ownPacks.has(pack));
    return isOwn && records.every(({ id }) => knownIds.has(id)) && !this.#othersDied();
  }

  /** Whether packs on whose copies this run relied were buried by another prune meanwhile. */
  #othersDied(): boolean {
    const { ownPacks, deadAtMark } = this.#options;
    const isNew = (pack: PackId) => !ownPacks.has(pack) && !deadAtMark.has(pack);
    return this.#repo.index.deadPacks().some(isNew);
  }

  async #remove(stored: StoredTombstone): Promise<void> {
    const { packs } = stored.tombstone;
    for (let at = 0; at < packs.length; at += deletesAtOnce) {
      await this.#deleteSome(packs.slice(at, at + deletesAtOnce));
    }
    await markSwept(this.#repo, stored);
  }

  /** An earlier sweep may have deleted any of them. */
  async #deleteSome(packs: readonly PackId[]): Promise<void> {
    const { store } = this.#repo;
    const { ownPacks } = this.#options;
    const sizeOf = (pack: PackId) => ownPacks.get(pack) ?? packSize(this.#repo, pack);
    const sizes = await Promise.all(packs.map(sizeOf));
    const names = packs.filter((_, at) => sizes[at] !== undefined).map(packObject);
    if (store.deleteMany !== undefined) await store.deleteMany(names);
    else await Promise.all(names.map((name) => store.delete(name)));
    this.#result.deletedPacks += names.length;
    for (const size of sizes) this.#result.deletedBytes += size ?? 0;
  }
}
