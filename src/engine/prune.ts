/**
 * Frees the space that no snapshot needs, while others write and prune (docs/concurrency.md).
 *
 *  1. lease; dead sessions are fenced; snapshots; index and tombstones. Mark what those need that
 *     are to stay.
 *  2. Plan: packs to drop, packs to rewrite (prune-plan.ts).
 *  3. Copy what is needed out of the latter into new packs; put packs, then their index object.
 *     Only then, when no damage was met, the snapshots that are to go are removed.
 *  4. Bury: put the tombstone, then list the sessions and note who was alive.
 *  5. Sweep every tombstone that nobody alive may still rely on (sweep.ts).
 *  6. Tidy: index objects and tombstones are merged, packs without an index record and stale
 *     temporary files are removed.
 *
 * A crash leaves new packs beside old ones, or a tombstone that a later prune sweeps; never a hole.
 */
import { hasCode, VarveError } from "../base/errors.ts";
import { type PackId, packId, type SnapshotId } from "../base/ids.ts";
import { withBlobWriter } from "../repo/blob-writer.ts";
import { mergeIndexObjects, rewriteIndexWithoutDead } from "../repo/index-writer.ts";
import type { Repository } from "../repo/repository.ts";
import { listSessions, Session, withSession } from "../repo/session.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { buryPacks, mergeTombstones, noteSessions } from "../repo/tombstones.ts";
import { endDeadSessions } from "./dead-sessions.ts";
import { forgetSnapshots } from "./forget.ts";
import { markSnapshots } from "./mark.ts";
import { Losses } from "./prune-losses.ts";
import { type PrunePlan, planPacks, type UnusedLimit } from "./prune-plan.ts";
import { Repacker } from "./repack.ts";
import { dyingPacks, rescueBlobs } from "./rescue.ts";
import { type SweepResult, sweepTombstones } from "./sweep.ts";
import type { UsedBlobs } from "./used-blobs.ts";

export type PrunePhase = "mark" | "rewrite" | "bury" | "sweep" | "tidy";

export interface PruneOptions {
  readonly maxUnused?: UnusedLimit;
  readonly maxRepackBytes?: number;
  readonly dryRun?: boolean;
  /** Snapshots to remove. When damage is met in those that stay, all of them stay. */
  readonly forget?: readonly SnapshotId[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (phase: PrunePhase, done: number, total: number) => void;
}

export interface PruneResult {
  readonly plan: PrunePlan;
  /** Packs in the store that no index object names: left by a killed run. */
  readonly orphans: { readonly packs: number; readonly bytes: number };
  /** What was really removed; absent after a dry run. */
  readonly sweep?: SweepResult;
}

/** Temporary files older than this belong to nobody. */
const staleTemporaryMs = 24 * 3600_000;

/** How often a fenced prune starts again before it gives up. */
const attemptsMax = 3;
interface Mark {
  readonly records: SnapshotRecord[];
  readonly used: UsedBlobs;
  /** Packs that were dead in the view of the mark. */
  readonly deadAtMark: ReadonlySet<string>;
}

interface ListedPack {
  readonly pack: PackId;
  readonly size: number;
}

export async function prune(repo: Repository, options: PruneOptions = {}): Promise<PruneResult> {
  for (let attempt = 1; ; attempt++) {
    const work = (session: Session) => new PruneRun(repo, options, session).run();
    try {
      if (options.dryRun === true) return await work(Session.unseen(repo));
      return await withSession(repo, "prune", (session) => explained(session, work(session)));
    } catch (error) {
      if (!hasCode(error, "session-fenced") || attempt === attemptsMax) throw error;
    }
  }
}

/**
 * When this prune slept so long that another one took it for dead, that one did not spare what this
 * one relies on: objects that are gone then are no damage.
 */
async function explained<T>(session: Session, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const isLoss = hasCode(error, "object-absent", "object-damaged", "blob-absent");
    if (isLoss) await session.requireUnfenced();
    throw error;
  }
}

class PruneRun {
  readonly #repo: Repository;
  readonly #options: PruneOptions;
  readonly #session: Session;
  readonly #forget: ReadonlySet<string>;

  constructor(repo: Repository, options: PruneOptions, session: Session) {
    this.#repo = repo;
    this.#options = options;
    this.#session = session;
    this.#forget = new Set<string>(options.forget);
  }

  async run(): Promise<PruneResult> {
    const { signal } = this.#options;
    const dryRun = this.#options.dryRun === true;
    const fenced = dryRun ? 0 : (await endDeadSessions(this.#repo, this.#session)).fenced;
    const { records, used, deadAtMark } = await this.#markAll();
    const listed = await this.#listPacks();
    this.#requirePacks(used, listed);
    const plan = this.#plan(used);
    const orphans = await this.#findOrphans(listed);
    const result = {
      plan,
      orphans: { packs: orphans.length, bytes: orphans.reduce((sum, { size }) => sum + size, 0) },
    };
    if (dryRun) return result;
    await this.#rewrite(plan, used);
    signal?.throwIfAborted();
    const { forget = [] } = this.#options;
    await forgetSnapshots(this.#repo, forget, signal === undefined ? {} : { signal });
    const dying = [...plan.drop, ...plan.rewrite].map(({ pack }) => pack);
    dying.push(...orphans.map(({ pack }) => pack));
    await this.#bury(dying);
    this.#progress("sweep", 0, 1);
    const sweep = await sweepTombstones(this.#repo, this.#session, {
      known: records,
      ownPacks: new Map(dying.map((pack) => [pack, listed.get(pack)?.size])),
      deadAtMark,
      signal,
    });
    sweep.fencedSessions += fenced;
    await this.#tidy();
    return { ...result, sweep };
  }

  #progress(phase: PrunePhase, done: number, total: number): void {
    this.#options.onProgress?.(phase, done, total);
  }

  /** With an unreadable snapshot nobody knows what is needed. */
  async #records(): Promise<SnapshotRecord[]> {
    const { records, damaged } = await this.#repo.listSnapshots();
    const first = damaged[0];
    if (first !== undefined) {
      throw new VarveError("object-damaged", `Snapshot ${first.id.slice(0, 8)} cannot be read.`, {
        hint: "Nothing was removed. Run `varve check`, then `varve repair snapshots`.",
        context: { damaged: damaged.length },
        cause: first.error,
      });
    }
    return records.filter(({ id }) => !this.#forget.has(id));
  }

  async #listPacks(): Promise<Map<string, ListedPack>> {
    const listed = new Map<string, ListedPack>();
    for await (const { name, size } of this.#repo.store.list("packs")) {
      const pack = packId(name.slice(name.lastIndexOf("/") + 1));
      listed.set(pack, { pack, size });
    }
    return listed;
  }

  /**
   * Marks what all snapshots need. Snapshots are listed before the index, so that the packs of each
   * are in it. What is absent all the same may have gone with a snapshot that was forgotten
   * meanwhile, or be in dying packs alone, from where it is copied: then all is looked at again.
   */
  async #markAll(): Promise<Mark> {
    const losses = new Losses();
    for (;;) {
      const records = await this.#records();
      await this.#repo.loadIndex(this.#options.signal);
      const deadAtMark = new Set<string>(this.#repo.index.deadPacks());
      const used = await this.#mark(records, losses);
      if (losses.count === 0) return { records, used, deadAtMark };
      const dying = await dyingPacks(this.#repo);
      if (this.#options.dryRun === true && dying.size > 0) return { records, used, deadAtMark };
      losses.nextLook();
      if (dying.size === 0) continue;
      await this.#repo.loadIndex(this.#options.signal);
      await rescueBlobs(this.#repo, this.#session, records, dying, this.#options.signal);
    }
  }

  #mark(records: readonly SnapshotRecord[], losses: Losses): Promise<UsedBlobs> {
    return markSnapshots(this.#repo, records, {
      onAbsent: (_kind, id, record) => losses.add(record, id),
      onSnapshot: (done, total) => this.#progress("mark", done, total),
      signal: this.#options.signal,
    });
  }

  /** A needed pack that is gone, or has another size, means damage: nothing is removed then. */
  #requirePacks(used: UsedBlobs, listed: ReadonlyMap<string, ListedPack>): void {
    for (const info of this.#repo.index.livingPacks()) {
      if (used.usageOf(info.packNo).blobs === 0) continue;
      const found = listed.get(info.pack);
      if (found?.size === info.size) continue;
      const what = found === undefined ? "is not in the store" : `has ${found.size} bytes`;
      throw new VarveError("object-damaged", `Pack ${info.pack.slice(0, 12)} ${what}.`, {
        hint: "Nothing was removed. Run `varve check` to see what is hurt.",
        context: { pack: info.pack, expectedBytes: info.size },
      });
    }
  }

  #plan(used: UsedBlobs): PrunePlan {
    const { index, description } = this.#repo;
    const packs = (function* () {
      for (const info of index.livingPacks()) yield { info, usage: used.usageOf(info.packNo) };
    })();
    return planPacks(packs, {
      maxUnused: this.#options.maxUnused ?? { kind: "percent", percent: 5 },
      maxRepackBytes: this.#options.maxRepackBytes ?? Number.POSITIVE_INFINITY,
      packBytes: description.pack.bytes,
    });
  }

  /**
   * Packs that no index object names. While somebody writes, they are that writer's; to bury them
   * would be safe but would make him store them again.
   */
  async #findOrphans(listed: ReadonlyMap<string, ListedPack>): Promise<ListedPack[]> {
    const { store, keys, index } = this.#repo;
    const known = new Set<string>();
    for (const { pack } of index.livingPacks()) known.add(pack);
    for (const pack of index.deadPacks()) known.add(pack);
    const orphans = [...listed.values()].filter(({ pack }) => !known.has(pack));
    if (orphans.length === 0) return [];
    const sessions = await listSessions(store, keys);
    return sessions.some(({ id }) => id !== this.#session.id) ? [] : orphans;
  }

  async #rewrite(plan: PrunePlan, used: UsedBlobs): Promise<void> {
    if (plan.rewrite.length === 0) return;
    const work = async (repacker: Repacker) => {
      for (const [done, info] of plan.rewrite.entries()) {
        this.#options.signal?.throwIfAborted();
        this.#progress("rewrite", done, plan.rewrite.length);
        await repacker.copy(info.pack, info.size, (_, ordinal) =>
          used.isUsed(info.packNo, ordinal),
        );
      }
      await repacker.finish();
    };
    await withBlobWriter(this.#repo, this.#session, (writer) =>
      work(new Repacker(this.#repo, writer)),
    );
  }

  async #bury(packs: readonly PackId[]): Promise<void> {
    if (packs.length === 0) return;
    this.#progress("bury", 0, packs.length);
    const tombstones = await buryPacks(this.#repo, packs);
    // In this order: a writer whose lease we do not see began after the tombstone was there.
    const sessions = await listSessions(this.#repo.store, this.#repo.keys);
    const alive = sessions
      .filter(({ id }) => id !== this.#session.id)
      .map(({ id, lease }) => ({ session: id, beat: lease.beat }));
    for (const tombstone of tombstones) await noteSessions(this.#repo, tombstone, alive);
  }

  async #tidy(): Promise<void> {
    this.#progress("tidy", 0, 1);
    await rewriteIndexWithoutDead(this.#repo);
    await mergeIndexObjects(this.#repo, true);
    await mergeTombstones(this.#repo);
    await this.#repo.store.sweepTemporary?.(staleTemporaryMs);
  }
}
