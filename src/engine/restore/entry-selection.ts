/**
 * The entries of a snapshot that a restore or dump wants, in key order: everything, or some paths
 * with all below them and, before each, the folders that lead there.
 */
import type { Entry } from "../../base/entry.ts";
import { VarveError } from "../../base/errors.ts";
import { type CatalogKey, displayPath, isWithin, pathFromKey } from "../../base/raw-path.ts";
import type { CatalogReader } from "../../repo/catalog/catalog-reader.ts";
import type { NodeDamage } from "../../repo/catalog/node-reader.ts";

export interface SelectedEntries {
  readonly entries: readonly Entry[];
  /** False for folders on the way to what was asked for. */
  readonly isSelected: boolean;
}

export type OnDamage = (damage: NodeDamage) => void;

/** Sorted, and without those that lie below others. */
export function normalPaths(paths: readonly CatalogKey[]): CatalogKey[] {
  const wanted: CatalogKey[] = [];
  for (const key of [...paths].sort(compareKeys)) {
    const last = wanted.at(-1);
    if (last === undefined || !isWithin(key, last)) wanted.push(key);
  }
  return wanted;
}

function compareKeys(a: CatalogKey, b: CatalogKey): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Fails with `path-absent` unless the snapshot has all paths. */
export async function requirePaths(
  catalog: CatalogReader,
  paths: readonly CatalogKey[],
): Promise<void> {
  for (const key of paths) {
    if (key === "" || (await catalog.find(key)) !== undefined) continue;
    const path = displayPath(pathFromKey(key));
    throw new VarveError("path-absent", `The snapshot has no ${path}.`, {
      hint: "`varve ls` and `varve find` show what it has.",
      context: { path },
    });
  }
}

/** `paths` as `normalPaths` gives them; none stands for everything. */
export async function* selectEntries(
  catalog: CatalogReader,
  paths: readonly CatalogKey[],
  onDamage?: OnDamage,
): AsyncGenerator<SelectedEntries> {
  const damage = onDamage === undefined ? {} : { onDamage };
  if (paths.length === 0 || paths[0] === "") {
    for await (const { entries } of catalog.leaves(damage)) yield { entries, isSelected: true };
    return;
  }
  let previous = "" as CatalogKey;
  for (const prefix of paths) {
    for (const key of foldersAbove(prefix)) {
      // Shown already on the way to the path before.
      if (isWithin(previous, key) && previous !== "") continue;
      const entry = await catalog.find(key);
      if (entry !== undefined) yield { entries: [entry], isSelected: false };
    }
    for await (const { entries } of catalog.leaves({ ...damage, prefix })) {
      yield { entries, isSelected: true };
    }
    previous = prefix;
  }
}

function foldersAbove(key: CatalogKey): CatalogKey[] {
  const folders: CatalogKey[] = [];
  for (let at = key.indexOf("\0"); at >= 0; at = key.indexOf("\0", at + 1)) {
    folders.push(key.slice(0, at) as CatalogKey);
  }
  return folders;
}
