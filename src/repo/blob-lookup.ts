/**
 * Where a blob is, and which of its copies can be used. A blob may have several copies, in packs
 * that were written side by side, or by a prune. A copy that is compressed against a base
 * (encoding 2) is of use only with a copy of the base of less depth that is of use itself
 * (format.md, "Bases"): so a chain has at most five blobs, and none leads back to itself, whatever
 * writers that knew nothing of each other have put.
 */
import type { BlobId, PackId } from "../base/ids.ts";
import { type BlobKind, type CipherSuite, depthOf, type Encoding } from "./format/pack-table.ts";

export interface BlobPlace {
  readonly packNo: number;
  readonly ordinal: number;
  readonly offset: number;
  /** Stored bytes, with the tag. */
  readonly length: number;
  readonly rawLength: number;
  readonly kind: BlobKind;
  readonly encoding: Encoding;
  readonly baseId?: BlobId;
  /** With a base only. */
  readonly generation?: number;
}

export interface PackInfo {
  readonly packNo: number;
  readonly pack: PackId;
  /** Bytes of the pack object. */
  readonly size: number;
  readonly cipher: CipherSuite;
  readonly wrapMethod: number;
  readonly wrap: Uint8Array;
  readonly blobCount: number;
}

/** What readers need of an index. */
export interface BlobLookup {
  /** The copy of least depth that can be used; see `standingCopy`. */
  find(kind: BlobKind, id: BlobId): BlobPlace | undefined;
  /** All copies, oldest pack first, also those whose base is nowhere. */
  copies(kind: BlobKind, id: BlobId): BlobPlace[];
  packInfo(packNo: number): PackInfo;
  /** Calls `look`, whose look-ups then cost half: every one by itself is a transaction. */
  inOneView<T>(look: () => T): T;
}

/** A copy that counts, and what it stands on, down to a copy that stands on nothing. */
export interface StandingCopy {
  readonly place: BlobPlace;
  readonly base?: StandingCopy;
}

type Copies = Pick<BlobLookup, "copies">;

/**
 * The copy of least depth that counts, the first of those: so that all who need the blob, by itself
 * or as a base, take the same one. Undefined when none below `depthEnd` counts. `isGood`: which
 * copies are looked at.
 */
export function standingCopy(
  lookup: Copies,
  kind: BlobKind,
  id: BlobId,
  depthEnd = Number.POSITIVE_INFINITY,
  isGood: (copy: BlobPlace) => boolean = () => true,
): StandingCopy | undefined {
  return new Standing(lookup, kind, isGood).find(id, depthEnd);
}

/** The same for one copy: undefined when its base has no copy that it can stand on. */
export function standingOf(
  lookup: Copies,
  place: BlobPlace,
  isGood: (copy: BlobPlace) => boolean = () => true,
): StandingCopy | undefined {
  return new Standing(lookup, place.kind, isGood).of(place);
}

/**
 * Of a blob of which no copy counts: what its copies stand on and has no copy for them, with what
 * the copies of that lack in turn.
 */
export function lackedBases(lookup: Copies, kind: BlobKind, id: BlobId): BlobId[] {
  return [
    ...new Standing(lookup, kind, () => true).lacked(id, Number.POSITIVE_INFINITY, new Set()),
  ];
}

/** What a copy stands on, from its base on. */
export function basesOf({ base }: StandingCopy): BlobPlace[] {
  return base === undefined ? [] : [base.place, ...basesOf(base)];
}

/** Copies whose depth is below the end, in order of depth, then as they come. */
export function copiesBelow(copies: readonly BlobPlace[], depthEnd: number): BlobPlace[] {
  if (copies.length === 1 && depthOf(copies[0] as BlobPlace) < depthEnd) return [...copies];
  const below = copies.filter((copy) => depthOf(copy) < depthEnd);
  return below.sort((a, b) => depthOf(a) - depthOf(b));
}

class Standing {
  readonly #lookup: Copies;
  readonly #kind: BlobKind;
  readonly #isGood: (copy: BlobPlace) => boolean;
  /** Of blobs, by depth and id: each is looked into once, however many copies name it. */
  #known: Map<string, StandingCopy | undefined> | undefined;

  constructor(lookup: Copies, kind: BlobKind, isGood: (copy: BlobPlace) => boolean) {
    this.#lookup = lookup;
    this.#kind = kind;
    this.#isGood = isGood;
  }

  find(id: BlobId, depthEnd: number): StandingCopy | undefined {
    for (const copy of copiesBelow(this.#lookup.copies(this.#kind, id), depthEnd)) {
      const standing = this.#isGood(copy) ? this.of(copy) : undefined;
      if (standing !== undefined) return standing;
    }
    return undefined;
  }

  *lacked(id: BlobId, depthEnd: number, seen: Set<string>): Generator<BlobId> {
    for (const copy of copiesBelow(this.#lookup.copies(this.#kind, id), depthEnd)) {
      const { baseId } = copy;
      if (baseId === undefined) continue;
      const name = baseName(copy, baseId);
      if (seen.has(name) || this.of(copy) !== undefined) continue;
      seen.add(name);
      yield baseId;
      yield* this.lacked(baseId, depthOf(copy), seen);
    }
  }

  of(place: BlobPlace): StandingCopy | undefined {
    const { baseId } = place;
    if (baseId === undefined) return { place };
    const depth = depthOf(place);
    const name = baseName(place, baseId);
    this.#known ??= new Map();
    if (!this.#known.has(name)) this.#known.set(name, this.find(baseId, depth));
    const base = this.#known.get(name);
    return base === undefined ? undefined : { place, base };
  }
}

/** What a copy asks of its base: other copies may ask for less depth. */
function baseName(copy: BlobPlace, baseId: BlobId): string {
  return `${depthOf(copy)} ${Buffer.from(baseId).latin1Slice()}`;
}
