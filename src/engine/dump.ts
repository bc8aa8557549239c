/**
 * Writes content of a snapshot to an output: one file as it is, or a folder as an archive. What is
 * written was verified; when something cannot be read, the dump fails there, since an output has no
 * way to say that a part is missing.
 */
import { type Entry, EntryType } from "../base/entry.ts";
import { VarveError } from "../base/errors.ts";
import { type CatalogKey, displayPath, keyParent, pathFromKey } from "../base/raw-path.ts";
import { BlobKind } from "../repo/format/pack-table.ts";
import type { Repository } from "../repo/repository.ts";
import type { SnapshotRecord } from "../repo/snapshot-list.ts";
import { ContentStream, zeros } from "./dump/content-stream.ts";
import type { ArchiveInput, DumpOptions, DumpResult, WriteOutput } from "./dump/dump-options.ts";
import { writeTar } from "./dump/tar-archive.ts";
import { writeZip } from "./dump/zip-archive.ts";
import { BlobFetcher } from "./restore/blob-fetcher.ts";
import { requirePaths, selectEntries } from "./restore/entry-selection.ts";
import { HardLinkTable } from "./restore/hard-link-table.ts";
import { RestoreThreads } from "./restore/restore-threads.ts";

export type { DumpOptions, DumpProblem, DumpResult, WriteOutput } from "./dump/dump-options.ts";
export type ArchiveFormat = "tar" | "zip";

/**
 * Writes one file. The index must be loaded. Throws `path-absent`, `usage` for what is no file,
 * `blob-absent`, `blob-damaged`, and what `write` and the store throw.
 */
export async function dumpFile(
  repo: Repository,
  record: SnapshotRecord,
  key: CatalogKey,
  write: WriteOutput,
  options: DumpOptions = {},
): Promise<DumpResult> {
  const catalog = repo.catalog(record);
  await requirePaths(catalog, [key]);
  const entry = key === "" ? undefined : await catalog.find(key);
  if (entry?.type !== EntryType.file) throw notAFile(key, entry);
  await withContent(repo, options, async (content) => {
    const entries = (async function* () {
      yield [entry];
    })();
    for await (const step of content.steps(entries, () => true)) {
      options.signal?.throwIfAborted();
      if (step.type === "bytes") await write(step.bytes);
      if (step.type === "zeros") for (const piece of zeros(step.length)) await write(piece);
    }
  });
  return { entries: 1, bytes: entry.size, problems: 0 };
}

/**
 * Writes a folder, or any entry, as an archive. Names in it begin with the folder's own name;
 * "" stands for the whole snapshot. What the format cannot hold is told to `onProblem`.
 */
export async function dumpArchive(
  repo: Repository,
  record: SnapshotRecord,
  key: CatalogKey,
  format: ArchiveFormat,
  write: WriteOutput,
  options: DumpOptions = {},
): Promise<DumpResult> {
  const catalog = repo.catalog(record);
  await requirePaths(catalog, [key]);
  const links = new HardLinkTable();
  const result = { entries: 0, bytes: 0, problems: 0 };
  const cut = keyParent(key) === "" ? 0 : keyParent(key).length + 1;
  const nameOf = (each: Pick<Entry, "key">) => each.key.slice(cut).replaceAll("\0", "/");
  const entries = (async function* () {
    for await (const { entries: some, isSelected } of selectEntries(catalog, [key])) {
      options.signal?.throwIfAborted();
      if (isSelected) yield some;
    }
  })();
  const firstNames = new WeakMap<Entry, string>();
  /** Asked once for each entry, in order. In a tar, a further name has no content. */
  const wantsContent = (entry: Entry) => {
    result.entries++;
    const isFile = entry.type === EntryType.file;
    if (isFile) result.bytes += entry.size;
    if (format === "zip" || entry.hardLink === undefined) return isFile;
    const first = links.first(entry);
    if (first === undefined) links.put(entry, 1n);
    else firstNames.set(entry, nameOf(first));
    return isFile && first === undefined;
  };
  const firstNameOf = (entry: Entry) => firstNames.get(entry);
  const problem = (entry: Entry, message: string) => {
    result.problems++;
    options.onProblem?.({ path: pathFromKey(entry.key), message });
  };
  try {
    await withContent(repo, options, async (content) => {
      const steps = content.steps(entries, wantsContent);
      const input: ArchiveInput = { steps, nameOf, firstNameOf, problem };
      await (format === "tar" ? writeTar(input, write) : writeZip(input, write));
    });
  } finally {
    links.close();
  }
  return result;
}

async function withContent(
  repo: Repository,
  options: DumpOptions,
  use: (content: ContentStream) => Promise<void>,
): Promise<void> {
  const threads = new RestoreThreads(options.threads).useKeys(repo.keys);
  try {
    const fetcher = new BlobFetcher(repo);
    const readList = (id: Uint8Array) => repo.blobs.read(BlobKind.list, id);
    const { blobs } = repo;
    const { signal } = options;
    await use(new ContentStream({ fetcher, threads, readList, blobs, signal }));
  } finally {
    await threads.close();
  }
}

function notAFile(key: CatalogKey, entry: Entry | undefined): VarveError {
  const path = displayPath(pathFromKey(key));
  const isFolder = entry === undefined || entry.type === EntryType.folder;
  return new VarveError("usage", `${path} is ${isFolder ? "a folder" : "no regular file"}.`, {
    hint: isFolder
      ? "Add --archive tar or --archive zip."
      : "Only files and folders can be dumped.",
    context: { path },
  });
}
