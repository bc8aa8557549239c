/**
 * Folders above source trees stand still for the snapshots of this process: their times, links and
 * blocks are shown as the first snapshot met them, whatever others make and remove in them
 * meanwhile. They are entries of a snapshot like all others, so a test that counts what an
 * unchanged tree stores would otherwise depend on everybody who uses /tmp.
 */
import { type CatalogKey, keyFromPath, keyParent, type RawPath } from "../../src/base/raw-path.ts";
import { EntryMaker } from "../../src/sources/entry-maker.ts";
import type { SourceEntry } from "../../src/sources/source-entry.ts";

const above = new Set<CatalogKey>();
const first = new Map<CatalogKey, SourceEntry>();

/** From now on everything above `root`, an absolute path, stands still. */
export function standStillAbove(root: string): void {
  for (let key = keyFromPath(root as RawPath); key !== ""; key = keyParent(key)) {
    above.add(keyParent(key));
  }
}

const make = EntryMaker.prototype.make;
EntryMaker.prototype.make = function makeStill(key, type, stat) {
  const entry = make.call(this, key, type, stat);
  if (!above.has(key)) return entry;
  if (!first.has(key)) first.set(key, entry);
  const { mtimeNs, ctimeNs, nlink, blocks } = first.get(key) ?? entry;
  return { ...entry, mtimeNs, ctimeNs, nlink, blocks };
};
