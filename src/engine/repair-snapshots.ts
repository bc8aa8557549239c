/**
 * Drops from snapshots what is beyond repair, path by path: a snapshot that is hurt gets a
 * replacement without the entries that cannot be restored. Files with a missing chunk are left out
 * whole; where a part of the catalog is lost, so are its paths; a folder whose own entry is lost is
 * made up when something in it is left.
 *
 * The original stays, hurt as it is, unless `forget` is given: what is missing may turn up again.
 * It is removed only when the replacement is durable. A snapshot whose manifest, or whole catalog,
 * is unreadable has no replacement; `forget` removes it.
 *
 * Lost packs come first (`repairPacks`): only then does the index say what is absent. What only
 * dying packs have is rescued first, for all snapshots.
 */
import type { Entry } from "../base/entry.ts";
import { EntryType } from "../base/entry.ts";
import { VarveError } from "../base/errors.ts";
import type { SnapshotId } from "../base/ids.ts";
import { type CatalogKey, keyParent, pathFromKey, type RawPath } from "../base/raw-path.ts";
import { type BlobWriter, withBlobWriter } from "../repo/blob-writer.ts";
import { CatalogBuilder, type CatalogTotals } from "../repo/catalog/catalog-builder.ts";
import { CatalogReader } from "../repo/catalog/catalog-reader.ts";
import type { NodeDamage } from "../repo/catalog/node-reader.ts";
import { snapshotObject } from "../repo/format/object-names.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import type { Snapshot } from "../repo/format/snapshot.ts";
import type { Repository } from "../repo/repository.ts";
import { Session } from "../repo/session.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { BlobCauses } from "./check/blob-causes.ts";
import { checkCatalog } from "./check/catalog-check.ts";
import { ContentCheck } from "./check/content-check.ts";
import { type Damage, DamageList, type HurtPath } from "./check/damage.ts";
import { type RepositoryLook, RepositoryView } from "./check/repository-view.ts";
import { commitSnapshot } from "./commit-snapshot.ts";
import { indexNeedsRepair } from "./repair-index.ts";
import { dyingPacks, rescueBlobs } from "./rescue.ts";

export interface RepairSnapshotsOptions {
  /** Only these; default: all. */
  readonly snapshots?: readonly SnapshotId[];
  /** Remove originals that have a replacement, and snapshots that cannot be read at all. */
  readonly forget?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Each path, or stretch of paths, that is dropped, as it is found. */
  readonly onDropped?: (dropped: HurtPath) => void;
}

export interface RepairedSnapshot {
  readonly id: SnapshotId;
  /** Absent in a dry run, and when nothing is left of it or it was repaired before. */
  readonly replacement?: SnapshotId;
  /** The replacement that an earlier run wrote. */
  readonly earlier?: SnapshotId;
  /** Entries left out. */
  readonly droppedEntries: number;
  /** Folders whose own entries were lost, and that stand there with made-up attributes. */
  readonly madeUpFolders: number;
  readonly entriesLeft: number;
  readonly forgotten: boolean;
}

export interface UnreadableSnapshot {
  readonly object: string;
  readonly message: string;
  readonly forgotten: boolean;
}

export interface RepairSnapshotsResult {
  readonly repaired: readonly RepairedSnapshot[];
  readonly unreadable: readonly UnreadableSnapshot[];
  /** Snapshots that lack nothing. */
  readonly whole: number;
}

/** Notes in a replacement's `sources` what it stands for. */
const repairKind = "repair";
const repairedTag = "repaired";

export async function repairSnapshots(
  repo: Repository,
  options: RepairSnapshotsOptions = {},
): Promise<RepairSnapshotsResult> {
  const isDry = options.dryRun === true;
  const session = isDry ? Session.unseen(repo) : await Session.begin(repo, "repair snapshots");
  try {
    return await new SnapshotsRepair(repo, options, session).run();
  } finally {
    await session.end();
  }
}

interface Rewritten {
  readonly root: Uint8Array;
  readonly totals: CatalogTotals;
  readonly madeUpFolders: number;
}

class SnapshotsRepair {
  readonly #repo: Repository;
  readonly #options: RepairSnapshotsOptions;
  readonly #session: Session;
  readonly #view: RepositoryView;
  readonly #causes: BlobCauses;

  constructor(repo: Repository, options: RepairSnapshotsOptions, session: Session) {
    this.#repo = repo;
    this.#options = options;
    this.#session = session;
    this.#view = new RepositoryView(repo, { signal: options.signal, onPhase: () => undefined });
    const { blobs, faults, reachable } = this.#view;
    const damage = new DamageList();
    this.#causes = new BlobCauses({ reachable, index: repo.index, blobs, faults, damage });
  }

  async run(): Promise<RepairSnapshotsResult> {
    try {
      return await this.#run();
    } finally {
      this.#view.close();
    }
  }

  async #run(): Promise<RepairSnapshotsResult> {
    const look = await this.#view.look();
    this.#requireIndex(look);
    if (look.listing.dying.size > 0) await this.#rescue(look);
    const wanted = new Set<SnapshotId>(this.#options.snapshots ?? look.records.map(({ id }) => id));
    const repaired: RepairedSnapshot[] = [];
    let whole = 0;
    for (const record of look.records) {
      if (!wanted.has(record.id)) continue;
      if (await checkCatalog(this.#causes, record, this.#options.signal)) whole++;
      else repaired.push(await this.#repair(record, look.records));
    }
    const unreadable = look.damage.entries.filter(({ kind }) => kind === "snapshot");
    return { repaired, whole, unreadable: await this.#forgetUnreadable(unreadable) };
  }

  #requireIndex({ damage }: RepositoryLook): void {
    const isOfIndex = ({ kind }: Damage) => kind === "index" || kind === "tombstone";
    const unreadable = damage.entries.filter(isOfIndex).length;
    if (unreadable > 0) throw indexNeedsRepair(unreadable);
    const faulty = [...this.#view.faults].length;
    if (faulty === 0 || this.#options.dryRun === true) return;
    throw new VarveError("object-damaged", `${faulty} packs are lost or damaged.`, {
      hint: "Put them back, or give them up with `varve repair packs` first.",
    });
  }

  /**
   * What only dying packs have is no loss: it is copied out of them before anything is dropped. A
   * dry run takes it for there.
   */
  async #rescue(look: RepositoryLook): Promise<void> {
    if (this.#options.dryRun === true) return this.#view.lookIntoDying(look);
    const dying = await dyingPacks(this.#repo);
    await rescueBlobs(this.#repo, this.#session, look.records, dying, this.#options.signal);
  }

  async #repair(record: SnapshotRecord, all: readonly SnapshotRecord[]): Promise<RepairedSnapshot> {
    const { forget = false, dryRun = false } = this.#options;
    const earlier = all.find((other) => isReplacementOf(other, record.id))?.id;
    let droppedEntries = 0;
    const drop = (dropped: HurtPath) => {
      droppedEntries += dropped.entries;
      this.#options.onDropped?.(dropped);
    };
    const isDry = dryRun || earlier !== undefined;
    const { cutSeed } = this.#repo.keys;
    const { totals, root, madeUpFolders } = await withBlobWriter(
      this.#repo,
      this.#session,
      (writer) => new Rewriting(this.#causes, writer, record, cutSeed).run(drop),
      isDry,
    );
    const entriesLeft = totals.entries - madeUpFolders;
    const result = { id: record.id, droppedEntries, madeUpFolders, entriesLeft };
    if (dryRun) return { ...result, forgotten: false };
    if (earlier !== undefined) {
      return { ...result, earlier, forgotten: await this.#forget(record, forget) };
    }
    if (entriesLeft === 0) return { ...result, forgotten: await this.#forget(record, forget) };
    const snapshot = replacementOf(record, { root, totals, madeUpFolders }, droppedEntries);
    const { id: session } = this.#session;
    const replacement = await commitSnapshot(this.#repo, this.#session, { ...snapshot, session });
    return { ...result, replacement, forgotten: await this.#forget(record, forget) };
  }

  async #forget(record: SnapshotRecord, forget: boolean): Promise<boolean> {
    if (forget) await this.#repo.store.delete(snapshotObject(record.id));
    return forget;
  }

  async #forgetUnreadable(damaged: readonly Damage[]): Promise<UnreadableSnapshot[]> {
    const { forget = false, dryRun = false, snapshots } = this.#options;
    const unreadable: UnreadableSnapshot[] = [];
    for (const { object, message } of damaged) {
      const isWanted = snapshots?.some((id) => object === snapshotObject(id)) ?? true;
      if (!isWanted) continue;
      const forgotten = forget && !dryRun;
      if (forgotten) await this.#repo.store.delete(object);
      unreadable.push({ object, message, forgotten });
    }
    return unreadable;
  }
}

function isReplacementOf({ snapshot }: SnapshotRecord, original: SnapshotId): boolean {
  return snapshot.sources.some(({ kind, original: of }) => kind === repairKind && of === original);
}

function replacementOf(
  { id, snapshot }: SnapshotRecord,
  { root, totals, madeUpFolders }: Rewritten,
  droppedEntries: number,
): Snapshot {
  const fact = { kind: repairKind, original: id, droppedEntries, madeUpFolders };
  const tags = snapshot.tags.filter((tag) => tag !== repairedTag);
  // No copy any more of what it was copied from: `copy` may bring that once more, whole.
  const { original: _, ...kept } = snapshot;
  return {
    ...kept,
    root,
    totals,
    tags: [...tags, repairedTag],
    sources: [...snapshot.sources, fact],
    added: { blobs: 0, bytes: 0, rawBytes: 0 },
    problems: snapshot.problems + droppedEntries,
  };
}

/** Copies one catalog without what is lost. */
class Rewriting {
  readonly #causes: BlobCauses;
  readonly #record: SnapshotRecord;
  readonly #contents: ContentCheck;
  readonly #builder: CatalogBuilder;
  /** Folders that were added and that the present entry may lie in. */
  #folders: CatalogKey[] = [];
  #madeUp = 0;

  constructor(causes: BlobCauses, writer: BlobWriter, record: SnapshotRecord, cutSeed: number) {
    this.#causes = causes;
    this.#record = record;
    this.#contents = new ContentCheck(causes, undefined);
    this.#builder = new CatalogBuilder({
      cutSeed,
      sink: { putNode: (plaintext) => writer.put(BlobKind.catalog, plaintext) },
    });
  }

  async run(drop: (dropped: HurtPath) => void): Promise<Rewritten> {
    const { blobs } = this.#causes;
    const { root, totals } = this.#record.snapshot;
    const source = { readNode: (id: Uint8Array) => blobs.read(BlobKind.catalog, id) };
    const onDamage = (damage: NodeDamage) => drop(this.#lost(damage, totals.entries));
    const reader = new CatalogReader(source, root);
    const top = await reader.nodes.top(onDamage);
    if (top !== undefined) {
      for await (const { entries } of reader.leaves({ onDamage })) {
        for (const entry of entries) await this.#take(entry, drop);
      }
    }
    const built = this.#builder.finish();
    return { root: built.root, totals: built.totals, madeUpFolders: this.#madeUp };
  }

  #lost({ after, lastKey, entries }: NodeDamage, entriesAll: number): HurtPath {
    const snapshot = this.#record.id;
    const lost = { snapshot, path: pathFromKey(after), entries: entries ?? entriesAll };
    return lastKey === undefined ? lost : { ...lost, lastPath: pathFromKey(lastKey) };
  }

  async #take(entry: Entry, drop: (dropped: HurtPath) => void): Promise<void> {
    const { content, key } = entry;
    const causes = content === undefined ? undefined : await this.#contents.causesOf(content);
    if (causes !== undefined) {
      drop({ snapshot: this.#record.id, path: pathFromKey(key) as RawPath, entries: 1 });
      return;
    }
    this.#addFoldersAbove(entry);
    this.#builder.add(entry);
    if (entry.type === EntryType.folder) this.#folders.push(key);
  }

  #addFoldersAbove(entry: Entry): void {
    const above: CatalogKey[] = [];
    for (let key = keyParent(entry.key); key !== ""; key = keyParent(key)) above.unshift(key);
    this.#folders = this.#folders.filter((key, depth) => above[depth] === key);
    for (const key of above.slice(this.#folders.length)) {
      this.#builder.add(madeUpFolder(key, entry));
      this.#folders.push(key);
      this.#madeUp++;
    }
  }
}

/** Closed to all but the owner of what is in it: who knows what it was. */
function madeUpFolder(key: CatalogKey, inside: Entry): Entry {
  const { uid, gid, user, group, mtimeNs, ctimeNs } = inside;
  const type = EntryType.folder;
  return { key, type, mode: 0o700, uid, gid, user, group, mtimeNs, ctimeNs, inode: 0n, size: 0 };
}
