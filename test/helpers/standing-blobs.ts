/** Blobs that stand on a base, as the tables of the packs themselves have them. */
import { readPackFromStore } from "../../src/repo/blob-codec.ts";
import { depthOf } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";

/** How many of all living packs are of each depth, by the index as it is now. */
export async function countStanding(repo: Repository): Promise<number[]> {
  await repo.loadIndex();
  const counts = [0, 0, 0, 0, 0];
  for (const { pack, size } of repo.index.livingPacks()) {
    const { blobs } = await readPackFromStore(repo.store, repo.keys, pack, size);
    for (const blob of blobs) counts[depthOf(blob)] = (counts[depthOf(blob)] ?? 0) + 1;
  }
  return counts;
}
