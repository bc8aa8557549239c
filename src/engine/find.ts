/**
 * Finds entries by name, path, type, time and size in one or many snapshots. Snapshots share most
 * of their catalog: what was found in a subtree is remembered by its id, so that no node is read
 * for two of them while memory lasts.
 */
import { type EntryMeta, EntryType } from "../base/entry.ts";
import { toHex } from "../base/ids.ts";
import type { CatalogKey, RawPath } from "../base/raw-path.ts";
import type { CatalogReader } from "../repo/catalog/catalog-reader.ts";
import {
  childRefs,
  type Leaf,
  type NodeReader,
  type NodeRef,
  type OnDamage,
} from "../repo/catalog/node-reader.ts";
import { compileFindPattern, type FindPattern } from "./find-pattern.ts";

export interface FindQuery {
  /** As `compileFindPattern` takes it. */
  readonly pattern: RawPath;
  readonly ignoreCase?: boolean;
  /** Only entries of these types. */
  readonly types?: readonly EntryType[];
  /** Only what has a modification time after this one; nanoseconds since 1970. */
  readonly newerNs?: bigint;
  readonly olderNs?: bigint;
  /** Only files of at least, and at most, so many bytes. */
  readonly sizeMin?: number;
  readonly sizeMax?: number;
}

/** An entry without its content. */
export interface FoundEntry extends EntryMeta {
  readonly linkTarget?: RawPath;
}

const readsAtOnce = 32;
const barrenMax = 200_000;
const foundMax = 50_000;

/** One query, put to any number of catalogs; the newest first is what people want to see. */
export class Finder {
  readonly #query: FindQuery;
  readonly #pattern: FindPattern;
  /** Nodes with nothing to find below. */
  #barren = new Set<string>();
  /** What was found in leaves. */
  #found = new Map<string, readonly FoundEntry[]>();
  #foundCount = 0;

  /** Throws `usage` for a pattern that makes no sense. */
  constructor(query: FindQuery) {
    this.#query = query;
    this.#pattern = compileFindPattern(query.pattern, query.ignoreCase === true);
  }

  /** Matches in key order, in batches. With `onDamage`, unreadable parts are told and left out. */
  async *search(
    catalog: CatalogReader,
    onDamage?: OnDamage,
  ): AsyncGenerator<readonly FoundEntry[]> {
    if (this.#barren.has(toHex(catalog.root))) return;
    const top = await catalog.nodes.top(onDamage);
    if (top === undefined) return;
    const refs = childRefs(top, "" as CatalogKey);
    const found = yield* this.#searchAll(catalog.nodes, refs, onDamage);
    if (!found) this.#setBarren(catalog.root);
  }

  /** Whether something was found, or could have been in what is unreadable. */
  async *#searchAll(
    reader: NodeReader,
    refs: readonly NodeRef[],
    onDamage: OnDamage | undefined,
  ): AsyncGenerator<readonly FoundEntry[], boolean> {
    let foundAny = false;
    const { start, end } = this.#pattern;
    const wanted = refs.filter(
      (ref) => ref.lastKey >= start && ref.after < end && !this.#barren.has(toHex(ref.id)),
    );
    for (let at = 0; at < wanted.length; at += readsAtOnce) {
      const batch = wanted.slice(at, at + readsAtOnce);
      // Looked up once: what comes of this batch may push it out.
      const known = batch.map((ref) => this.#found.get(toHex(ref.id)));
      const fresh = batch.filter((_, i) => known[i] === undefined);
      const nodes = await readNodes(reader, fresh, onDamage);
      for (const [i, ref] of batch.entries()) {
        const node = nodes.get(ref);
        if (node !== undefined && "level" in node) {
          const found = yield* this.#searchAll(reader, childRefs(node, ref.after), onDamage);
          if (found) foundAny = true;
          else this.#setBarren(ref.id);
          continue;
        }
        const matches = node === undefined ? known[i] : this.#matches(node);
        // Undefined: unreadable; another snapshot may still have it whole.
        if (matches === undefined || matches.length > 0) foundAny = true;
        if (matches !== undefined && matches.length > 0) yield matches;
      }
    }
    return foundAny;
  }

  #matches(leaf: Leaf): readonly FoundEntry[] {
    const matches = leaf.entries.filter((entry) => this.#fits(entry)).map(withoutContent);
    if (matches.length === 0) this.#setBarren(leaf.id);
    else this.#setFound(leaf.id, matches);
    return matches;
  }

  #fits(entry: EntryMeta): boolean {
    const { types, newerNs, olderNs, sizeMin, sizeMax } = this.#query;
    if (types !== undefined && !types.includes(entry.type)) return false;
    if (!this.#pattern.fits(entry.key)) return false;
    if (newerNs !== undefined && entry.mtimeNs <= newerNs) return false;
    if (olderNs !== undefined && entry.mtimeNs >= olderNs) return false;
    if (sizeMin === undefined && sizeMax === undefined) return true;
    return (
      entry.type === EntryType.file &&
      entry.size >= (sizeMin ?? 0) &&
      entry.size <= (sizeMax ?? Number.POSITIVE_INFINITY)
    );
  }

  #setBarren(id: Uint8Array): void {
    if (this.#barren.size >= barrenMax) this.#barren = new Set();
    this.#barren.add(toHex(id));
  }

  #setFound(id: Uint8Array, matches: readonly FoundEntry[]): void {
    if (this.#foundCount >= foundMax) {
      this.#found = new Map();
      this.#foundCount = 0;
    }
    this.#found.set(toHex(id), matches);
    this.#foundCount += matches.length;
  }
}

async function readNodes(
  reader: NodeReader,
  refs: readonly NodeRef[],
  onDamage: OnDamage | undefined,
) {
  const level = refs[0]?.level;
  const nodes =
    level === 0 ? await reader.leaves(refs, onDamage) : await reader.nodes(refs, onDamage);
  return new Map(refs.map((ref, at) => [ref, nodes[at]]));
}

/** Does not keep the leaf's bytes alive. */
function withoutContent(entry: FoundEntry): FoundEntry {
  const { key, type, mode, uid, gid, user, group, mtimeNs, ctimeNs, inode, size } = entry;
  const meta = { key, type, mode, uid, gid, user, group, mtimeNs, ctimeNs, inode, size };
  return entry.linkTarget === undefined ? meta : { ...meta, linkTarget: entry.linkTarget };
}
