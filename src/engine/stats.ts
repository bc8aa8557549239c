/**
 * Sizes and counts: what snapshots would take restored, what their data takes once, and what is
 * stored. Memory: one bit a blob (used-blobs.ts), and what a listing of snapshots takes.
 *
 * Deduplication compares like with like: files with the chunks of files. Catalogs, which tell what
 * files there are, are counted apart; in a repository of little data they are most of it.
 */
import { VarveError } from "../base/errors.ts";
import type { SnapshotId } from "../base/ids.ts";
import type { Repository } from "../repo/repository.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { markSnapshots } from "./mark.ts";

export interface StatsOptions {
  /** Only these; default: all. */
  readonly snapshots?: readonly SnapshotId[];
  readonly signal?: AbortSignal;
  readonly onSnapshot?: (done: number, total: number) => void;
}

export interface SnapshotStats {
  readonly id: SnapshotId;
  readonly timeNs: bigint;
  readonly series: string;
  readonly entries: number;
  readonly files: number;
  /** Bytes of all files: what a restore writes. */
  readonly restoreBytes: number;
}

export interface RepositoryStats {
  readonly snapshots: readonly SnapshotStats[];
  /** Added up over the snapshots. */
  readonly entries: number;
  /** Sizes of all files, holes and further names of a file included, added up likewise. */
  readonly logicalBytes: number;
  /** Blobs that the snapshots need, each once. */
  readonly blobs: number;
  /** Plaintext of the chunks of their files, each once. */
  readonly uniqueBytes: number;
  /** Plaintext of the other blobs: catalogs, lists of chunks. */
  readonly catalogBytes: number;
  /** All of these blobs as stored: compressed and sealed. */
  readonly storedBytes: number;
  /** logicalBytes / uniqueBytes, at least 1 when nothing is absent; 1 when there is nothing. */
  readonly deduplication: number;
  /** (uniqueBytes + catalogBytes) / storedBytes; 1 when there is nothing. */
  readonly compression: number;
  /** Needed blobs that no pack has: run a check. */
  readonly absentBlobs: number;
  /** Of the whole repository, whatever snapshots were chosen. */
  readonly packs: number;
  readonly packBytes: number;
  readonly objects: number;
  readonly objectBytes: number;
}

const folders = ["keys", "packs", "index", "snapshots", "sessions", "tombstones", "fences"];

export async function repositoryStats(
  repo: Repository,
  options: StatsOptions = {},
): Promise<RepositoryStats> {
  const { signal, onSnapshot } = options;
  // Snapshots first: a later one may need blobs that this index does not know.
  const records = chosen(await repo.snapshots(), options.snapshots);
  await repo.loadIndex(signal);
  let absentBlobs = 0;
  const used = await markSnapshots(repo, records, {
    onAbsent: () => absentBlobs++,
    onDamaged: () => absentBlobs++,
    signal,
    ...(onSnapshot === undefined ? {} : { onSnapshot }),
  });
  const logicalBytes = records.reduce((sum, { snapshot }) => sum + snapshot.totals.bytes, 0);
  return {
    snapshots: records.map(statsOf),
    entries: records.reduce((sum, { snapshot }) => sum + snapshot.totals.entries, 0),
    logicalBytes,
    blobs: used.blobs,
    uniqueBytes: used.dataBytes,
    catalogBytes: used.rawBytes - used.dataBytes,
    storedBytes: used.bytes,
    deduplication: ratio(logicalBytes, used.dataBytes),
    compression: ratio(used.rawBytes, used.bytes),
    absentBlobs,
    ...(await countObjects(repo, signal)),
  };
}

function chosen(
  records: readonly SnapshotRecord[],
  ids: readonly SnapshotId[] | undefined,
): readonly SnapshotRecord[] {
  if (ids === undefined) return records;
  return ids.map((id) => {
    const record = records.find((one) => one.id === id);
    if (record !== undefined) return record;
    throw new VarveError("snapshot-absent", `There is no snapshot ${id}.`, {
      hint: "Run `varve snapshots`.",
    });
  });
}

function statsOf({ id, snapshot }: SnapshotRecord): SnapshotStats {
  const { timeNs, series, totals } = snapshot;
  const { entries, files, bytes } = totals;
  return { id, timeNs, series, entries, files, restoreBytes: bytes };
}

function ratio(a: number, b: number): number {
  return b === 0 ? 1 : a / b;
}

async function countObjects(repo: Repository, signal: AbortSignal | undefined) {
  const count = { packs: 0, packBytes: 0, objects: 1, objectBytes: 0 };
  count.objectBytes += await repo.store.size("varve.json");
  for (const folder of folders) {
    for await (const { size } of repo.store.list(folder, signal === undefined ? {} : { signal })) {
      count.objects++;
      count.objectBytes += size;
      if (folder !== "packs") continue;
      count.packs++;
      count.packBytes += size;
    }
  }
  return count;
}
