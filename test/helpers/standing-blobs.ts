/** Blobs that stand on a base, counted in the tables of the packs themselves. */
import { readPackFromStore } from "../../src/repo/blob-codec.ts";
import { Encoding } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";

/** Of all living packs, by the index as it is now. */
export async function countStanding(repo: Repository): Promise<number> {
  await repo.loadIndex();
  let count = 0;
  for (const { pack, size } of repo.index.livingPacks()) {
    const { blobs } = await readPackFromStore(repo.store, repo.keys, pack, size);
    count += blobs.filter(({ encoding }) => encoding === Encoding.zstdOnBase).length;
  }
  return count;
}
