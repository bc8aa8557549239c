/**
 * With which snapshot of its series a run compares the source.
 *
 * Usually the newest. But one that was made while a named path was absent, such as a disk that was
 * not mounted, knows nothing of what lies there: when the path is back, each of its files would be
 * read again. Then the newest that knew all that is here now serves better; what changed since is
 * seen by its looks, as ever.
 */
import { absentPaths } from "../../repo/format/snapshot.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import type { AbsentSource } from "../../sources/source-globs.ts";

export interface Parents {
  /** What the source is compared with. */
  readonly parent: SnapshotRecord | undefined;
  /** The newest of the series, which the new one follows. */
  readonly previous: SnapshotRecord | undefined;
}

/** `records`: of one series, oldest first. */
export function chooseParent(
  records: readonly SnapshotRecord[],
  absentNow: readonly AbsentSource[],
): Parents {
  const absent = new Set<string>(absentNow.map(({ path }) => path));
  const knowsAll = ({ snapshot }: SnapshotRecord) =>
    absentPaths(snapshot).every((path) => absent.has(path));
  const previous = records.at(-1);
  return { parent: records.findLast(knowsAll) ?? previous, previous };
}
