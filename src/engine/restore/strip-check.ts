/** What `strip` may not do to a restore; looked at before anything is written. */
import { EntryType } from "../../base/entry.ts";
import { VarveError } from "../../base/errors.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import type { CatalogReader } from "../../repo/catalog/catalog-reader.ts";
import { selectEntries } from "./entry-selection.ts";
import { keyDepth } from "./restore-context.ts";

/**
 * Throws `usage` when nothing would be left of any path: a restore that does nothing must not look
 * like one that did. With `isDelete` also when several folders would become one: each would delete
 * what the other brought. Usually the first entries answer; only a refusal, or `isDelete`, takes
 * the whole catalog.
 */
export async function requireStrip(
  catalog: CatalogReader,
  paths: readonly CatalogKey[],
  strip: number,
  isDelete: boolean,
): Promise<void> {
  let top: string | undefined;
  let deepest = 0;
  let standsForTarget = false;
  for await (const { entries, isSelected } of selectEntries(catalog, paths, () => {})) {
    for (const { key, type } of entries) {
      const depth = keyDepth(key);
      deepest = Math.max(deepest, depth);
      // Even if it is empty: then so is the target, and that is what was asked for.
      standsForTarget ||= isSelected && depth === strip && type === EntryType.folder;
      if (depth <= strip) continue;
      if (!isDelete) return;
      const above = key.split("\0", strip).join("\0");
      top ??= above;
      // Keys are in order, so that it is enough to look at neighbours.
      if (above !== top) throw merges();
    }
  }
  if (top === undefined && deepest > 0 && !standsForTarget) throw nothingLeft(strip, deepest);
}

function merges(): VarveError {
  return new VarveError("usage", "--strip would merge several folders, so --delete is refused.", {
    hint: "Restore one of them at a time, by naming its path.",
  });
}

function nothingLeft(strip: number, deepest: number): VarveError {
  return new VarveError("usage", `--strip ${strip} would leave nothing of any path.`, {
    hint: `The longest has ${deepest} names: strip at most ${deepest - 1}.`,
    context: { strip, deepest },
  });
}
