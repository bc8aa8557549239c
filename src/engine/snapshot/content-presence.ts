/**
 * Whether all blobs of a content are in living packs: what a writer must know of every entry that
 * it takes over from a parent (docs/concurrency.md, "Writer", step 3).
 */
import type { Content } from "../../base/entry.ts";
import { decodeList } from "../../repo/format/content-list.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { Repository } from "../../repo/repository.ts";

/** Answers at once unless the content has lists to be read. */
export function isContentPresent(
  repo: Repository,
  content: Content | undefined,
): boolean | Promise<boolean> {
  if (content === undefined) return true;
  const kind = content.depth === 0 ? BlobKind.data : BlobKind.list;
  const isPresent = content.items.every(({ id }) => id === null || repo.index.has(kind, id));
  if (!isPresent || content.depth === 0) return isPresent;
  return areListsPresent(repo, content);
}

async function areListsPresent(repo: Repository, { items }: Content): Promise<boolean> {
  for (const { id } of items) {
    if (id === null) continue;
    const list = decodeList(await repo.blobs.read(BlobKind.list, id));
    if (!(await isContentPresent(repo, list))) return false;
  }
  return true;
}
