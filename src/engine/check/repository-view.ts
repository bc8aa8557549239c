/**
 * A repository as it is now, as far as it can be read: snapshots, index, packs. In this order: a
 * snapshot that comes later may refer to blobs that this index does not know.
 */
import { BlobReader } from "../../repo/blob-reader.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import {
  checkSmallObjects,
  checkSnapshots,
  type ObjectCheck,
  type ObjectCounts,
} from "./check-objects.ts";
import { checkPackListing, type PackListing } from "./check-packs.ts";
import { type DamageKind, DamageList, NoteList } from "./damage.ts";
import { PackFaults } from "./pack-faults.ts";
import { ReachableBlobs } from "./reachable-blobs.ts";
import { RecordDigests } from "./record-digests.ts";

/** What one look at the repository found. */
export interface RepositoryLook {
  readonly records: readonly SnapshotRecord[];
  readonly counts: ObjectCounts & { readonly indexObjects: number };
  readonly listing: PackListing;
  readonly damage: DamageList;
  readonly notes: NoteList;
  /** Goes up when a pack that counted counts no more. */
  readonly generation: number;
}

export type LookPhase = "objects" | "index" | "packs";

export interface LookOptions {
  readonly signal: AbortSignal | undefined;
  readonly onPhase: (phase: LookPhase) => void;
}

export class RepositoryView {
  readonly faults = new PackFaults();
  readonly digests = new RecordDigests();
  /** Takes the index as it is. */
  readonly reachable: ReachableBlobs;
  /** Reads what is reachable; blobs that are absent are absent. */
  readonly blobs: BlobReader;
  readonly #repo: Repository;
  readonly #options: LookOptions;

  constructor(repo: Repository, options: LookOptions) {
    const { store, keys } = repo;
    this.#repo = repo;
    this.#options = options;
    this.reachable = new ReachableBlobs(repo);
    this.blobs = new BlobReader({
      store,
      keys,
      index: this.reachable,
      loadIndex: async () => undefined,
      onSpareUsed: ({ packNo, ordinal }) =>
        this.faults.addBlob(this.reachable.packInfo(packNo), ordinal),
    });
  }

  async look(): Promise<RepositoryLook> {
    const { signal, onPhase } = this.#options;
    const damage = new DamageList();
    const notes = new NoteList();
    const check: ObjectCheck = { repo: this.#repo, damage, notes, signal };
    onPhase("objects");
    const counts = await checkSmallObjects(check);
    const { records, fences } = await checkSnapshots(check);
    onPhase("index");
    await this.#loadIndex(damage);
    const generation = this.#repo.wholeRoots.generation();
    onPhase("packs");
    const listing = await this.#listPacks(damage, notes);
    if (this.reachable.hasDying) await this.reachable.loadDying(listing.dying);
    const indexObjects = await this.#countIndexObjects();
    return {
      records,
      counts: { ...counts, fences, indexObjects },
      listing,
      damage,
      notes,
      generation,
    };
  }

  /** Whether something that this look relied on was removed since. */
  async hasMoved({ records, generation }: RepositoryLook): Promise<boolean> {
    await this.#loadIndex(new DamageList());
    if (this.#repo.wholeRoots.generation() !== generation) return true;
    const present = new Set<string>();
    for await (const { name } of this.#repo.store.list("snapshots")) present.add(name);
    return records.some(({ id }) => !present.has(`snapshots/${id}`));
  }

  /** From the next look on, dying packs are looked into; `look` says which there are. */
  async lookIntoDying({ listing }: RepositoryLook): Promise<void> {
    await this.reachable.loadDying(listing.dying);
  }

  close(): void {
    this.reachable.close();
  }

  async #loadIndex(damage: DamageList): Promise<void> {
    await this.#repo.loadIndex(this.#options.signal, {
      onDamaged: ({ name }, error) => damage.add(kindOf(name), name, error.message),
      onPack: (pack, packNo) => this.digests.add(pack, packNo),
    });
  }

  async #listPacks(damage: DamageList, notes: NoteList): Promise<PackListing> {
    const { store, index } = this.#repo;
    this.faults.clearSizes();
    const listing = await checkPackListing(store, index, this.faults, { damage, notes });
    for (const packNo of this.digests.disputed) {
      if (!index.counts(packNo)) continue;
      const message = "Index objects say different things of it.";
      this.faults.addContent(index.packInfo(packNo), message, []);
    }
    return listing;
  }

  async #countIndexObjects(): Promise<number> {
    const { db } = this.#repo.cache;
    return db.prepare("SELECT count(*) FROM index_object").pluck().get() as number;
  }
}

function kindOf(name: string): DamageKind {
  return name.startsWith("index/") ? "index" : "tombstone";
}
