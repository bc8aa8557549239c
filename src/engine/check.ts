/**
 * Checks a repository while others write to it and prune it; nothing is locked, and nothing is
 * written but the memory of what was verified when.
 *
 *  1. Description, key slots, leases, snapshots, fences; every index object and tombstone. The
 *     repository should be open with `freshCache`: believe nothing that an earlier run saw.
 *  2. `packs/` is listed once and held against the index.
 *  3. Every catalog is walked (check/catalog-check.ts): what cannot be restored is told by snapshot
 *     and path. If asked, packs are read whole at the same time (check/read-data.ts).
 *  4. If there is damage, and a pack or snapshot was removed meanwhile, it is looked at again: a
 *     prune that went on beside us is no damage. Also when data was found wrong: a second walk then
 *     tells what that hurts. And when something is absent that dying packs may have: what the next
 *     prune rescues is noted, and is no damage (check/reachable-blobs.ts).
 */
import { hasCode } from "../base/errors.ts";
import { packId } from "../base/ids.ts";
import { packObject } from "../repo/format/object-names.ts";
import type { Repository } from "../repo/repository.ts";
import { BlobCauses } from "./check/blob-causes.ts";
import { checkCatalog } from "./check/catalog-check.ts";
import type { CheckNote, Damage, HurtSnapshot } from "./check/damage.ts";
import { choosePacks, type DataSubset, type ReadChoice } from "./check/pack-choice.ts";
import { type PackRead, type ReadTotals, readData } from "./check/read-data.ts";
import { type LookPhase, type RepositoryLook, RepositoryView } from "./check/repository-view.ts";
import { VerifiedPacks } from "./check/verified-packs.ts";
import { defaultThreads } from "./snapshot/snapshot-workers.ts";

export type { CheckNote, Damage, DamageKind, HurtPath, HurtSnapshot } from "./check/damage.ts";
export type { DataSubset } from "./check/pack-choice.ts";

const looksMax = 3;

export interface CheckProgress {
  /** "data" and "catalogs" go on at the same time. */
  readonly phase: LookPhase | "data" | "catalogs";
  /** Packs, or snapshots; 0 of 0 where nobody counts. */
  readonly done: number;
  readonly total: number;
  /** Of packs read, in the phase "data". */
  readonly bytes: number;
  readonly bytesTotal: number;
}

export interface CheckOptions {
  /** Read and verify packs: all, unless one of the next three narrows it; each implies it. */
  readonly readData?: boolean;
  readonly readDataSubset?: DataSubset;
  /** Leaves out packs that this host verified less than so long ago. */
  readonly maxAgeMs?: number;
  /** Reads at most so much, what was verified longest ago first. */
  readonly budgetBytes?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CheckProgress) => void;
}

export interface CheckedData extends ReadTotals {
  /** Of all packs that are there; `packs` and `bytes` are what was read. */
  readonly packsAll: number;
  readonly bytesAll: number;
}

export interface CheckReport {
  /** Nothing is damaged. */
  readonly isClean: boolean;
  /** At most 1001; the last then stands for all others. */
  readonly damage: readonly Damage[];
  readonly damageCount: number;
  readonly hurtSnapshots: readonly HurtSnapshot[];
  readonly notes: readonly CheckNote[];
  readonly snapshots: number;
  readonly keySlots: number;
  /** Leases of writers that are, or were, at work. */
  readonly sessions: number;
  readonly indexObjects: number;
  readonly packs: number;
  readonly packBytes: number;
  /** Packs that no index object names. */
  readonly orphanPacks: number;
  /** Buried packs that the next prune removes, and rescues from what is still needed. */
  readonly dyingPacks: number;
  /** What was read; absent after a check of the structure alone. */
  readonly data?: CheckedData;
}

export async function checkRepository(
  repo: Repository,
  options: CheckOptions = {},
): Promise<CheckReport> {
  return new RepositoryCheck(repo, options).run();
}

class RepositoryCheck {
  readonly #repo: Repository;
  readonly #options: CheckOptions;
  readonly #view: RepositoryView;
  /** Faults of packs that no index object names, found by reading them. */
  readonly #orphanFaults = new Map<string, string>();
  #missesBlobs = false;

  constructor(repo: Repository, options: CheckOptions) {
    this.#repo = repo;
    this.#options = options;
    this.#view = new RepositoryView(repo, {
      signal: options.signal,
      onPhase: (phase) => this.#progress({ phase }),
    });
  }

  async run(): Promise<CheckReport> {
    try {
      return await this.#run();
    } finally {
      this.#view.close();
    }
  }

  async #run(): Promise<CheckReport> {
    let look = await this.#view.look();
    const data = await this.#readAndWalk(look);
    // What a faulty pack hurts is known only to a walk that comes after.
    let again = this.#view.faults.hasContents;
    for (let looks = 1; looks < looksMax; looks++) {
      if (await this.#looksIntoDying(look)) again = true;
      if (!again && (look.damage.count === 0 || !(await this.#view.hasMoved(look)))) break;
      look = await this.#view.look();
      again = await this.#walk(look, this.#options.signal);
    }
    this.#addNotes(look);
    return reportOf(look, data);
  }

  /** When something is absent that dying packs may have. */
  async #looksIntoDying(look: RepositoryLook): Promise<boolean> {
    const isOfUse = this.#missesBlobs && look.listing.dying.size > 0;
    if (!isOfUse || this.#view.reachable.hasDying) return false;
    await this.#view.lookIntoDying(look);
    return true;
  }

  /** Both at once: one keeps the main thread busy, the other the workers. */
  async #readAndWalk(look: RepositoryLook): Promise<CheckedData | undefined> {
    const stop = new AbortController();
    const { signal: outer } = this.#options;
    const signal = outer === undefined ? stop.signal : AbortSignal.any([outer, stop.signal]);
    const orStop = (error: unknown) => {
      stop.abort(error);
      throw error;
    };
    const reading = this.#wantsData() ? this.#readData(look, signal) : undefined;
    const both = [this.#walk(look, signal).catch(orStop), reading?.catch(orStop)];
    await Promise.allSettled(both);
    await Promise.all(both);
    return reading;
  }

  #progress(progress: Partial<CheckProgress> & Pick<CheckProgress, "phase">): void {
    const zero = { done: 0, total: 0, bytes: 0, bytesTotal: 0 };
    this.#options.onProgress?.({ ...zero, ...progress });
  }

  #wantsData(): boolean {
    const { readData: wanted, readDataSubset, maxAgeMs, budgetBytes } = this.#options;
    const isNarrowed = [readDataSubset, maxAgeMs, budgetBytes].some((each) => each !== undefined);
    return wanted === true || isNarrowed;
  }

  async #readData({ listing, notes }: RepositoryLook, signal: AbortSignal): Promise<CheckedData> {
    const verified = this.#openMemory(notes);
    const all = [...this.#packsToRead(listing.orphans, verified)];
    const chosen = choosePacks(all, this.#choice(), this.#nowMs(), () => this.#chance());
    const bytesTotal = chosen.reduce((sum, { size }) => sum + size, 0);
    const onPack = ({ packs, bytes }: ReadTotals) =>
      this.#progress({ phase: "data", done: packs, total: chosen.length, bytes, bytesTotal });
    onPack({ packs: 0, bytes: 0, blobs: 0, rawBytes: 0 });
    try {
      const totals = await readData(chosen, {
        repo: this.#repo,
        blobs: this.#view.blobs,
        threads: this.#options.threads ?? defaultThreads(),
        faults: this.#view.faults,
        verified,
        onOrphanFault: (pack, message) => this.#orphanFaults.set(pack, message),
        onPack,
        signal,
      });
      const bytesAll = all.reduce((sum, { size }) => sum + size, 0);
      return { ...totals, packsAll: all.length, bytesAll };
    } finally {
      verified?.close();
    }
  }

  #choice(): ReadChoice {
    const { readDataSubset: subset, maxAgeMs, budgetBytes } = this.#options;
    return {
      ...(subset === undefined ? {} : { subset }),
      ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
      ...(budgetBytes === undefined ? {} : { budgetBytes }),
    };
  }

  #nowMs(): number {
    return Number(this.#repo.clock.nowNs() / 1_000_000n);
  }

  #chance(): number {
    return Buffer.from(this.#repo.random(4)).readUInt32LE(0) / 2 ** 32;
  }

  /** A check is worth more than its memory. */
  #openMemory(notes: RepositoryLook["notes"]): VerifiedPacks | undefined {
    try {
      return VerifiedPacks.open(this.#repo.cache.folder, this.#repo.store.url);
    } catch (error) {
      if (!hasCode(error, "cache-failed")) throw error;
      notes.add("not-remembered", `What was verified is not remembered: ${error.message}`, "");
      return undefined;
    }
  }

  *#packsToRead(
    orphans: RepositoryLook["listing"]["orphans"],
    verified: VerifiedPacks | undefined,
  ): Generator<PackRead & { verifiedMs: number | undefined }> {
    const { digests, faults } = this.#view;
    for (const info of this.#repo.index.livingPacks()) {
      const { pack, packNo, size } = info;
      if (faults.isAbsent(packNo)) continue;
      const recordDigest = digests.get(packNo);
      const read = { pack, size, info, verifiedMs: verified?.verifiedMs(pack) };
      yield recordDigest === undefined ? read : { ...read, recordDigest };
    }
    for (const { pack, size } of orphans) yield { pack, size, verifiedMs: undefined };
  }

  /** Whether dying packs that are needed turned out to be damaged: then it has to walk again. */
  async #walk(
    { records, damage }: RepositoryLook,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { index } = this.#repo;
    const { blobs, faults, reachable } = this.#view;
    const causes = new BlobCauses({ reachable, index, blobs, faults, damage });
    reachable.clearNeeded();
    const total = records.length;
    this.#progress({ phase: "catalogs", total });
    // Newest first: what hurts most is found first, and neighbours share most.
    for (const [at, record] of [...records].reverse().entries()) {
      await checkCatalog(causes, record, signal);
      this.#progress({ phase: "catalogs", done: at + 1, total });
    }
    this.#missesBlobs = causes.missesBlobs;
    return (await reachable.verifyNeeded(faults)).isFaulty;
  }

  /** Also packs that hurt no snapshot; and those that a prune will not let go. */
  #addNotes({ damage, notes }: RepositoryLook): void {
    for (const object of this.#view.reachable.neededObjects) {
      const message = "Buried packs have what snapshots need; the next prune copies it out.";
      notes.add("dying-packs-needed", message, object);
    }
    for (const { info, message } of this.#view.faults) {
      if (this.#repo.index.counts(info.packNo)) damage.add("pack", packObject(info.pack), message);
    }
    for (const [pack, message] of [...this.#orphanFaults].sort()) {
      damage.add("pack", packObject(packId(pack)), message);
    }
  }
}

function reportOf(look: RepositoryLook, data: CheckedData | undefined): CheckReport {
  const { damage, notes, listing, counts, records } = look;
  const report = {
    isClean: damage.count === 0,
    damage: damage.entries,
    damageCount: damage.count,
    hurtSnapshots: damage.hurtSnapshots,
    notes: notes.list,
    snapshots: records.length,
    keySlots: counts.keySlots,
    sessions: counts.sessions,
    indexObjects: counts.indexObjects,
    packs: listing.packs,
    packBytes: listing.bytes,
    orphanPacks: listing.orphans.length,
    dyingPacks: listing.dying.size,
  };
  return data === undefined ? report : { ...report, data };
}
