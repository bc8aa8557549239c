/** From the names and filters on the command line to snapshots of the repository. */
import { VarveError } from "../../base/errors.ts";
import type { RawPath } from "../../base/raw-path.ts";
import type { Repository } from "../../repo/repository.ts";
import type { SnapshotRecord } from "../../repo/snapshot-list.ts";
import { normalizePath } from "../../sources/source-plan.ts";
import type { CliContext } from "../context.ts";
import { formatTime } from "../human.ts";
import { sourcePath } from "../path-arguments.ts";
import { parseTime } from "../time-parse.ts";
import type { FilterOptions } from "./snapshot-filter.ts";

/** All snapshots, oldest first. With an unreadable one, rules could be applied to half a truth. */
export async function readableRecords(repository: Repository): Promise<SnapshotRecord[]> {
  const { records, damaged } = await repository.listSnapshots();
  const first = damaged[0];
  if (first === undefined) return records;
  throw new VarveError("object-damaged", `Snapshot ${first.id.slice(0, 8)} cannot be read.`, {
    hint: "Nothing was removed. Run `varve check`, then `varve repair snapshots`.",
    context: { damaged: damaged.length },
    cause: first.error,
  });
}

/** Those that fit every kind of filter given; of one kind, any of its values. */
export function filterRecords(
  records: readonly SnapshotRecord[],
  filter: FilterOptions,
): SnapshotRecord[] {
  const paths = filter.path?.map(plainPath);
  return records.filter(({ snapshot }) => {
    const { host, series, tags } = snapshot;
    return (
      (filter.host === undefined || filter.host.includes(host)) &&
      (filter.series === undefined || filter.series.includes(series)) &&
      (filter.tag === undefined || filter.tag.some((all) => all.every((t) => tags.includes(t)))) &&
      (paths === undefined || paths.every((path) => snapshot.paths.map(trimmed).includes(path)))
    );
  });
}

const trimmed = (path: RawPath) => path.replace(/(?<=.)\/+$/, "");

/** As it stands in a manifest: absolute. */
function plainPath(text: string): string {
  return trimmed(normalizePath(sourcePath(text)));
}

const namePattern = /^latest(?:~(\d{1,6}))?$/;
const prefixPattern = /^[0-9a-f]{4,64}$/;

/** The snapshot of this name: `latest`, `latest~N` among `records`, or the beginning of an id. */
export function resolveSnapshot(records: readonly SnapshotRecord[], name: string): SnapshotRecord {
  const latest = namePattern.exec(name);
  if (latest !== null) return nthLatest(records, Number(latest[1] ?? 0), name);
  if (!prefixPattern.test(name)) {
    throw new VarveError("usage", `"${name}" does not name a snapshot.`, {
      hint: "Give at least 4 digits of an id from `varve snapshots`, latest, or latest~N.",
    });
  }
  const [found, other] = records.filter(({ id }) => id.startsWith(name));
  if (found === undefined) {
    throw new VarveError("snapshot-absent", `There is no snapshot ${name}.`, {
      hint: "`varve snapshots` lists them all.",
    });
  }
  if (other === undefined) return found;
  throw new VarveError("snapshot-ambiguous", `Several snapshots begin with ${name}.`, {
    hint: "Give more digits of the id.",
  });
}

function nthLatest(records: readonly SnapshotRecord[], back: number, name: string) {
  const record = records.at(-1 - back);
  if (record !== undefined) return record;
  throw new VarveError(
    "snapshot-absent",
    `There is no snapshot ${name}: ${fewer(records.length)}.`,
    {
      hint: "`varve snapshots` lists them; see also --host, --series and --path.",
    },
  );
}

const fewer = (count: number) => (count === 0 ? "there are none" : `there are only ${count}`);

/** The newest that was not taken after a time; of equal times the one listed last. */
export function newestAt(
  context: CliContext,
  records: readonly SnapshotRecord[],
  text: string,
): SnapshotRecord {
  const { zone, clock } = context;
  const timeNs = parseTime(text, { nowNs: clock.nowNs(), zone, dayMeans: "end" });
  const record = records.findLast(({ snapshot }) => snapshot.timeNs <= timeNs);
  if (record !== undefined) return record;
  const first = records[0];
  const oldest =
    first === undefined ? fewer(0) : `the oldest is of ${formatTime(first.snapshot.timeNs, zone)}`;
  throw new VarveError(
    "snapshot-absent",
    `There is no snapshot from before that time; ${oldest}.`,
    {
      hint: "`varve snapshots` lists them; see also --host, --series and --path.",
    },
  );
}

export interface Choice extends FilterOptions {
  readonly name?: string | undefined;
  readonly at?: string | undefined;
  /** Paths that are wanted from it; they say which series is meant where no name does. */
  readonly covered?: readonly RawPath[];
}

/** The one snapshot that a command is about: by name, by time, or the newest. */
export function chooseSnapshot(
  context: CliContext,
  records: readonly SnapshotRecord[],
  choice: Choice,
): SnapshotRecord {
  const { name, at } = choice;
  if (name !== undefined && at !== undefined) {
    throw new VarveError("usage", "Name a snapshot or give --at, not both.");
  }
  const filtered = filterRecords(records, choice);
  if (name !== undefined) return resolveSnapshot(filtered, name);
  const covering = filtered.filter((record) => covers(record, choice.covered ?? []));
  const candidates = covering.length > 0 ? covering : filtered;
  return at === undefined
    ? resolveSnapshot(candidates, "latest")
    : newestAt(context, candidates, at);
}

/** Whether every path is one that was snapshotted, lies below one, or leads to one. */
function covers({ snapshot }: SnapshotRecord, paths: readonly RawPath[]): boolean {
  const within = (path: string, folder: string) =>
    folder === "/" || path === folder || path.startsWith(`${folder}/`);
  const roots = snapshot.paths.map(trimmed);
  return paths.every((path) => roots.some((root) => within(path, root) || within(root, path)));
}
