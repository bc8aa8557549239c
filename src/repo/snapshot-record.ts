/** A snapshot as a listing gives it. */
import type { SnapshotId } from "../base/ids.ts";
import type { Snapshot } from "./format/snapshot.ts";

export interface SnapshotRecord {
  readonly id: SnapshotId;
  readonly snapshot: Snapshot;
}

/** For sorting, oldest first; equal times by id. */
export function byTime(a: SnapshotRecord, b: SnapshotRecord): number {
  if (a.snapshot.timeNs !== b.snapshot.timeNs) {
    return a.snapshot.timeNs < b.snapshot.timeNs ? -1 : 1;
  }
  return a.id < b.id ? -1 : 1;
}
