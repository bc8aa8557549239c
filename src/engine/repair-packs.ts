/**
 * Gives up packs that are lost or damaged, so that what they held counts as absent and the next
 * snapshot stores again what the source still has.
 *
 *  1. Lease, index. Which packs: those that are absent or of another size, and those that the
 *     caller names, from a check that read the data.
 *  2. Blobs of them that still open, and that no other living pack has, are copied as they are into
 *     new packs; then their index object is put.
 *  3. The old packs are buried: a tombstone binds for ever. A pack that was only misplaced, because
 *     a disk was not there, must be put back before, not after.
 */
import { hasCode } from "../base/errors.ts";
import { type PackId, toHex } from "../base/ids.ts";
import { BlobOpener, type PackOpener } from "../repo/blob-codec.ts";
import { type BlobPlace, standingCopy } from "../repo/blob-lookup.ts";
import { type BlobWriter, withBlobWriter } from "../repo/blob-writer.ts";
import type { IndexPack } from "../repo/format/index-object.ts";
import { packObject } from "../repo/format/object-names.ts";
import { depthOf, type PackTableEntry } from "../repo/format/pack-table.ts";
import type { Repository } from "../repo/repository.ts";
import { listSessions, Session } from "../repo/session.ts";
import { buryPacks, noteSessions } from "../repo/tombstones.ts";
import { findPackRecords } from "./check/pack-records.ts";
import { RepositoryView } from "./check/repository-view.ts";
import { Repacker } from "./repack.ts";
import { indexNeedsRepair } from "./repair-index.ts";

export interface RepairPacksOptions {
  /** Packs that a check found damaged, beside those whose size already tells. */
  readonly packs?: readonly PackId[];
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onPack?: (pack: RepairedPack) => void;
}

export interface RepairedPack {
  readonly pack: PackId;
  /** Blobs that the index says it holds. */
  readonly blobs: number;
  /** Copied into another pack. */
  readonly saved: number;
  /** Found in other packs as well. */
  readonly elsewhere: number;
  /** Absent from now on. */
  readonly lost: number;
}

/** What was done, or would be; empty when all packs are as they should be. */
export async function repairPacks(
  repo: Repository,
  options: RepairPacksOptions = {},
): Promise<RepairedPack[]> {
  const isDry = options.dryRun === true;
  const session = isDry ? Session.unseen(repo) : await Session.begin(repo, "repair packs");
  try {
    return await repair(repo, options, session);
  } finally {
    await session.end();
  }
}

async function repair(
  repo: Repository,
  options: RepairPacksOptions,
  session: Session,
): Promise<RepairedPack[]> {
  const faulty = await findFaulty(repo, options);
  const repaired: RepairedPack[] = [];
  if (faulty.size === 0) return repaired;
  const isDry = options.dryRun === true;
  const work = async (writer: BlobWriter) => {
    const repacker = isDry ? undefined : new Repacker(repo, writer);
    const salvage = new Salvage(repo, repacker, faulty);
    await findPackRecords(repo, faulty, async (record) => {
      options.signal?.throwIfAborted();
      if (repaired.some(({ pack }) => pack === record.pack)) return;
      const done = await salvage.copy(record);
      repaired.push(done);
      options.onPack?.(done);
    });
    await repacker?.finish();
  };
  await withBlobWriter(repo, session, work, isDry);
  if (isDry) return repaired;
  await session.requireUnfenced();
  // Not those whose record a merge has moved under our hands: they wait for the next repair.
  const done = repaired.map(({ pack }) => pack);
  await bury(repo, session, done);
  await repo.loadIndex(options.signal);
  return repaired;
}

async function findFaulty(repo: Repository, options: RepairPacksOptions): Promise<Set<PackId>> {
  const view = new RepositoryView(repo, { signal: options.signal, onPhase: () => undefined });
  const { damage } = await view.look();
  const unreadable = damage.entries.filter(
    ({ kind }) => kind === "index" || kind === "tombstone",
  ).length;
  if (unreadable > 0) throw indexNeedsRepair(unreadable);
  const faulty = new Set<PackId>([...view.faults].map(({ info }) => info.pack));
  for (const pack of options.packs ?? []) {
    const packNo = repo.index.packNumber(pack);
    if (packNo !== undefined && repo.index.counts(packNo)) faulty.add(pack);
  }
  return faulty;
}

/** In this order: a writer whose lease we do not see began after the tombstone was there. */
async function bury(repo: Repository, session: Session, packs: readonly PackId[]): Promise<void> {
  const tombstones = await buryPacks(repo, packs);
  const sessions = await listSessions(repo.store, repo.keys);
  const alive = sessions
    .filter(({ id }) => id !== session.id)
    .map(({ id, lease }) => ({ session: id, beat: lease.beat }));
  for (const tombstone of tombstones) await noteSessions(repo, tombstone, alive);
}

class Salvage {
  readonly #repo: Repository;
  /** Undefined in a dry run. */
  readonly #repacker: Repacker | undefined;
  readonly #faultyNos: Set<number>;
  readonly #opener: BlobOpener;
  /** Of blobs that stand on nothing, their ids; of others also the depth and the base's. */
  readonly #saved = new Set<string>();

  constructor(repo: Repository, repacker: Repacker | undefined, faulty: ReadonlySet<PackId>) {
    this.#repo = repo;
    this.#repacker = repacker;
    this.#opener = new BlobOpener(repo.keys);
    this.#faultyNos = new Set([...faulty].map((pack) => repo.index.packNumber(pack) ?? -1));
  }

  /** A whole pack in memory at a time. */
  async copy(record: IndexPack): Promise<RepairedPack> {
    const bytes = await this.#bytesOf(record.pack);
    const opener = this.#tryOpenPack(record);
    const count = { saved: 0, elsewhere: 0, lost: 0 };
    // Bases before the blobs that stand on them.
    const order = [...record.blobs].sort((a, b) => depthOf(a) - depthOf(b));
    for (const blob of order) {
      if (this.#isElsewhere(blob)) count.elsewhere++;
      else if (opener !== undefined && (await this.#save(opener, blob, bytes))) count.saved++;
      else count.lost++;
    }
    return { pack: record.pack, blobs: record.blobs.length, ...count };
  }

  /** What is there of it. */
  async #bytesOf(pack: PackId): Promise<Uint8Array> {
    try {
      return await this.#repo.store.get(packObject(pack));
    } catch (error) {
      if (hasCode(error, "object-absent")) return new Uint8Array(0);
      throw error;
    }
  }

  #tryOpenPack(record: IndexPack): PackOpener | undefined {
    try {
      return this.#opener.openPack(record);
    } catch (error) {
      if (hasCode(error, "object-damaged")) return undefined;
      throw error;
    }
  }

  /**
   * Whether as much of the blob as this copy can give is in sound packs. A copy of more depth is no
   * match for it: not all can stand on that, and it is lost with more.
   */
  #isElsewhere(blob: PackTableEntry): boolean {
    const { kind, id } = blob;
    if (this.#saved.has(nameOf({ id })) || this.#saved.has(nameOf(blob))) return true;
    const isSound = ({ packNo }: BlobPlace) => !this.#faultyNos.has(packNo);
    return standingCopy(this.#repo.index, kind, id, depthOf(blob) + 1, isSound) !== undefined;
  }

  /** Also what stands on a base that is lost: the next snapshot may bring that back. */
  async #save(opener: PackOpener, blob: PackTableEntry, bytes: Uint8Array): Promise<boolean> {
    let encoded: Uint8Array;
    try {
      encoded = this.#opener.decrypt(
        opener,
        blob,
        bytes.subarray(blob.offset, blob.offset + blob.length),
      );
    } catch (error) {
      if (hasCode(error, "blob-damaged")) return false;
      throw error;
    }
    this.#saved.add(nameOf(blob));
    await this.#repacker?.append(blob, encoded);
    return true;
  }
}

function nameOf(blob: Pick<PackTableEntry, "id" | "baseId" | "generation">): string {
  const { id, baseId } = blob;
  return baseId === undefined ? toHex(id) : `${toHex(id)} ${depthOf(blob)} ${toHex(baseId)}`;
}
