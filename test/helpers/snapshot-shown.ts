/**
 * What a folder on disk shows and what a snapshot of it shows, in one form: to be compared with
 * deepEqual. Read with node:fs there and blob by blob here, without the code that restores.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { type Content, type Entry, EntryType } from "../../src/base/entry.ts";
import { keyFromPath, pathFromKey, type RawPath } from "../../src/base/raw-path.ts";
import { decodeList } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";

/** Absolute path to a line of facts. */
export type Shown = Record<string, string>;

const hashOf = () => createHash("sha256");

export function shownOnDisk(root: string): Shown {
  const shown: Shown = {};
  const visit = (path: string) => {
    const stat = fs.lstatSync(path, { bigint: true });
    const facts = `${(stat.mode & 0o7777n).toString(8)} ${stat.mtimeNs}`;
    if (stat.isDirectory()) {
      shown[path] = `folder ${facts}`;
      for (const name of fs.readdirSync(path)) visit(`${path}/${name}`);
    } else if (stat.isFile()) {
      const hash = hashOf().update(fs.readFileSync(path)).digest("hex");
      shown[path] = `file ${facts} ${stat.size} ${hash}`;
    } else if (stat.isSymbolicLink()) {
      shown[path] = `link ${facts} ${fs.readlinkSync(path)}`;
    } else {
      shown[path] = `other ${facts}`;
    }
  };
  visit(root);
  return shown;
}

/** Everything from `root` down; every blob of every file is read. */
export async function shownBySnapshot(
  repo: Repository,
  record: SnapshotRecord,
  root: string,
): Promise<Shown> {
  const shown: Shown = {};
  for (const entry of await entriesOf(repo, record, root)) {
    shown[pathFromKey(entry.key)] = await lineOf(repo, entry);
  }
  return shown;
}

export async function entriesOf(
  repo: Repository,
  record: SnapshotRecord,
  root: string,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const prefix = keyFromPath(root as RawPath);
  for await (const leaf of repo.catalog(record).leaves({ prefix })) entries.push(...leaf.entries);
  return entries;
}

async function lineOf(repo: Repository, entry: Entry): Promise<string> {
  const facts = `${entry.mode.toString(8)} ${entry.mtimeNs}`;
  if (entry.type === EntryType.folder) return `folder ${facts}`;
  if (entry.type === EntryType.symlink) return `link ${facts} ${entry.linkTarget}`;
  if (entry.content === undefined) return `other ${facts}`;
  const hash = hashOf();
  let size = 0;
  for await (const item of chunksOf(repo, entry.content)) {
    const bytes = item.id === null ? Buffer.alloc(item.length) : await readChunk(repo, item.id);
    if (bytes.length !== item.length) throw new Error(`${entry.key}: a chunk of another length`);
    hash.update(bytes);
    size += bytes.length;
  }
  if (size !== entry.size) throw new Error(`${entry.key}: ${size} bytes instead of ${entry.size}`);
  return `file ${facts} ${size} ${hash.digest("hex")}`;
}

const readChunk = (repo: Repository, id: Uint8Array) => repo.blobs.read(BlobKind.data, id);

/** The chunks and holes of a file, whatever lists lie above them. */
export async function* chunksOf(
  repo: Repository,
  content: Content,
): AsyncGenerator<Content["items"][number]> {
  for (const item of content.items) {
    if (content.depth === 0 || item.id === null) yield item;
    else yield* chunksOf(repo, decodeList(await repo.blobs.read(BlobKind.list, item.id)));
  }
}
