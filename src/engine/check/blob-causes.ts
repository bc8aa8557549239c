/**
 * Why a blob cannot be read, as far as the index and what is known of packs go; and which subtrees
 * and lists were found whole already. Shared by the walks of all snapshots.
 */
import type { VarveError } from "../../base/errors.ts";
import { type BlobId, toHex } from "../../base/ids.ts";
import type { BlobIndex } from "../../repo/blob-index.ts";
import {
  type BlobLookup,
  type BlobPlace,
  basesOf,
  copiesBelow,
  type StandingCopy,
  standingCopy,
  standingOf,
} from "../../repo/blob-lookup.ts";
import type { BlobReader } from "../../repo/blob-reader.ts";
import { packObject } from "../../repo/format/object-names.ts";
import { type BlobKind, depthOf } from "../../repo/format/pack-table.ts";
import { BlobBits } from "../blob-bits.ts";
import { RecentIds } from "../recent-ids.ts";
import type { DamageEntry, DamageList } from "./damage.ts";
import type { PackFault, PackFaults } from "./pack-faults.ts";
import type { ReachableBlobs } from "./reachable-blobs.ts";

type Copies = Pick<BlobLookup, "copies">;

/** What makes an entry unreadable. */
export type Causes = Set<DamageEntry>;

export interface BlobCausesOptions {
  /** Takes the index as it is: whoever checks decides when to load it again. */
  readonly reachable: ReachableBlobs;
  readonly index: BlobIndex;
  readonly blobs: BlobReader;
  readonly faults: PackFaults;
  readonly damage: DamageList;
}

/** A blob that is referred to, and where it is, if anywhere. */
export interface Looked {
  readonly place: BlobPlace | undefined;
  readonly cause: DamageEntry | undefined;
  /** A living pack has it: nobody has to be told that it is needed. */
  readonly isLiving?: boolean;
}

export class BlobCauses {
  readonly blobs: BlobReader;
  readonly damage: DamageList;
  /** Data blobs of living packs with their lengths; what is found wrong later is walked anew. */
  readonly sound = new RecentIds();
  readonly #reachable: ReachableBlobs;
  readonly #index: BlobIndex;
  readonly #faults: PackFaults;
  readonly #whole = new BlobBits();
  #absent: DamageEntry | undefined;
  #missesBlobs = false;

  constructor({ reachable, index, blobs, faults, damage }: BlobCausesOptions) {
    this.blobs = blobs;
    this.damage = damage;
    this.#reachable = reachable;
    this.#index = index;
    this.#faults = faults;
  }

  /** Whether something was in no living pack; a dying one may have it. */
  get missesBlobs(): boolean {
    return this.#missesBlobs;
  }

  /** Calls `look`, whose look-ups then cost less. */
  inOneView<T>(look: () => T): T {
    return this.#index.inOneView(look);
  }

  look(kind: BlobKind, id: BlobId): Looked {
    const living = this.#index.find(kind, id);
    if (living !== undefined) {
      if (this.#isSound(living)) return { place: living, cause: undefined, isLiving: true };
      const spare = this.#soundCopy(this.#index, kind, id)?.place;
      if (spare !== undefined) return { place: spare, cause: undefined };
      return { place: living, cause: this.#causeOf(this.#index, id, living) };
    }
    const sound = this.#soundCopy(this.#reachable, kind, id);
    const place = sound?.place ?? this.#reachable.copies(kind, id)[0];
    if (place === undefined) return { place, cause: this.#absentCause(id) };
    if (sound === undefined) return { place, cause: this.#causeOf(this.#reachable, id, place) };
    for (const needed of [place, ...basesOf(sound)]) this.#reachable.need(needed);
    return { place, cause: undefined };
  }

  /** A copy that can be read, as far as is known, with all that it stands on. */
  #soundCopy(lookup: Copies, kind: BlobKind, id: BlobId): StandingCopy | undefined {
    return standingCopy(lookup, kind, id, Number.POSITIVE_INFINITY, this.#hasNoLoss);
  }

  readonly #hasNoLoss = (copy: BlobPlace) => this.#lossOf(copy) === undefined;

  /** Of a copy that counts. */
  #isSound(living: BlobPlace): boolean {
    if (this.#faults.size === 0) return true;
    if (!this.#hasNoLoss(living)) return false;
    return standingOf(this.#index, living, this.#hasNoLoss) !== undefined;
  }

  #lossOf(place: BlobPlace): PackFault | undefined {
    return this.#faults.size === 0 ? undefined : this.#faults.lossOf(place);
  }

  /** Why this copy cannot be read: its own pack, or what has become of its base. */
  #causeOf(lookup: Copies, id: BlobId, copy: BlobPlace): DamageEntry {
    const loss = this.#lossOf(copy);
    if (loss !== undefined || copy.baseId === undefined) return this.#packCause(id, loss);
    const { kind, baseId } = copy;
    const bases = lookup.copies(kind, baseId);
    const base = copiesBelow(bases, depthOf(copy))[0];
    if (base !== undefined) return this.#causeOf(lookup, baseId, base);
    this.#missesBlobs = true;
    if (bases.length > 0) {
      const message = "What it stands on has no copy of less depth.";
      return this.damage.add("blob", toHex(id), message);
    }
    const message = "Other blobs stand on it, and it is in no living pack.";
    return this.damage.add("blob", toHex(baseId), message);
  }

  #packCause(id: BlobId, loss: PackFault | undefined): DamageEntry {
    if (loss === undefined) return this.#absentCause(id);
    return this.damage.add("pack", packObject(loss.info.pack), loss.message);
  }

  /** All absent blobs are one finding: after the loss of an index object they are many. */
  #absentCause(id: BlobId): DamageEntry {
    this.#missesBlobs = true;
    const message = "This blob, and maybe others, is in no living pack.";
    this.#absent ??= this.damage.add("blob", toHex(id), message);
    return this.#absent;
  }

  /** Whether it, and everything below it, was found readable. */
  isWhole({ place }: Looked): boolean {
    return place !== undefined && this.#whole.has(place);
  }

  addWhole({ place }: Looked): void {
    if (place !== undefined) this.#whole.add(place);
  }

  unreadable(id: BlobId, error: Pick<VarveError, "message">): DamageEntry {
    return this.damage.add("catalog", toHex(id), error.message);
  }
}
