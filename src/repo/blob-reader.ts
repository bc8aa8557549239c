/**
 * Reads blobs back, verified: each is opened with its pack's key and its content is hashed against
 * its id. Blobs that lie close together in a pack are read by one range.
 *
 * Where a range cannot be had, or a blob of it does not open, its blobs are read one by one from
 * whatever living copy opens. A pack that the index names may have been pruned meanwhile ("the
 * reader" in design/concurrency.md): the index is loaded again, once, and only then is the blob
 * absent.
 */
import { hasCode, invariant, VarveError } from "../base/errors.ts";
import { type BlobId, toHex } from "../base/ids.ts";
import { BoundedPool } from "../base/pool.ts";
import { BlobOpener, type PackOpener } from "./blob-codec.ts";
import {
  type BlobLookup,
  type BlobPlace,
  copiesBelow,
  lackedBases,
  type StandingCopy,
} from "./blob-lookup.ts";
import type { KeptNodes } from "./cache/kept-nodes.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import { packObject } from "./format/object-names.ts";
import { BlobKind, depthOf } from "./format/pack-table.ts";
import type { Store } from "./store/store.ts";

/** What a reader needs of a repository. */
export interface BlobReaderContext {
  readonly store: Pick<Store, "getRange">;
  readonly keys: RepositoryKeys;
  readonly index: BlobLookup;
  loadIndex(): Promise<void>;
  /** Keeps the catalog nodes that are read, where that pays. */
  readonly keptNodes?: KeptNodes | undefined;
  /** Told of a copy that is damaged, and stands on no base, when another stood in for it. */
  readonly onSpareUsed?: (damaged: BlobPlace, error: VarveError) => void;
}

/** A copy of a blob that opened, with what it stands on. */
export interface IntactCopy extends StandingCopy {
  readonly plaintext: Uint8Array;
}

/** Bytes between two wanted blobs that are cheaper to read than to skip. */
export const rangeGapBytes = 64 * 1024;
export const rangeBytesMax = 8 * 1024 * 1024;
/** Of those of one call: what is read from a folder or a server is mostly waited for. */
const rangesAtOnce = 4;

const kindNames: Record<number, string> = {
  [BlobKind.data]: "data",
  [BlobKind.catalog]: "catalog",
  [BlobKind.list]: "list",
};

/**
 * Copies that did not open, by pack and ordinal: none is tried again for another that stands on it,
 * so that a read is bounded by the copies there are.
 */
type FailedCopies = Map<string, VarveError>;

interface Wanted {
  readonly ordinal: number;
  readonly id: BlobId;
  readonly place: BlobPlace;
}

function blobAbsent(index: BlobLookup, kind: BlobKind, id: BlobId): VarveError {
  const base = lackedBases(index, kind, id).at(-1);
  const what = `A ${kindNames[kind]} blob`;
  const message = base === undefined ? what : `What ${what.toLowerCase()} stands on`;
  return new VarveError("blob-absent", `${message} is in no living pack.`, {
    hint: "Run `varve check` to see what is hurt, then see `varve help repair`.",
    context: { blob: toHex(base ?? id) },
  });
}

/** What says that these stored bytes are wrong or absent; another copy may be right. */
export function isLoss(error: unknown): error is VarveError {
  return hasCode(
    error,
    "object-absent",
    "object-damaged",
    "blob-absent",
    "blob-damaged",
    "repo-future",
  );
}

export class BlobReader {
  readonly #repo: BlobReaderContext;
  readonly #openers = new Map<number, PackOpener>();
  #opener: BlobOpener | undefined;

  constructor(repo: BlobReaderContext) {
    this.#repo = repo;
  }

  async read(kind: BlobKind, id: BlobId): Promise<Uint8Array> {
    const [plaintext] = await this.readMany(kind, [id]);
    invariant(plaintext !== undefined, "one blob for one id");
    return plaintext;
  }

  /** The plaintexts in the order of `ids`. All are held at once: ask for few. */
  async readMany(kind: BlobKind, ids: readonly BlobId[]): Promise<Uint8Array[]> {
    try {
      return await this.#readAll(kind, ids);
    } catch (error) {
      if (!hasCode(error, "object-absent", "blob-absent")) throw error;
      await this.#repo.loadIndex();
      try {
        return await this.#readAll(kind, ids);
      } catch (again) {
        if (!hasCode(again, "object-absent")) throw again;
        throw new VarveError("blob-absent", "A pack that the index names is not in the store.", {
          hint: "Run `varve check` to see which snapshots and paths are hurt.",
          context: again.context,
          cause: again,
        });
      }
    }
  }

  /** Catalog nodes as `readMany` gives them; those that the local cache keeps are not fetched. */
  async readNodes(ids: readonly BlobId[]): Promise<Uint8Array[]> {
    const results: (Uint8Array | undefined)[] = [];
    for (const id of ids) results.push(await this.#readKept(id));
    const missing = ids.filter((_, at) => results[at] === undefined);
    if (missing.length === 0) return results as Uint8Array[];
    const fetched = (await this.readMany(BlobKind.catalog, missing)).values();
    return results.map((known) => known ?? (fetched.next().value as Uint8Array));
  }

  async #readKept(id: BlobId): Promise<Uint8Array | undefined> {
    const { index, keptNodes } = this.#repo;
    if (keptNodes === undefined) return undefined;
    const place = index.find(BlobKind.catalog, id);
    if (place === undefined || place.baseId !== undefined) return undefined;
    const { pack } = index.packInfo(place.packNo);
    const sealed = keptNodes.get({ pack, ordinal: place.ordinal });
    if (sealed?.length !== place.length) return undefined;
    try {
      return (await this.#open(id, place, sealed, new Map())).plaintext;
    } catch (error) {
      if (!isLoss(error)) throw error;
      return undefined;
    }
  }

  /** Undefined when no living copy opens; the index is taken as it is. */
  async findIntact(kind: BlobKind, id: BlobId): Promise<IntactCopy | undefined> {
    try {
      return await this.#readAnyCopy(kind, id);
    } catch (error) {
      if (isLoss(error)) return undefined;
      throw error;
    }
  }

  /** Reads this very copy; of its base, if it has one, whatever copy opens. */
  async readCopy(
    id: BlobId,
    place: BlobPlace,
    failed: FailedCopies = new Map(),
  ): Promise<IntactCopy> {
    const { pack } = this.#repo.index.packInfo(place.packNo);
    const { offset, length } = place;
    const sealed = await this.#repo.store.getRange(packObject(pack), offset, length);
    return this.#open(id, place, sealed, failed);
  }

  /** Like `read`, of what this copy of a blob stands on. */
  async readBase({ kind, baseId, ...copy }: BlobPlace): Promise<IntactCopy> {
    invariant(baseId !== undefined, "it stands on a base");
    return this.#readFirst(kind, baseId, depthOf(copy), new Map());
  }

  async #readAll(kind: BlobKind, ids: readonly BlobId[]): Promise<Uint8Array[]> {
    const { index } = this.#repo;
    const wanted: Wanted[] = ids.map((id, ordinal) => {
      const place = index.find(kind, id);
      if (place === undefined) throw blobAbsent(index, kind, id);
      return { ordinal, id, place };
    });
    const results: Uint8Array[] = new Array(ids.length);
    const pool = new BoundedPool({ countMax: rangesAtOnce, bytesMax: rangeBytesMax });
    const reads = coalesce(wanted).map((range) =>
      pool.run(bytesOf(range), () => this.#readRangeOrCopies(kind, range, results)),
    );
    // None goes on reading once this has failed.
    await Promise.allSettled(reads);
    await Promise.all(reads);
    return results;
  }

  async #readRangeOrCopies(
    kind: BlobKind,
    range: readonly Wanted[],
    results: Uint8Array[],
  ): Promise<void> {
    try {
      await this.#readRange(range, results);
    } catch (error) {
      if (!isLoss(error)) throw error;
      for (const { ordinal, id } of range) {
        results[ordinal] = (await this.#readAnyCopy(kind, id)).plaintext;
      }
    }
  }

  async #readRange(range: readonly Wanted[], results: Uint8Array[]): Promise<void> {
    const first = range[0]?.place;
    invariant(first !== undefined, "a range has blobs");
    const { pack } = this.#repo.index.packInfo(first.packNo);
    const name = packObject(pack);
    const bytes = await this.#repo.store.getRange(name, first.offset, bytesOf(range));
    const sealedOf = ({ offset, length }: BlobPlace) => {
      const start = offset - first.offset;
      return bytes.subarray(start, start + length);
    };
    for (const { ordinal, id, place } of range) {
      results[ordinal] = (await this.#open(id, place, sealedOf(place), new Map())).plaintext;
    }
    if (first.kind !== BlobKind.catalog) return;
    this.#repo.keptNodes?.keep(
      range.map(({ place }) => ({ pack, ordinal: place.ordinal, sealed: sealedOf(place) })),
    );
  }

  #readAnyCopy(kind: BlobKind, id: BlobId): Promise<IntactCopy> {
    return this.#readFirst(kind, id, Number.POSITIVE_INFINITY, new Map());
  }

  /**
   * The first of less depth than `depthEnd` that opens. An absence is thrown before a damage: it
   * may be that of an old index.
   */
  async #readFirst(
    kind: BlobKind,
    id: BlobId,
    depthEnd: number,
    failed: FailedCopies,
  ): Promise<IntactCopy> {
    const errors: VarveError[] = [];
    const spared: { readonly place: BlobPlace; readonly error: VarveError }[] = [];
    for (const place of copiesBelow(this.#repo.index.copies(kind, id), depthEnd)) {
      const name = `${place.packNo} ${place.ordinal}`;
      const known = failed.get(name);
      if (known !== undefined) {
        errors.push(known);
        continue;
      }
      try {
        const copy = await this.readCopy(id, place, failed);
        this.#tellSpared(spared);
        return copy;
      } catch (error) {
        if (!isLoss(error)) throw error;
        failed.set(name, error);
        errors.push(error);
        spared.push({ place, error });
      }
    }
    const isAbsence = (error: VarveError) => hasCode(error, "object-absent", "blob-absent");
    throw errors.find(isAbsence) ?? errors[0] ?? blobAbsent(this.#repo.index, kind, id);
  }

  #tellSpared(failed: readonly { readonly place: BlobPlace; readonly error: VarveError }[]): void {
    for (const { place, error } of failed) {
      // Of a copy that stands on a base, the base may be what is damaged.
      const isPlain = place.baseId === undefined;
      const isDamage = hasCode(error, "blob-damaged", "object-damaged");
      if (isPlain && isDamage) this.#repo.onSpareUsed?.(place, error);
    }
  }

  async #open(
    id: BlobId,
    place: BlobPlace,
    sealed: Uint8Array,
    failed: FailedCopies,
  ): Promise<IntactCopy> {
    this.#opener ??= new BlobOpener(this.#repo.keys);
    const { kind, baseId } = place;
    const base =
      baseId === undefined
        ? undefined
        : await this.#readFirst(kind, baseId, depthOf(place), failed);
    const pack = this.#packOpener(place.packNo);
    const plaintext = this.#opener.open(pack, { ...place, id }, sealed, base?.plaintext);
    return base === undefined
      ? { place, plaintext }
      : { place, base: withoutBytes(base), plaintext };
  }

  #packOpener(packNo: number): PackOpener {
    let opener = this.#openers.get(packNo);
    if (opener === undefined) {
      this.#opener ??= new BlobOpener(this.#repo.keys);
      opener = this.#opener.openPack(this.#repo.index.packInfo(packNo));
      if (this.#openers.size > 256) this.#openers.clear();
      this.#openers.set(packNo, opener);
    }
    return opener;
  }
}

/** Nobody needs the bases' plaintexts any more. */
function withoutBytes({ place, base }: IntactCopy): StandingCopy {
  return base === undefined ? { place } : { place, base };
}

/** From the first blob's beginning to the last one's end. */
function bytesOf(range: readonly Wanted[]): number {
  const first = range[0]?.place;
  const last = range.at(-1)?.place;
  return first === undefined || last === undefined ? 0 : last.offset + last.length - first.offset;
}

/** Sorts by pack and offset and joins what is close together. */
export function coalesce<T extends { readonly place: BlobPlace }>(wanted: readonly T[]): T[][] {
  const sorted = [...wanted].sort(
    (a, b) => a.place.packNo - b.place.packNo || a.place.offset - b.place.offset,
  );
  const ranges: T[][] = [];
  for (const item of sorted) {
    const range = ranges.at(-1);
    const first = range?.[0]?.place;
    const last = range?.at(-1)?.place;
    const joins =
      range !== undefined &&
      first !== undefined &&
      last !== undefined &&
      first.packNo === item.place.packNo &&
      item.place.offset - (last.offset + last.length) <= rangeGapBytes &&
      item.place.offset + item.place.length - first.offset <= rangeBytesMax;
    if (joins) range.push(item);
    else ranges.push([item]);
  }
  return ranges;
}
