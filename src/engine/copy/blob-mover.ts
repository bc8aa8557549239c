/**
 * Reads blobs of the source, verifies them, and seals them into packs of the target. What lies
 * close together is read by one range; some ranges are read ahead while blobs of the first are
 * opened and packs of others are on their way to the target.
 *
 * A blob keeps its encoding: it is decrypted and sealed anew, and opened only to be verified. One
 * that stands on a base stays so where the target has the base in a copy of less depth; else it is
 * compressed alone. Where a copy does not open, another is taken (blob-reader.ts); only when none
 * does is the blob lost, and the error names it.
 */
import { VarveError } from "../../base/errors.ts";
import { type BlobId, toHex } from "../../base/ids.ts";
import { BlobOpener, type PackOpener } from "../../repo/blob-codec.ts";
import { type BlobPlace, standingCopy } from "../../repo/blob-lookup.ts";
import { coalesce, isLoss } from "../../repo/blob-reader.ts";
import type { BlobWriter } from "../../repo/blob-writer.ts";
import { packObject } from "../../repo/format/object-names.ts";
import { type BlobKind, depthMax, depthOf } from "../../repo/format/pack-table.ts";
import { IdSet } from "../../repo/id-set.ts";
import type { Repository } from "../../repo/repository.ts";
import { Repacker } from "../repack.ts";
import type { BlobNames } from "./blob-names.ts";

/** Of 8 MiB at most (blob-reader.ts). */
const rangesAhead = 4;
const openersMax = 256;
const basesMax = 16;

export interface MoveItem {
  readonly kind: BlobKind;
  /** At the source. */
  readonly id: BlobId;
  /** Undefined when the source's index has none: then it is loaded again first. */
  readonly place: BlobPlace | undefined;
  /** Else it is only read. */
  readonly isStored: boolean;
}

interface PlacedItem extends MoveItem {
  readonly place: BlobPlace;
}

export interface MoverOptions {
  readonly source: Repository;
  readonly target: Repository;
  readonly names: BlobNames;
  readonly writer: BlobWriter;
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes that came from the source. */
  readonly onRead?: ((bytes: number) => void) | undefined;
}

type OnPlaintext = (item: MoveItem, plaintext: Uint8Array) => void;

export class BlobMover {
  readonly #options: MoverOptions;
  readonly #repacker: Repacker;
  readonly #opener: BlobOpener;
  readonly #openers = new Map<number, PackOpener>();
  readonly #bases = new Map<string, Uint8Array>();
  /** Stored by this run, by depth, and perhaps not in the target's index yet. */
  #stored = storedSets();

  constructor(options: MoverOptions) {
    this.#options = options;
    this.#repacker = new Repacker(options.target, options.writer);
    this.#opener = new BlobOpener(options.source.keys);
  }

  /** One call at a time. Throws what `isLoss` knows when a blob cannot be had of the source. */
  async move(items: readonly MoveItem[], onPlaintext?: OnPlaintext): Promise<void> {
    const placed: PlacedItem[] = [];
    for (const item of items) {
      const { place } = item;
      if (place === undefined) await this.#moveAnyCopy(item, onPlaintext);
      else placed.push({ ...item, place });
    }
    for await (const { range, bytes } of this.#ranges(placed)) {
      this.#options.signal?.throwIfAborted();
      for (const item of range) await this.#moveOne(item, range, bytes, onPlaintext);
      this.#options.names.flush();
    }
  }

  /** In order, a few ahead; instead of its bytes, why a range cannot be had. */
  async *#ranges(items: readonly PlacedItem[]) {
    const ranges = coalesce(items);
    const ahead: { range: PlacedItem[]; bytes: Promise<Uint8Array | VarveError> }[] = [];
    try {
      for (let next = 0; ; ) {
        for (; next < ranges.length && ahead.length < rangesAhead; next++) {
          const range = ranges[next] ?? [];
          const bytes = this.#read(range);
          // It is looked at when its turn comes.
          bytes.catch(() => undefined);
          ahead.push({ range, bytes });
        }
        const first = ahead.shift();
        if (first === undefined) return;
        yield { range: first.range, bytes: await first.bytes };
      }
    } finally {
      // None goes on reading once this has ended.
      await Promise.allSettled(ahead.map(({ bytes }) => bytes));
    }
  }

  async #read(range: readonly PlacedItem[]): Promise<Uint8Array | VarveError> {
    const [first, last] = [range[0]?.place, range.at(-1)?.place];
    if (first === undefined || last === undefined) return new Uint8Array(0);
    const { source, onRead } = this.#options;
    try {
      const { pack } = source.index.packInfo(first.packNo);
      const length = last.offset + last.length - first.offset;
      const bytes = await source.store.getRange(packObject(pack), first.offset, length);
      onRead?.(bytes.length);
      return bytes;
    } catch (error) {
      if (isLoss(error)) return error;
      throw error;
    }
  }

  async #moveOne(
    item: PlacedItem,
    range: readonly PlacedItem[],
    bytes: Uint8Array | VarveError,
    onPlaintext: OnPlaintext | undefined,
  ): Promise<void> {
    const start = item.place.offset - (range[0]?.place.offset ?? 0);
    const opened = bytes instanceof Uint8Array ? await this.#open(item, bytes, start) : undefined;
    if (opened === undefined) {
      await this.#moveAnyCopy(item, onPlaintext);
      return;
    }
    const { plaintext, encoded } = opened;
    if (item.isStored) await this.#store(item, plaintext, encoded);
    onPlaintext?.(item, plaintext);
  }

  /** Undefined when this copy is damaged, or what it stands on. */
  async #open({ id, place }: PlacedItem, bytes: Uint8Array, start: number) {
    const sealed = bytes.subarray(start, start + place.length);
    try {
      const base = await this.#base(place);
      return this.#opener.openBoth(this.#packOpener(place.packNo), { ...place, id }, sealed, base);
    } catch (error) {
      if (isLoss(error)) return undefined;
      throw error;
    }
  }

  async #base(place: BlobPlace): Promise<Uint8Array | undefined> {
    const { baseId } = place;
    if (baseId === undefined) return undefined;
    const name = toHex(baseId);
    const known = this.#bases.get(name);
    if (known !== undefined) return known;
    const { plaintext } = await this.#options.source.blobs.readBase(place);
    if (this.#bases.size >= basesMax) this.#bases.clear();
    this.#bases.set(name, plaintext);
    return plaintext;
  }

  #packOpener(packNo: number): PackOpener {
    let opener = this.#openers.get(packNo);
    if (opener === undefined) {
      opener = this.#opener.openPack(this.#options.source.index.packInfo(packNo));
      if (this.#openers.size >= openersMax) this.#openers.clear();
      this.#openers.set(packNo, opener);
    }
    return opener;
  }

  /** By whatever copy opens; the index is loaded again before the blob is called absent. */
  async #moveAnyCopy(item: MoveItem, onPlaintext: OnPlaintext | undefined): Promise<void> {
    const { kind, id } = item;
    let plaintext: Uint8Array;
    try {
      plaintext = await this.#options.source.blobs.read(kind, id);
    } catch (error) {
      throw isLoss(error) ? naming(error, item) : error;
    }
    this.#options.onRead?.(plaintext.length);
    if (item.isStored) await this.#store(item, plaintext);
    onPlaintext?.(item, plaintext);
  }

  /** `encoded`: as it is at `place`; without it, it is compressed anew. */
  async #store(item: MoveItem, plaintext: Uint8Array, encoded?: Uint8Array): Promise<void> {
    const { names, writer } = this.#options;
    const { kind, place } = item;
    const id = names.learn(kind, item.id, plaintext);
    if (!writer.claim(kind, id)) return;
    const baseId = place === undefined ? undefined : this.#baseAtTarget(place);
    const isOnLostBase = place?.baseId !== undefined && baseId === undefined;
    if (place !== undefined && baseId !== undefined && encoded !== undefined) {
      const { encoding, rawLength, generation = 0 } = place;
      const facts = { kind, encoding, id, rawLength, baseId, generation };
      await this.#repacker.append(facts, encoded);
      this.#stored[depthOf(place)]?.add(id);
      return;
    }
    if (place === undefined || encoded === undefined || isOnLostBase) {
      await this.#repacker.appendPlain(kind, id, plaintext);
    } else {
      const { encoding, rawLength } = place;
      await this.#repacker.append({ kind, encoding, id, rawLength }, encoded);
    }
    this.#stored[0]?.add(id);
  }

  /** What a base is called at the target, when a copy of less depth is there. */
  #baseAtTarget(place: BlobPlace): BlobId | undefined {
    const { names, target } = this.#options;
    const { kind, baseId } = place;
    const id = baseId === undefined ? undefined : names.find(baseId);
    if (id === undefined) return undefined;
    const depth = depthOf(place);
    const isStored = this.#stored.slice(0, depth).some((ids) => ids.has(id));
    return isStored || standingCopy(target.index, kind, id, depth) !== undefined ? id : undefined;
  }

  /** After this all that was moved is durable and named by an index object. */
  async finish(): Promise<void> {
    this.#options.names.flush();
    await this.#repacker.finish();
    this.#stored = storedSets();
  }
}

const storedSets = () => Array.from({ length: depthMax + 1 }, () => new IdSet());

function naming(error: VarveError, { id, kind }: MoveItem): VarveError {
  const { code, message, hint, context } = error;
  return new VarveError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    context: { ...context, blob: toHex(id), kind },
    cause: error,
  });
}
