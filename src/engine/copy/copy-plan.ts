/**
 * Which snapshots of the source the target lacks. A copy says what it is a copy of (format.md,
 * "Snapshots", `original`); so does a copy of a copy, and what comes back to where it was made is
 * known there as well.
 */
import type { SnapshotId } from "../../base/ids.ts";
import type { SnapshotOrigin } from "../../repo/format/snapshot.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";

export function originOf({ description }: Repository, record: SnapshotRecord): SnapshotOrigin {
  return record.snapshot.original ?? { repository: description.id, snapshot: record.id };
}

const nameOf = ({ repository, snapshot }: SnapshotOrigin) => `${repository} ${snapshot}`;

/** Where the snapshots of the source are at the target. */
export class CopiedSnapshots {
  readonly #source: Repository;
  readonly #byOrigin = new Map<string, SnapshotId>();
  readonly #bySource = new Map<SnapshotId, SnapshotRecord>();

  constructor(
    source: Repository,
    records: readonly SnapshotRecord[],
    target: Repository,
    present: readonly SnapshotRecord[],
  ) {
    this.#source = source;
    for (const record of records) this.#bySource.set(record.id, record);
    for (const record of present) {
      this.#byOrigin.set(nameOf(originOf(target, record)), record.id);
    }
  }

  find(record: SnapshotRecord): SnapshotId | undefined {
    return this.#byOrigin.get(nameOf(originOf(this.#source, record)));
  }

  /** Of the source's snapshot with this id. */
  findId(id: SnapshotId | null): SnapshotId | undefined {
    const record = id === null ? undefined : this.#bySource.get(id);
    return record === undefined ? undefined : this.find(record);
  }

  add(record: SnapshotRecord, copy: SnapshotId): void {
    this.#byOrigin.set(nameOf(originOf(this.#source, record)), copy);
  }

  /** Those of `chosen` that are not there yet, in their order, each origin once. */
  missing(chosen: readonly SnapshotRecord[]): SnapshotRecord[] {
    const names = new Set<string>();
    return chosen.filter((record) => {
      const name = nameOf(originOf(this.#source, record));
      if (names.has(name) || this.#byOrigin.has(name)) return false;
      names.add(name);
      return true;
    });
  }
}
