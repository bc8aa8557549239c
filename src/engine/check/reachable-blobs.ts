/**
 * Blobs that living packs have, and behind them those of dying packs: buried, but not deleted yet.
 * What snapshots need and only dying packs have is no damage as long as it opens: the next prune
 * copies it out (rescue.ts).
 *
 * The index keeps no blobs of dead packs. Their own tables are read into an index of its own, in a
 * temporary file, and only once somebody misses something: as a rule nobody needs them.
 */
import { type BlobId, type PackId, packId } from "../../base/ids.ts";
import { BlobIndex, PackState } from "../../repo/blob-index.ts";
import {
  type BlobLookup,
  type BlobPlace,
  type PackInfo,
  standingCopy,
} from "../../repo/blob-lookup.ts";
import { type Database, openTemporaryDatabase } from "../../repo/cache/cache-database.ts";
import { packObject } from "../../repo/format/object-names.ts";
import type { BlobKind } from "../../repo/format/pack-table.ts";
import { readPackFromStore } from "../../repo/pack-reader.ts";
import type { Repository } from "../../repo/repository.ts";
import { dyingPacks } from "../rescue.ts";
import { PackVerifier } from "../workers/check-pack.ts";
import { attempt } from "./data-faults.ts";
import type { PackFaults } from "./pack-faults.ts";

/** Numbers of dying packs begin here; those of the cache never come so far. */
const dyingFrom = 2 ** 40;

export class ReachableBlobs implements BlobLookup {
  readonly #repo: Repository;
  #db: Database | undefined;
  #dying: BlobIndex | undefined;
  readonly #needed = new Set<number>();
  readonly #verified = new Set<number>();

  constructor(repo: Repository) {
    this.#repo = repo;
  }

  /** Whether dying packs are looked into. */
  get hasDying(): boolean {
    return this.#dying !== undefined;
  }

  /**
   * Takes in what tombstones name and `present` says is there, with its size. Packs that are not
   * rescued are passed over: those of swept tombstones, and those whose table does not open.
   */
  async loadDying(present: ReadonlyMap<string, number>): Promise<void> {
    this.#db ??= openTemporaryDatabase();
    this.#dying ??= new BlobIndex(this.#db);
    const db = this.#db;
    db.prepare("UPDATE pack SET state = ?").run(PackState.unlisted);
    const tombstones = await attempt(() => dyingPacks(this.#repo));
    for (const pack of tombstones.value ?? []) {
      const size = present.get(pack);
      if (size !== undefined) await this.#take(this.#dying, db, pack, size);
    }
    this.#dying.refresh();
  }

  async #take(dying: BlobIndex, db: Database, pack: PackId, size: number): Promise<void> {
    const { store, keys } = this.#repo;
    let packNo = dying.packNumber(pack);
    if (packNo === undefined) {
      const read = await attempt(() => readPackFromStore(store, keys, pack, size));
      if (read.error !== undefined) return;
      const insert = () => dying.insert(read.value, PackState.living, null);
      packNo = db.transaction(insert).immediate();
    }
    db.prepare("UPDATE pack SET state = ? WHERE no = ?").run(PackState.living, packNo);
  }

  find(kind: BlobKind, id: BlobId): BlobPlace | undefined {
    const living = this.#repo.index.find(kind, id);
    if (living !== undefined || this.#dying === undefined) return living;
    return standingCopy(this, kind, id)?.place;
  }

  copies(kind: BlobKind, id: BlobId): BlobPlace[] {
    const living = this.#repo.index.copies(kind, id);
    if (this.#dying === undefined) return living;
    const dying = this.#dying.copies(kind, id);
    return [...living, ...dying.map((place) => ({ ...place, packNo: place.packNo + dyingFrom }))];
  }

  inOneView<T>(look: () => T): T {
    return this.#repo.index.inOneView(look);
  }

  packInfo(packNo: number): PackInfo {
    if (packNo < dyingFrom || this.#dying === undefined) return this.#repo.index.packInfo(packNo);
    return { ...this.#dying.packInfo(packNo - dyingFrom), packNo };
  }

  /** Notes that this copy has to be rescued, if it is in a dying pack. */
  need({ packNo }: BlobPlace): void {
    if (packNo >= dyingFrom) this.#needed.add(packNo);
  }

  /** Forgets who was needed; a new walk follows. */
  clearNeeded(): void {
    this.#needed.clear();
  }

  /** Objects of dying packs that have to be rescued. */
  get neededObjects(): string[] {
    return [...this.#needed].map((packNo) => packObject(this.packInfo(packNo).pack));
  }

  /** Reads the needed packs, one at a time; what of them does not open goes into `faults`. */
  async verifyNeeded(faults: PackFaults): Promise<{ readonly isFaulty: boolean }> {
    const { store, keys } = this.#repo;
    const verifier = new PackVerifier(keys);
    let isFaulty = false;
    for (const packNo of this.#needed) {
      if (this.#verified.has(packNo)) continue;
      this.#verified.add(packNo);
      const info = this.packInfo(packNo);
      const pack = packId(info.pack);
      const read = await attempt(async () => {
        const record = await readPackFromStore(store, keys, pack, info.size);
        return { record, bytes: await store.get(packObject(pack)) };
      });
      const { blobCount } = info;
      const lost =
        read.error === undefined
          ? (await verifier.verify({ pack, ...read.value })).lost
          : Array.from({ length: blobCount }, (_, ordinal) => ordinal);
      if (lost.length === 0) continue;
      isFaulty = true;
      const message = `It is buried and still needed, and ${lost.length} of its blobs do not open.`;
      faults.addContent(info, message, lost);
    }
    return { isFaulty };
  }

  close(): void {
    this.#db?.close();
  }
}
