/**
 * What index objects say of certain packs, with whole blob ids, which the local cache does not
 * keep. Reads all index objects: for packs that are damaged, and so for few.
 */
import { hasCode } from "../../base/errors.ts";
import { indexId, type PackId } from "../../base/ids.ts";
import type { IndexPack } from "../../repo/format/index-object.ts";
import { openIndexObject } from "../../repo/objects.ts";
import type { Repository } from "../../repo/repository.ts";

/** `use` may see a pack more than once; the record's memory is its own. */
export async function findPackRecords(
  repo: Repository,
  packs: ReadonlySet<PackId>,
  use: (record: IndexPack) => Promise<void>,
): Promise<void> {
  for await (const { name } of repo.store.list("index")) {
    let found: IndexPack[];
    try {
      const id = indexId(name.slice(name.lastIndexOf("/") + 1));
      found = recordsIn(openIndexObject(repo.keys, id, await repo.store.get(name)).packs, packs);
    } catch (error) {
      // Unreadable ones are reported by who reads the index; a merged one is in the union.
      if (!hasCode(error, "object-absent", "object-damaged", "repo-future")) throw error;
      continue;
    }
    for (const record of found) await use(record);
  }
}

function recordsIn(records: Iterable<IndexPack>, packs: ReadonlySet<PackId>): IndexPack[] {
  const found: IndexPack[] = [];
  for (const record of records) {
    if (!packs.has(record.pack)) continue;
    const blobs = record.blobs.map((blob) => {
      const own = { ...blob, id: Uint8Array.from(blob.id) };
      return blob.baseId === undefined ? own : { ...own, baseId: Uint8Array.from(blob.baseId) };
    });
    found.push({ ...record, wrap: Uint8Array.from(record.wrap), blobs });
  }
  return found;
}
