/**
 * Rebuilds the index from the packs alone; works when every index object is lost.
 *
 *  1. Lease; then index and tombstones, as far as they can be read. A pack with a tombstone stays
 *     dead: nothing of it is looked at.
 *  2. The contents of each pack that no readable index object names are read from the pack itself
 *     and put into new index objects, of bounded size. A pack that does not open is reported and
 *     left in place.
 *  3. Only then are the unreadable index objects removed. A crash before leaves them beside the
 *     new ones.
 *
 * The repository must be open with `freshCache`: a cache may know index objects that are damaged in
 * the store.
 */
import { hasCode, VarveError } from "../base/errors.ts";
import { type IndexId, isHex, type PackId, packId } from "../base/ids.ts";
import { PackState } from "../repo/blob-index.ts";
import {
  decodePack,
  type EncodedPack,
  encodePack,
  type IndexPack,
} from "../repo/format/index-object.ts";
import { packObject } from "../repo/format/object-names.ts";
import { writeIndexObject } from "../repo/index-writer.ts";
import { readPackFromStore } from "../repo/pack-reader.ts";
import type { Repository } from "../repo/repository.ts";
import { listSessions, Session } from "../repo/session.ts";
import { findPackRecords } from "./check/pack-records.ts";

/** Blobs in one new index object: about 8 MB. */
const blobsPerObject = 200_000;

export interface RepairIndexOptions {
  /** Read every pack, and put new index objects in the place of all there are. */
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Packs read. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface FaultyObject {
  /** Name in the store. */
  readonly object: string;
  readonly message: string;
}

export interface RepairIndexResult {
  /** Index objects that do not open; removed unless it is a dry run. */
  readonly damagedIndexObjects: readonly FaultyObject[];
  /** Tombstones that do not open; removed when nobody else is at work. */
  readonly damagedTombstones: readonly FaultyObject[];
  readonly tombstonesRemoved: boolean;
  /** Packs that the index names now and did not before. */
  readonly addedPacks: number;
  readonly addedBlobs: number;
  /** Packs that do not open; left in place. `varve check --read-data` says what they hurt. */
  readonly damagedPacks: readonly FaultyObject[];
  /** Packs that the index names and that are not there: for `repairPacks`. */
  readonly absentPacks: readonly PackId[];
  readonly writtenIndexObjects: number;
  readonly removedIndexObjects: number;
}

export async function repairIndex(
  repo: Repository,
  options: RepairIndexOptions = {},
): Promise<RepairIndexResult> {
  const isDry = options.dryRun === true;
  const session = isDry ? Session.unseen(repo) : await Session.begin(repo, "repair index");
  try {
    return await new IndexRepair(repo, options, session).run();
  } finally {
    await session.end();
  }
}

class IndexRepair {
  readonly #repo: Repository;
  readonly #options: RepairIndexOptions;
  readonly #session: Session;
  readonly #damagedIndexObjects: FaultyObject[] = [];
  readonly #damagedTombstones: FaultyObject[] = [];
  readonly #damagedPacks: FaultyObject[] = [];
  readonly #written: IndexId[] = [];
  #batch: EncodedPack[] = [];
  #batchBlobs = 0;
  #addedPacks = 0;
  #addedBlobs = 0;

  constructor(repo: Repository, options: RepairIndexOptions, session: Session) {
    this.#repo = repo;
    this.#options = options;
    this.#session = session;
  }

  async run(): Promise<RepairIndexResult> {
    // Before the packs: one that an index object names by now is in the listing that follows.
    const objects = await this.#listIndexObjects();
    await this.#load();
    const { toRead, present } = await this.#listPacks();
    const absentPacks = this.#absentPacks(present);
    await this.#readPacks(toRead);
    await this.#keepRecordsOfDamaged();
    await this.#writeBatch();
    const removed = await this.#removeOld(objects);
    const tombstonesRemoved = await this.#removeTombstones();
    return {
      damagedIndexObjects: this.#damagedIndexObjects,
      damagedTombstones: this.#damagedTombstones,
      tombstonesRemoved,
      addedPacks: this.#addedPacks,
      addedBlobs: this.#addedBlobs,
      damagedPacks: this.#damagedPacks,
      absentPacks,
      writtenIndexObjects: this.#written.length,
      removedIndexObjects: removed,
    };
  }

  async #listIndexObjects(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.#repo.store.list("index")) names.push(name);
    return names;
  }

  async #load(): Promise<void> {
    await this.#repo.loadIndex(this.#options.signal, {
      onDamaged: ({ name }, error) => {
        // A newer program's object is not ours to remove.
        if (!hasCode(error, "object-damaged")) throw error;
        const list = name.startsWith("index/")
          ? this.#damagedIndexObjects
          : this.#damagedTombstones;
        list.push({ object: name, message: error.message });
      },
    });
  }

  async #listPacks(): Promise<{ toRead: Map<PackId, number>; present: Set<string> }> {
    const { store, index } = this.#repo;
    const dead = new Set<string>(index.deadPacks());
    const toRead = new Map<PackId, number>();
    const present = new Set<string>();
    for await (const { name, size } of store.list("packs")) {
      const base = name.slice(name.lastIndexOf("/") + 1);
      if (!isHex(base, 64) || name !== packObject(packId(base))) {
        this.#damagedPacks.push({ object: name, message: "Its name is not that of a pack." });
        continue;
      }
      present.add(base);
      if (dead.has(base)) continue;
      const packNo = index.packNumber(packId(base));
      const isKnown = packNo !== undefined && index.counts(packNo);
      if (!isKnown || this.#options.all === true) toRead.set(packId(base), size);
    }
    return { toRead, present };
  }

  #absentPacks(present: ReadonlySet<string>): PackId[] {
    const living = [...this.#repo.index.livingPacks()].map(({ pack }) => pack);
    return living.filter((pack) => !present.has(pack));
  }

  async #readPacks(packs: ReadonlyMap<PackId, number>): Promise<void> {
    const { store, keys } = this.#repo;
    let done = 0;
    for (const [pack, size] of packs) {
      this.#options.signal?.throwIfAborted();
      try {
        await this.#add(await readPackFromStore(store, keys, pack, size));
      } catch (error) {
        if (!hasCode(error, "object-damaged", "object-absent", "repo-future")) throw error;
        this.#damagedPacks.push({ object: packObject(pack), message: error.message });
      }
      this.#options.onProgress?.(++done, packs.size);
    }
  }

  async #add(record: IndexPack): Promise<void> {
    const { index } = this.#repo;
    const packNo = index.packNumber(record.pack);
    if (packNo === undefined || !index.counts(packNo)) {
      this.#addedPacks++;
      this.#addedBlobs += record.blobs.length;
    }
    this.#batch.push(encodePack(record));
    this.#batchBlobs += record.blobs.length;
    if (this.#batchBlobs >= blobsPerObject) await this.#writeBatch();
  }

  /** What the index knows of a pack that does not open is all there is to read its blobs by. */
  async #keepRecordsOfDamaged(): Promise<void> {
    if (this.#options.all !== true || this.#damagedPacks.length === 0) return;
    const names = new Set(this.#damagedPacks.map(({ object }) => object));
    const damaged = new Set<PackId>();
    for (const { pack } of this.#repo.index.livingPacks()) {
      if (names.has(packObject(pack))) damaged.add(pack);
    }
    const kept = new Set<PackId>();
    await findPackRecords(this.#repo, damaged, async (record) => {
      if (kept.has(record.pack)) return;
      kept.add(record.pack);
      await this.#add(record);
    });
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBlobs = 0;
    if (batch.length === 0 || this.#options.dryRun === true) return;
    const { cache, index } = this.#repo;
    // The cache links an index object to packs that it knows.
    cache.db
      .transaction(() => {
        for (const record of batch) index.insert(decodePack(record), PackState.unlisted, null);
      })
      .immediate();
    this.#written.push(await writeIndexObject(this.#repo, batch, []));
  }

  /** Everything that `objects` said is in new objects now, or cannot be read. */
  async #removeOld(objects: readonly string[]): Promise<number> {
    const damaged = this.#damagedIndexObjects.map(({ object }) => object);
    const old = this.#options.all === true ? objects : damaged;
    if (this.#options.dryRun === true) return 0;
    await this.#session.requireUnfenced();
    const written = new Set<string>(this.#written.map((id) => `index/${id}`));
    const removed = old.filter((name) => !written.has(name));
    for (const name of removed) await this.#repo.store.delete(name);
    await this.#repo.loadIndex(this.#options.signal).catch((error: unknown) => {
      // Tombstones that do not open are next.
      if (!hasCode(error, "object-damaged")) throw error;
    });
    return removed.length;
  }

  /**
   * Nobody can tell which packs an unreadable tombstone named. Somebody at work may know, and go by
   * it; so it goes only when nobody is.
   */
  async #removeTombstones(): Promise<boolean> {
    if (this.#damagedTombstones.length === 0 || this.#options.dryRun === true) return false;
    const { store, keys } = this.#repo;
    const others = (await listSessions(store, keys)).filter(({ id }) => id !== this.#session.id);
    if (others.length > 0) return false;
    for (const { object } of this.#damagedTombstones) await store.delete(object);
    await this.#repo.loadIndex(this.#options.signal);
    return true;
  }
}

/** For messages: what to do when the index cannot be trusted. */
export function indexNeedsRepair(objects: number): VarveError {
  return new VarveError("object-damaged", `${objects} index objects or tombstones do not open.`, {
    hint: "Run `varve repair index` first.",
  });
}
