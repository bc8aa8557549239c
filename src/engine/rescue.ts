/**
 * Copies out of dying packs what snapshots need and no living pack has. Dying packs are dead by a
 * tombstone, but not deleted yet. Such need arises when a snapshot is made while a prune buries
 * packs that it had found unneeded. To copy is safe at any time.
 *
 * A blob that is compressed against a base is needed together with it. Copies that stand on nothing
 * are taken first; of the others every one, since nobody knows yet whose base can be had. What they
 * stand on is missing in the next round, and so on: all of it before a sweep deletes.
 */
import { bytesEqual } from "../base/bytes.ts";
import { hasCode, type VarveError } from "../base/errors.ts";
import { type BlobId, type PackId, toHex } from "../base/ids.ts";
import type { BlobPlace } from "../repo/blob-lookup.ts";
import { withBlobWriter } from "../repo/blob-writer.ts";
import { packObject } from "../repo/format/object-names.ts";
import { type BlobKind, depthOf, type PackTableEntry } from "../repo/format/pack-table.ts";
import type { Repository } from "../repo/repository.ts";
import type { Session } from "../repo/session.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { listTombstones } from "../repo/tombstones.ts";
import { markSnapshots } from "./mark.ts";
import { Repacker } from "./repack.ts";

/** The packs of all tombstones that are not swept yet. */
export async function dyingPacks(repo: Repository): Promise<Set<PackId>> {
  const unswept = (await listTombstones(repo)).filter(({ tombstone }) => !tombstone.swept);
  return new Set(unswept.flatMap(({ tombstone }) => tombstone.packs));
}

export interface RescueResult {
  /** Blobs that were copied; what no dying pack has stays absent. */
  readonly copied: number;
  /**
   * Why something that is still missing could not be had of dying packs: some of what they hold is
   * damaged. Empty when nothing is missing any more.
   */
  readonly failures: readonly VarveError[];
}

/** The index must have been loaded after the tombstones of `dying` were put. */
export async function rescueBlobs(
  repo: Repository,
  session: Session,
  records: readonly SnapshotRecord[],
  dying: ReadonlySet<PackId>,
  signal?: AbortSignal,
): Promise<RescueResult> {
  const handled = new Set<string>();
  let copied = 0;
  let failures: readonly VarveError[] = [];
  for (;;) {
    const missing = new Map<string, BlobKind>();
    let isWhole = true;
    const note = (kind: BlobKind, id: BlobId) => {
      isWhole = false;
      const hex = toHex(id);
      if (!handled.has(hex)) missing.set(hex, kind);
    };
    await markSnapshots(repo, records, { onAbsent: note, onDamaged: note, signal });
    if (missing.size === 0) return { copied, failures: isWhole ? [] : failures };
    const round = new RescueRound(repo, missing, dying);
    await withBlobWriter(repo, session, (writer) => round.run(new Repacker(repo, writer)));
    copied += round.copied;
    failures = [...failures, ...round.failures];
    // Another prune deleted a pack before our eyes; first it copied what is needed.
    if (round.vanished) await repo.loadIndex(signal);
    // Catalog nodes, lists and blobs that were missing hide what they need: look again.
    else for (const hex of missing.keys()) handled.add(hex);
  }
}

class RescueRound {
  readonly #repo: Repository;
  readonly #missing: ReadonlyMap<string, BlobKind>;
  readonly #dying: ReadonlySet<PackId>;
  readonly #done = new Set<string>();
  readonly failures: VarveError[] = [];
  copied = 0;
  vanished = false;

  constructor(
    repo: Repository,
    missing: ReadonlyMap<string, BlobKind>,
    dying: ReadonlySet<PackId>,
  ) {
    this.#repo = repo;
    this.#missing = missing;
    this.#dying = dying;
  }

  async run(repacker: Repacker): Promise<void> {
    const standing = new Set<PackId>();
    for (const pack of this.#dying) {
      const isPlain = (entry: PackTableEntry) => {
        if (this.#missing.get(toHex(entry.id)) !== entry.kind) return false;
        if (entry.baseId !== undefined) standing.add(pack);
        return entry.baseId === undefined;
      };
      await this.#copy(repacker, pack, (entry) => isPlain(entry) && this.#take(entry));
    }
    for (const pack of standing) {
      await this.#copy(repacker, pack, (entry) => this.#standsAnew(entry) && this.#take(entry));
    }
    await repacker.finish();
  }

  /** Once for each blob, and for each base that it stands on, at each depth. */
  #take(entry: PackTableEntry): boolean {
    const name = nameOf(entry);
    if (this.#done.has(name)) return false;
    this.#done.add(name);
    return true;
  }

  /** Whether no living pack has it on this base at this depth: others need other copies of it. */
  #standsAnew(entry: PackTableEntry): boolean {
    const { kind, id, baseId } = entry;
    const hex = toHex(id);
    if (baseId === undefined || this.#missing.get(hex) !== kind || this.#done.has(hex))
      return false;
    const isSame = (copy: BlobPlace) =>
      copy.baseId !== undefined &&
      bytesEqual(copy.baseId, baseId) &&
      depthOf(copy) === depthOf(entry);
    return !this.#repo.index.copies(kind, id).some(isSame);
  }

  async #copy(
    repacker: Repacker,
    pack: PackId,
    isWanted: (entry: PackTableEntry) => boolean,
  ): Promise<void> {
    const size = await packSize(this.#repo, pack);
    if (size === undefined) return;
    const onDamaged = (entry: PackTableEntry, error: VarveError) => {
      // Another dying pack may have it too.
      this.#done.delete(nameOf(entry));
      this.failures.push(error);
    };
    try {
      this.copied += await repacker.copy(pack, size, isWanted, onDamaged);
    } catch (error) {
      if (hasCode(error, "object-absent")) this.vanished = true;
      else if (hasCode(error, "object-damaged", "repo-future")) this.failures.push(error);
      else throw error;
    }
  }
}

function nameOf(entry: PackTableEntry): string {
  const { id, baseId } = entry;
  return baseId === undefined ? toHex(id) : `${toHex(id)} ${depthOf(entry)} ${toHex(baseId)}`;
}

/** Undefined when the pack is gone. */
export async function packSize(repo: Repository, pack: PackId): Promise<number | undefined> {
  try {
    return await repo.store.size(packObject(pack));
  } catch (error) {
    if (hasCode(error, "object-absent")) return undefined;
    throw error;
  }
}
