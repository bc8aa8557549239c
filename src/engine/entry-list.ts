/** Lists entries of a snapshot, as `ls` shows them: a folder, a file, or everything below. */
import { type Entry, EntryType } from "../base/entry.ts";
import { VarveError } from "../base/errors.ts";
import {
  type CatalogKey,
  displayPath,
  keyFromPath,
  pathFromKey,
  type RawPath,
} from "../base/raw-path.ts";
import { type CatalogReader, endOfSubtree } from "../repo/catalog/catalog-reader.ts";
import type { OnDamage } from "../repo/catalog/node-reader.ts";

export interface EntryListOptions {
  /** With everything below, in key order. */
  readonly recursive?: boolean;
  /** Told of unreadable parts of the catalog, which are left out; without it they throw. */
  readonly onDamage?: OnDamage;
}

/**
 * What lies in a folder; of anything else, the entry itself. `""` is the top. Fails with
 * `path-absent`.
 */
export async function* listEntries(
  catalog: CatalogReader,
  key: CatalogKey,
  options: EntryListOptions = {},
): AsyncGenerator<readonly Entry[]> {
  const { recursive = false, onDamage } = options;
  if (key !== "") {
    const entry = await catalog.find(key);
    if (entry === undefined) throw await absent(catalog, key);
    if (entry.type !== EntryType.folder) {
      yield [entry];
      return;
    }
  }
  if (!recursive) {
    yield* catalog.children(key);
    return;
  }
  const below = (key === "" ? "" : `${key}\0`) as CatalogKey;
  const damage = onDamage === undefined ? {} : { onDamage };
  const range = { prefix: key, from: below, ...damage };
  for await (const { entries } of catalog.leaves(range)) yield entries;
}

/**
 * What was snapshotted: of one path, what lies in it; of several, these themselves, each followed
 * by everything below with `recursive`. Paths that the snapshot does not have are left out.
 */
export async function* listSnapshot(
  catalog: CatalogReader,
  paths: readonly RawPath[],
  options: EntryListOptions = {},
): AsyncGenerator<readonly Entry[]> {
  const keys = [...new Set(paths.map(keyOf))].sort();
  const tops: Entry[] = [];
  for (const key of keys) {
    const entry = key === "" ? undefined : await catalog.find(key);
    if (entry !== undefined) tops.push(entry);
  }
  const [only] = tops;
  if (keys.length === 0 || keys.includes("" as CatalogKey) || only === undefined) {
    yield* listEntries(catalog, "" as CatalogKey, options);
    return;
  }
  if (tops.length === 1) {
    yield* listEntries(catalog, only.key, options);
    return;
  }
  let end = "" as CatalogKey;
  for (const top of tops) {
    // A path within one before it was shown with that.
    if (options.recursive === true && top.key < end) continue;
    yield [top];
    if (options.recursive !== true || top.type !== EntryType.folder) continue;
    yield* listEntries(catalog, top.key, options);
    end = endOfSubtree(top.key);
  }
}

/** Sources that are no paths, like a stream's name, are keys at the top. */
function keyOf(path: RawPath): CatalogKey {
  const absolute = path.startsWith("/") ? path : (`/${path}` as RawPath);
  return keyFromPath(absolute.replace(/\/+$/, "") as RawPath);
}

/** Names the nearest folder that there is, which is where to look. */
async function absent(catalog: CatalogReader, key: CatalogKey): Promise<VarveError> {
  let nearest = key;
  do {
    nearest = nearest.slice(0, Math.max(0, nearest.lastIndexOf("\0"))) as CatalogKey;
  } while (nearest !== "" && (await catalog.find(nearest)) === undefined);
  const path = displayPath(pathFromKey(key));
  const shown = displayPath(pathFromKey(nearest));
  return new VarveError("path-absent", `The snapshot has no ${path}.`, {
    hint: `The nearest that it has is ${shown}; \`varve find\` looks for a name.`,
    context: { path },
  });
}
