/** Holds the listing of `packs/` against the index. */
import { isHex, packId } from "../../base/ids.ts";
import type { BlobIndex } from "../../repo/blob-index.ts";
import { packObject } from "../../repo/format/object-names.ts";
import type { Store } from "../../repo/store/store.ts";
import type { DamageList, NoteList } from "./damage.ts";
import type { PackFaults } from "./pack-faults.ts";

/** More packs without an index record than this are counted, not kept. */
const orphansMax = 100_000;

export interface OrphanPack {
  readonly pack: string;
  readonly size: number;
}

export interface PackListing {
  readonly packs: number;
  readonly bytes: number;
  /** Left by a killed run, or of one that is at work. */
  readonly orphans: readonly OrphanPack[];
  /** Buried, and not removed yet: id and size. */
  readonly dying: ReadonlyMap<string, number>;
}

/** Packs that are absent, or of another size, go into `faults`. */
export async function checkPackListing(
  store: Store,
  index: BlobIndex,
  faults: PackFaults,
  { damage, notes }: { readonly damage: DamageList; readonly notes: NoteList },
): Promise<PackListing> {
  const seen = new Uint8Array(index.packNoEnd);
  const dead = new Set<string>(index.deadPacks());
  const listing = { packs: 0, bytes: 0, orphans: [] as OrphanPack[] };
  const dying = new Map<string, number>();
  for await (const { name, size } of store.list("packs")) {
    const base = name.slice(name.lastIndexOf("/") + 1);
    if (!isHex(base, 64) || name !== packObject(packId(base))) {
      damage.add("pack", name, "Its name is not that of a pack.");
      continue;
    }
    const packNo = index.packNumber(packId(base));
    if (packNo !== undefined && index.counts(packNo)) {
      seen[packNo] = 1;
      listing.packs++;
      listing.bytes += size;
      const info = index.packInfo(packNo);
      if (size !== info.size) {
        faults.addSize(info, size, `It has ${size} bytes; the index says ${info.size}.`);
      }
    } else if (dead.has(base)) dying.set(base, size);
    else if (listing.orphans.length < orphansMax) listing.orphans.push({ pack: base, size });
  }
  for (const { pack } of listing.orphans) {
    const message = "Packs that no index object names; a prune removes them.";
    notes.add("orphan-packs", message, packObject(packId(pack)));
  }
  for (let packNo = 0; packNo < seen.length; packNo++) {
    if (seen[packNo] === 1 || !index.counts(packNo)) continue;
    faults.addSize(index.packInfo(packNo), 0, "It is not in the store.");
  }
  return { ...listing, dying };
}
