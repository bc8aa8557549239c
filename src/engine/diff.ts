/** The difference of two snapshots as people ask for it, with totals. */
import { type Entry, EntryType } from "../base/entry.ts";
import { VarveError } from "../base/errors.ts";
import { type CatalogKey, displayPath, pathFromKey } from "../base/raw-path.ts";
import { type CatalogChange, diffCatalogs } from "../repo/catalog/catalog-diff.ts";
import type { CatalogReader } from "../repo/catalog/catalog-reader.ts";

export interface DiffCount {
  files: number;
  folders: number;
  /** Links, FIFOs and device nodes. */
  others: number;
  /** Sum of the sizes of the files. */
  bytes: number;
}

export interface DiffTotals {
  readonly added: DiffCount;
  readonly removed: DiffCount;
  /** Entries with other content; bytes as they are now. */
  readonly changed: DiffCount;
  /** What the files in `changed` had before. */
  changedBytesBefore: number;
  /** Entries that became something else; they are in `added` and `removed` too. */
  typeChanged: number;
  /** Only mode, owner, time or attributes differ; counted whether or not they are given. */
  metaChanged: number;
}

export interface DiffOptions {
  /** This entry and all below it; `path-absent` when neither snapshot has it. */
  readonly prefix?: CatalogKey;
  /** Give also entries of which only mode, owner, time or attributes changed. */
  readonly metadata?: boolean;
}

export function newDiffTotals(): DiffTotals {
  const none = () => ({ files: 0, folders: 0, others: 0, bytes: 0 });
  return {
    added: none(),
    removed: none(),
    changed: none(),
    changedBytesBefore: 0,
    typeChanged: 0,
    metaChanged: 0,
  };
}

/** Changes in key order, in batches that are not empty; `totals` is complete at the end. */
export async function* diffSnapshots(
  before: CatalogReader,
  after: CatalogReader,
  totals: DiffTotals,
  options: DiffOptions = {},
): AsyncGenerator<readonly CatalogChange[]> {
  const { prefix = "" as CatalogKey, metadata = false } = options;
  await requireInOne(before, after, prefix);
  for await (const changes of diffCatalogs(before, after, prefix)) {
    const shown = changes.filter(
      ({ kind }) => kind !== "internal" && (metadata || kind !== "meta"),
    );
    for (const change of changes) count(totals, change);
    if (shown.length > 0) yield shown;
  }
}

async function requireInOne(a: CatalogReader, b: CatalogReader, key: CatalogKey): Promise<void> {
  if (key === "" || (await a.find(key)) !== undefined || (await b.find(key)) !== undefined) return;
  const path = displayPath(pathFromKey(key));
  throw new VarveError("path-absent", `Neither snapshot has ${path}.`, {
    hint: "`varve find` looks for a name in all snapshots.",
    context: { path },
  });
}

function count(totals: DiffTotals, { kind, before, after }: CatalogChange): void {
  if (kind === "meta") totals.metaChanged++;
  if (kind === "type") totals.typeChanged++;
  if (kind === "content") {
    add(totals.changed, after);
    totals.changedBytesBefore += before?.size ?? 0;
  }
  if (kind === "added" || kind === "type") add(totals.added, after);
  if (kind === "removed" || kind === "type") add(totals.removed, before);
}

function add(sum: DiffCount, entry: Entry | undefined): void {
  if (entry === undefined) return;
  if (entry.type === EntryType.file) sum.files++;
  else if (entry.type === EntryType.folder) sum.folders++;
  else sum.others++;
  sum.bytes += entry.size;
}
