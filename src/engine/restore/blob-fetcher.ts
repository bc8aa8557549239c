/**
 * Reads stored blobs for the workers, each range of a pack once, and survives a prune that runs at
 * the same time ("the reader" in design/concurrency.md): when a pack is gone, the index is loaded
 * again, the blobs are looked up anew, and only what is still not there is absent.
 */
import { hasCode, invariant, VarveError } from "../../base/errors.ts";
import { type BlobId, idBytes } from "../../base/ids.ts";
import {
  type BlobLookup,
  type BlobPlace,
  type PackInfo,
  type StandingCopy,
  standingOf,
} from "../../repo/blob-lookup.ts";
import { packObject } from "../../repo/format/object-names.ts";
import type { PackHeader } from "../../repo/format/pack-header.ts";
import { type BlobKind, depthOf } from "../../repo/format/pack-table.ts";
import type { Store } from "../../repo/store/store.ts";
import type { PackMemory } from "../check/pack-memory.ts";
import { type BlobBatch, BlobField, blobFieldCount } from "../workers/restore-protocol.ts";

/** What fetching needs of a repository. */
export interface BlobSource {
  readonly store: Pick<Store, "getRange">;
  readonly index: BlobLookup;
  loadIndex(): Promise<void>;
}

export interface WantedBlob {
  readonly id: BlobId;
  readonly place: BlobPlace;
  /** What it stands on, where it has to be certain copies. */
  readonly base?: StandingCopy;
}

export interface RangeLimits {
  /** Bytes between two wanted blobs that are cheaper to read than to skip. */
  readonly gapBytes: number;
  /** A range is no longer than this, unless one blob is. */
  readonly rangeBytesMax: number;
}

/** Large enough for the round trip of a remote store, small enough to spread over workers. */
export const rangeLimits: RangeLimits = { gapBytes: 128 * 1024, rangeBytesMax: 4 * 1024 * 1024 };

/**
 * Bytes that reading a blob brings into memory: its own, and those of its bases, of which only is
 * known that the last is seldom more than half of its plaintext, and the others much less.
 */
function weightOf(place: BlobPlace): number {
  const { length, rawLength } = place;
  const depth = depthOf(place);
  return depth === 0 ? length : length + rawLength * (1 / 2 + (depth - 1) / 8);
}

/** What reading a range, and the bases of its blobs, takes: bytes, about. */
export function rangeWeight(range: readonly WantedBlob[]): number {
  const [first, last] = [range[0], range.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const span = last.place.offset + last.place.length - first.place.offset;
  return range.reduce((sum, { place }) => sum + weightOf(place) - place.length, span);
}

/**
 * Sorts by pack and offset, and puts together what one read gets. The limit holds for the bases as
 * well: four megabytes of differences may stand on a hundred.
 */
export function rangesOf<T extends Pick<WantedBlob, "place">>(
  wanted: readonly T[],
  { gapBytes, rangeBytesMax }: RangeLimits = rangeLimits,
): T[][] {
  const sorted = [...wanted].sort(
    (a, b) => a.place.packNo - b.place.packNo || a.place.offset - b.place.offset,
  );
  const ranges: T[][] = [];
  let range: T[] = [];
  let [packNo, start, end, baseBytes] = [-1, 0, 0, 0];
  for (const item of sorted) {
    const { place } = item;
    const itemEnd = place.offset + place.length;
    const itemBase = weightOf(place) - place.length;
    const joins =
      place.packNo === packNo &&
      place.offset - end <= gapBytes &&
      itemEnd - start + baseBytes + itemBase <= rangeBytesMax;
    if (!joins) {
      range = [];
      ranges.push(range);
      [packNo, start, baseBytes] = [place.packNo, place.offset, 0];
    }
    end = itemEnd;
    baseBytes += itemBase;
    range.push(item);
  }
  return ranges;
}

/** What is smaller is read into memory of its own: whole buffers for crumbs would pile up. */
const memoryRangeBytesMin = 256 * 1024;

interface Slot {
  readonly id: BlobId;
  readonly ordinal: number;
  place: BlobPlace;
  /** Ordinal of the pack's header; -1 when the pack is not known any more. */
  pack: number;
  /** Ordinal of what it stands on; -1 without. */
  baseSlot: number;
  /** Ordinal of the bytes that it is in, and where there; -1 without. */
  segment: number;
  at: number;
}

export class BlobFetcher {
  readonly #repo: BlobSource;
  readonly #memory: PackMemory | undefined;
  /** Packs that were not there even by the newest index. */
  readonly #absentPacks = new Set<string>();
  #generation = 0;
  #reloading: Promise<void> | undefined;

  /** `memory`: what ranges are read into; who takes a batch gives its segments back to it. */
  constructor(repo: BlobSource, memory?: PackMemory) {
    this.#repo = repo;
    this.#memory = memory;
  }

  find(kind: BlobKind, id: BlobId): BlobPlace | undefined {
    return this.#repo.index.find(kind, id);
  }

  /** The places of many blobs, undefined for those that are in no living pack. */
  findAll(kind: BlobKind, ids: readonly BlobId[]): (BlobPlace | undefined)[] {
    const { index } = this.#repo;
    return index.inOneView(() => ids.map((id) => index.find(kind, id)));
  }

  /**
   * Reads `wanted` and, behind them, the bases that they stand on: the batch has `wanted` in its
   * order. Blobs that cannot be had are in the batch without bytes. Throws when the store fails.
   */
  async fetch(wanted: readonly WantedBlob[], signal?: AbortSignal): Promise<BlobBatch> {
    const builder = new BatchBuilder(this.#repo, wanted);
    let missing = await this.#read(builder, builder.slots, signal);
    if (missing.length > 0) {
      await this.#reload(missing);
      missing = await this.#read(builder, builder.placeAgain(missing), signal);
      for (const { place } of missing) {
        const name = this.#packObject(place);
        if (name !== undefined) this.#absentPacks.add(name);
      }
    }
    return builder.finish();
  }

  #packObject(place: BlobPlace): string | undefined {
    const info = packInfoOf(this.#repo, place.packNo);
    return info === undefined ? undefined : packObject(info.pack);
  }

  /** Once for all who found the same view of the index outdated. */
  async #reload(missing: readonly Slot[]): Promise<void> {
    const isKnown = ({ place }: Slot) => this.#absentPacks.has(this.#packObject(place) ?? "");
    if (missing.every(isKnown)) return;
    const seen = this.#generation;
    await this.#reloading;
    if (seen !== this.#generation) return;
    this.#reloading ??= this.#repo.loadIndex().finally(() => {
      this.#generation++;
      this.#reloading = undefined;
    });
    await this.#reloading;
  }

  /** Gives back those whose pack is not there. */
  async #read(
    builder: BatchBuilder,
    slots: readonly Slot[],
    signal: AbortSignal | undefined,
  ): Promise<Slot[]> {
    const missing: Slot[] = [];
    for (const range of rangesOf(slots)) {
      try {
        await this.#readRange(builder, range, signal);
      } catch (error) {
        if (hasCode(error, "object-absent")) missing.push(...range);
        else if (!hasCode(error, "object-damaged")) throw error;
        else await this.#readApart(builder, range, signal);
      }
    }
    return missing;
  }

  async #readRange(
    builder: BatchBuilder,
    range: readonly Slot[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const [first, last] = [range[0], range.at(-1)];
    invariant(first !== undefined && last !== undefined, "a range has blobs");
    const start = first.place.offset;
    const length = last.place.offset + last.place.length - start;
    const name = this.#packObject(first.place);
    if (name === undefined) throw new VarveError("object-absent", "A pack was pruned meanwhile.");
    const into = length < memoryRangeBytesMin ? undefined : this.#memory?.take(length);
    try {
      const bytes = await this.#repo.store.getRange(name, start, length, {
        ...(signal === undefined ? {} : { signal }),
        ...(into === undefined ? {} : { into }),
      });
      if (bytes.buffer === into) {
        builder.add(range, start, new Uint8Array(into, bytes.byteOffset, length));
      } else {
        this.#memory?.giveBack(into);
        builder.add(range, start, ownBytes(bytes));
      }
    } catch (error) {
      this.#memory?.giveBack(into);
      throw error;
    }
  }

  /** A pack that ends too early still has the blobs before its end. */
  async #readApart(
    builder: BatchBuilder,
    range: readonly Slot[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (range.length === 1) return;
    for (const slot of range) {
      try {
        await this.#readRange(builder, [slot], signal);
      } catch (error) {
        if (!hasCode(error, "object-damaged", "object-absent")) throw error;
      }
    }
  }
}

class BatchBuilder {
  readonly slots: Slot[] = [];
  readonly #repo: BlobSource;
  readonly #wantedCount: number;
  readonly #segments: Uint8Array<ArrayBuffer>[] = [];
  readonly #packs = new Map<number, number>();
  readonly #headers: PackHeader[] = [];
  /** Slots of bases, by pack and ordinal: a blob may be needed in several copies. */
  readonly #bases = new Map<string, Slot>();

  constructor(repo: BlobSource, wanted: readonly WantedBlob[]) {
    this.#repo = repo;
    this.#wantedCount = wanted.length;
    const slots = wanted.map(({ id, place }) => this.#add(id, place));
    repo.index.inOneView(() => {
      for (const [at, { place, base }] of wanted.entries()) {
        this.#stand(slots[at] as Slot, base ?? this.#baseOf(place));
      }
    });
  }

  #add(id: BlobId, place: BlobPlace): Slot {
    const nowhere = { baseSlot: -1, segment: -1, at: -1 };
    const slot = { id, ordinal: this.slots.length, place, pack: this.#pack(place), ...nowhere };
    this.slots.push(slot);
    return slot;
  }

  #baseOf(place: BlobPlace): StandingCopy | undefined {
    return place.baseId === undefined ? undefined : standingOf(this.#repo.index, place)?.base;
  }

  /** An absent base gets no slot: the blob that stands on it says so when it is opened. */
  #stand(slot: Slot, base: StandingCopy | undefined): void {
    const { baseId } = slot.place;
    slot.baseSlot = -1;
    if (baseId === undefined || base === undefined) return;
    const name = placeName(base.place);
    const known = this.#bases.get(name);
    slot.baseSlot = (known ?? this.#add(baseId, base.place)).ordinal;
    if (known !== undefined) return;
    const added = this.slots[slot.baseSlot] as Slot;
    this.#bases.set(name, added);
    this.#stand(added, base.base);
  }

  #pack({ packNo }: BlobPlace): number {
    let pack = this.#packs.get(packNo);
    if (pack === undefined) {
      const info = packInfoOf(this.#repo, packNo);
      if (info === undefined) return -1;
      const { cipher, wrapMethod, wrap } = info;
      pack = this.#headers.push({ cipher, wrapMethod, wrap: Uint8Array.from(wrap) }) - 1;
      this.#packs.set(packNo, pack);
    }
    return pack;
  }

  /**
   * Looks up anew where the blobs are that need one of `missing`, and what they stand on; gives
   * back the slots that have to be read for it.
   */
  placeAgain(missing: readonly Slot[]): Slot[] {
    const { index } = this.#repo;
    const gone = new Set(missing);
    const needs = (slot: Slot | undefined): boolean =>
      slot !== undefined && (gone.has(slot) || needs(this.slots[slot.baseSlot]));
    for (const [name, slot] of [...this.#bases]) if (needs(slot)) this.#bases.delete(name);
    const hurt = this.slots.slice(0, this.#wantedCount).filter(needs);
    const known = this.slots.length;
    const moved = hurt.filter((slot) => {
      const now = index.find(slot.place.kind, slot.id);
      if (now === undefined) return false;
      const isSame = slot.segment >= 0 && placeName(now) === placeName(slot.place);
      Object.assign(slot, { place: now, pack: this.#pack(now) });
      this.#stand(slot, this.#baseOf(now));
      return !isSame;
    });
    return [...moved, ...this.slots.slice(known)];
  }

  /** `bytes` are handed over, with all of their buffer. */
  add(range: readonly Slot[], start: number, bytes: Uint8Array<ArrayBuffer>): void {
    const segment = this.#segments.push(bytes) - 1;
    for (const slot of range) {
      slot.segment = segment;
      slot.at = slot.place.offset - start;
    }
  }

  finish(): BlobBatch {
    const ids = new Uint8Array(this.slots.length * idBytes);
    const fields = new Float64Array(this.slots.length * blobFieldCount);
    for (const { id, ordinal, place, pack, baseSlot, segment, at } of this.slots) {
      ids.set(id, ordinal * idBytes);
      const { kind, encoding, rawLength, offset: packOffset, length, generation = 0 } = place;
      const own = { pack, base: baseSlot, segment, at };
      const all = { kind, encoding, rawLength, packOffset, length, generation, ...own };
      for (const name of fieldNames) fields[ordinal * blobFieldCount + BlobField[name]] = all[name];
    }
    return { packs: this.#headers, segments: this.#segments, ids, fields };
  }
}

const fieldNames = Object.keys(BlobField) as (keyof typeof BlobField)[];

function placeName({ packNo, ordinal }: BlobPlace): string {
  return `${packNo} ${ordinal}`;
}

/** Undefined when another process has just dropped what the cache knew of a dead pack. */
function packInfoOf({ index }: BlobSource, packNo: number): PackInfo | undefined {
  try {
    return index.packInfo(packNo);
  } catch (error) {
    if (hasCode(error, "blob-absent")) return undefined;
    throw error;
  }
}

/** A view on a shared pool cannot be handed to another thread. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) {
    return new Uint8Array(buffer);
  }
  return Uint8Array.from(bytes);
}
