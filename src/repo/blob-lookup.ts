/**
 * Where a blob is, and which of its copies can be used. A blob may have several copies, in packs
 * that were written side by side, or by a prune. A copy that is compressed against a base
 * (encoding 2) is of use only with a copy of the base that stands on nothing itself: depth is one
 * (format.md, "Packs").
 */
import type { BlobId, PackId } from "../base/ids.ts";
import type { BlobKind, CipherSuite, Encoding } from "./format/pack-table.ts";

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
  /** The first copy that can be used. */
  find(kind: BlobKind, id: BlobId): BlobPlace | undefined;
  /** All copies, oldest pack first, also those whose base is nowhere. */
  copies(kind: BlobKind, id: BlobId): BlobPlace[];
  packInfo(packNo: number): PackInfo;
  /** Calls `look`, whose look-ups then cost half: every one by itself is a transaction. */
  inOneView<T>(look: () => T): T;
}

/** A copy that stands on no base: only such a one is a base itself. */
export function plainCopy(
  lookup: Pick<BlobLookup, "copies">,
  kind: BlobKind,
  id: BlobId,
): BlobPlace | undefined {
  return lookup.copies(kind, id).find(({ baseId }) => baseId === undefined);
}

/** The first of the copies that stands on no base, or on one that is there. */
export function usableCopy(
  lookup: Pick<BlobLookup, "copies">,
  copies: readonly BlobPlace[],
): BlobPlace | undefined {
  return copies.find(
    ({ kind, baseId }) => baseId === undefined || plainCopy(lookup, kind, baseId) !== undefined,
  );
}
