/**
 * Copies snapshots to another repository: what they need and it lacks, then their manifests. At the
 * target it is a writer like any other (docs/concurrency.md, "Writer"): killed at any point it
 * leaves blobs that the next run finds, and fenced it starts again. At the source it is a reader
 * with a lease, so that no prune takes away what it reads; where it may not write there, it reads
 * as a restore does.
 *
 * Snapshots are copied in groups, oldest first. A group that meets damage is taken apart: what is
 * whole is copied, and each snapshot that needs what is lost is told with it.
 */
import { hasCode, VarveError } from "../base/errors.ts";
import type { SnapshotId } from "../base/ids.ts";
import { type AddedBlobs, type BlobWriter, withBlobWriter } from "../repo/blob-writer.ts";
import type { Snapshot } from "../repo/format/snapshot.ts";
import { mergeIndexObjects } from "../repo/index-writer.ts";
import { findLostPacks } from "../repo/lost-packs.ts";
import { adoptPendingPacks } from "../repo/pending-packs.ts";
import type { IndexView, Repository } from "../repo/repository.ts";
import { Session, withSession } from "../repo/session.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { commitSnapshot } from "./commit-snapshot.ts";
import { type BlobNames, blobNames } from "./copy/blob-names.ts";
import { CopiedSnapshots, originOf } from "./copy/copy-plan.ts";
import { GroupCopy, type GroupTools } from "./copy/group-copy.ts";

/** How often a fenced run starts again before it gives up. */
const attemptsMax = 3;
/** Snapshots in a group: few while they bring much, so that they are soon there. */
const groupMax = 64;
const groupBytesFew = 64 * 1024 * 1024;

export interface CopyProgress {
  readonly snapshots: number;
  readonly snapshotsTotal: number;
  /** Read from the source. */
  readonly bytes: number;
}

export interface CopyOptions {
  /** Of all snapshots of the source, oldest first, those that are wanted. */
  readonly choose?: (records: readonly SnapshotRecord[]) => readonly SnapshotRecord[];
  /** Nothing is written, and no chunk read. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CopyProgress) => void;
  readonly onCopied?: (copied: CopiedSnapshot) => void;
}

export interface CopiedSnapshot {
  readonly record: SnapshotRecord;
  /** At the target; absent in a dry run. */
  readonly id?: SnapshotId;
}

export interface CopyFailure {
  readonly id: SnapshotId;
  /** Absent when the manifest itself cannot be read. */
  readonly record?: SnapshotRecord;
  readonly error: VarveError;
}

export interface CopyResult {
  readonly copied: readonly CopiedSnapshot[];
  /** Snapshots that the target had. */
  readonly present: readonly SnapshotRecord[];
  /** Snapshots that need what the source has lost. */
  readonly failed: readonly CopyFailure[];
  /** In a dry run, chunks that would be copied, and their plain size. */
  readonly added: AddedBlobs;
  readonly readBytes: number;
}

/** The repositories must be open; their indexes are loaded here. */
export async function copySnapshots(
  source: Repository,
  target: Repository,
  options: CopyOptions = {},
): Promise<CopyResult> {
  requireDifferent(source, target);
  // Mostly there is nothing to do, and then nothing is written.
  const first = await lookAtBoth(source, target, options);
  if (first.missing.length === 0 || options.dryRun === true) {
    if (first.missing.length > 0) await loadBoth(source, target, options.signal);
    return new CopyRun(source, target, Session.unseen(target), options).tell(first);
  }
  const copied: CopiedSnapshot[] = [];
  return withReadLease(source, async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await withSession(target, "copy", async (session) => {
          const look = await lookAtBoth(source, target, options);
          target.index.leaveOut([]);
          await loadBoth(source, target, options.signal);
          target.index.leaveOut(await findLostPacks(target));
          return new CopyRun(source, target, session, options, copied).run(look);
        });
      } catch (error) {
        if (!hasCode(error, "session-fenced") || attempt === attemptsMax) throw error;
      }
    }
  });
}

function requireDifferent(source: Repository, target: Repository): void {
  if (source.description.id !== target.description.id) return;
  throw new VarveError("usage", "Both places are one and the same repository.", {
    hint: "Name another one with --to; `varve init` makes it.",
    context: { repository: source.description.id },
  });
}

/** Where nothing may be written, a pack that vanishes is looked for once more when it is met. */
async function withReadLease<T>(source: Repository, work: () => Promise<T>): Promise<T> {
  let session: Session;
  try {
    session = await Session.begin(source, "copy from here");
  } catch (error) {
    if (!hasCode(error, "store-denied", "store-full")) throw error;
    return work();
  }
  try {
    return await work();
  } finally {
    // Without leave to delete, a later prune fences it.
    await session.end().catch(() => undefined);
  }
}

async function loadBoth(
  source: Repository,
  target: Repository,
  signal: AbortSignal | undefined,
): Promise<void> {
  await source.loadIndex(signal);
  await target.loadIndex(signal);
}

interface Look {
  readonly copies: CopiedSnapshots;
  readonly missing: readonly SnapshotRecord[];
  readonly present: readonly SnapshotRecord[];
  readonly unreadable: readonly CopyFailure[];
}

async function lookAtBoth(
  source: Repository,
  target: Repository,
  { choose = (records) => records }: CopyOptions,
): Promise<Look> {
  const [{ records, damaged }, there] = await Promise.all([
    source.listSnapshots(),
    target.snapshots(),
  ]);
  const chosen = choose(records);
  const copies = new CopiedSnapshots(source, records, target, there);
  return {
    copies,
    missing: copies.missing(chosen),
    present: chosen.filter((record) => copies.find(record) !== undefined),
    unreadable: damaged.map(({ id, error }) => ({ id, error })),
  };
}

class CopyRun {
  readonly #source: Repository;
  readonly #target: Repository;
  readonly #session: Session;
  readonly #options: CopyOptions;
  readonly #copied: CopiedSnapshot[];
  readonly #failed: CopyFailure[] = [];
  readonly #view: IndexView;
  #total = 0;
  #done = 0;
  #readBytes = 0;

  /** `copied`: by earlier attempts of this run. */
  constructor(
    source: Repository,
    target: Repository,
    session: Session,
    options: CopyOptions,
    copied: CopiedSnapshot[] = [],
  ) {
    this.#copied = copied;
    this.#source = source;
    this.#target = target;
    this.#session = session;
    this.#options = options;
    this.#view = target.view;
  }

  async run(look: Look): Promise<CopyResult> {
    this.#total = look.missing.length;
    this.#failed.push(...look.unreadable);
    const added = await this.#withNames((names) =>
      withBlobWriter(this.#target, this.#session, async (writer) => {
        await adoptPendingPacks(this.#target, writer);
        const group = new GroupCopy(this.#tools(names, writer));
        try {
          await this.#copyAll(group, look);
        } catch (error) {
          // What is stored already is worth keeping: the next run finds it.
          if (this.#options.signal?.aborted === true) await group.finish();
          throw error;
        }
        return writer.added;
      }),
    );
    if (added.blobs > 0) await mergeIndexObjects(this.#target);
    return this.#result(look, added);
  }

  /** What a run would do; the indexes are loaded unless nothing is missing. */
  async tell(look: Look): Promise<CopyResult> {
    this.#failed.push(...look.unreadable);
    this.#total = look.missing.length;
    const added = { blobs: 0, bytes: 0, rawBytes: 0 };
    if (look.missing.length === 0) return this.#result(look, added);
    await this.#withNames((names) =>
      withBlobWriter(
        this.#target,
        this.#session,
        async (writer) => {
          const group = new GroupCopy({ ...this.#tools(names, writer), wouldAdd: added });
          await this.#copyAll(group, look);
        },
        true,
      ),
    );
    return this.#result(look, added);
  }

  async #withNames<T>(work: (names: BlobNames) => Promise<T>): Promise<T> {
    const names = blobNames(this.#source, this.#target);
    try {
      return await work(names);
    } finally {
      names.close();
    }
  }

  #tools(names: BlobNames, writer: BlobWriter): GroupTools {
    const { signal } = this.#options;
    const [source, target] = [this.#source, this.#target];
    const onRead = (bytes: number) => {
      this.#readBytes += bytes;
      this.#tellProgress();
    };
    return { source, target, names, writer, signal, onRead };
  }

  #tellProgress(): void {
    this.#options.onProgress?.({
      snapshots: this.#done,
      snapshotsTotal: this.#total,
      bytes: this.#readBytes,
    });
  }

  async #copyAll(group: GroupCopy, look: Look): Promise<void> {
    for (let at = 0, size = 1; at < look.missing.length; ) {
      const records = look.missing.slice(at, at + size);
      at += records.length;
      const before = group.addedBytes;
      const error = await group.copy(records);
      if (error === undefined) await this.#commit(group, records, look);
      else if (records.length === 1) this.#fail(records, error);
      else await this.#copyEach(group, records, look);
      const isLittle = group.addedBytes - before < groupBytesFew;
      size = isLittle ? Math.min(groupMax, size * 4) : Math.max(1, size >> 2);
    }
  }

  async #copyEach(group: GroupCopy, records: readonly SnapshotRecord[], look: Look): Promise<void> {
    for (const record of records) {
      const error = await group.copy([record]);
      if (error === undefined) await this.#commit(group, [record], look);
      else this.#fail([record], error);
    }
  }

  #fail([record]: readonly SnapshotRecord[], error: VarveError): void {
    if (record !== undefined) this.#failed.push({ id: record.id, record, error });
    this.#done++;
    this.#tellProgress();
  }

  async #commit(group: GroupCopy, records: readonly SnapshotRecord[], look: Look): Promise<void> {
    const isDry = this.#options.dryRun === true;
    const roots = isDry ? [] : await group.finish();
    for (const [at, record] of records.entries()) {
      this.#options.signal?.throwIfAborted();
      const id = isDry ? undefined : await this.#put(record, roots[at] ?? {}, look);
      const copied = id === undefined ? { record } : { record, id };
      this.#copied.push(copied);
      this.#options.onCopied?.(copied);
      this.#done++;
      this.#tellProgress();
    }
  }

  async #put(
    record: SnapshotRecord,
    rebuilt: Partial<Pick<Snapshot, "root" | "totals">>,
    { copies }: Look,
  ): Promise<SnapshotId> {
    const snapshot: Snapshot = {
      ...record.snapshot,
      ...rebuilt,
      previous: copies.findId(record.snapshot.previous) ?? null,
      session: this.#session.id,
      original: originOf(this.#source, record),
    };
    const id = await commitSnapshot(this.#target, this.#session, snapshot, this.#view);
    copies.add(record, id);
    return id;
  }

  #result(look: Look, added: AddedBlobs): CopyResult {
    const [copied, failed] = [this.#copied, this.#failed];
    const ids = new Set(copied.map(({ record }) => record.id));
    const present = look.present.filter(({ id }) => !ids.has(id));
    return { copied, present, failed, added, readBytes: this.#readBytes };
  }
}
