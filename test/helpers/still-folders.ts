/**
 * Folders above source trees stand still for the snapshots of this process: their times are shown
 * as the first snapshot met them, whatever others make and remove in them meanwhile. They are
 * entries of a snapshot like all others, so a test that counts what an unchanged tree stores would
 * otherwise depend on everybody who uses /tmp. The walk is in another thread; its records come by
 * here before anybody looks at them.
 */
import { type CatalogKey, keyFromPath, keyParent, type RawPath } from "../../src/base/raw-path.ts";
import { WalkRecords } from "../../src/sources/walk-records.ts";

const above = new Set<CatalogKey>();
/** mtime and ctime, as they lie in a stamp. */
const timesBytes = 16;
const first = new Map<CatalogKey, Uint8Array>();

/** From now on everything above `root`, an absolute path, stands still. */
export function standStillAbove(root: string): void {
  for (let key = keyFromPath(root as RawPath); key !== ""; key = keyParent(key)) {
    above.add(keyParent(key));
  }
}

const next = WalkRecords.prototype.next;
WalkRecords.prototype.next = function nextStill() {
  const hasRecord = next.call(this);
  if (!hasRecord || this.isProblem || !above.has(this.key)) return hasRecord;
  const { stampView, stampAt } = this;
  const times = new Uint8Array(stampView.buffer, stampView.byteOffset + stampAt, timesBytes);
  const known = first.get(this.key);
  if (known === undefined) first.set(this.key, times.slice());
  else times.set(known);
  return hasRecord;
};
