/**
 * Opens the blobs of a batch in a worker. Each blob is authenticated, decompressed and hashed
 * against its id before anybody sees a byte of it. What it stands on is authenticated and
 * decompressed, each base on the one below: were one of them wrong, the blob would be.
 *
 * A base that several blobs of a batch stand on is opened once for all of them, as long as such
 * bases fit a bound. Others, which are most, are opened where the next ones are opened again: fresh
 * memory for each would be given back late.
 */
import { invariant, VarveError } from "../../base/errors.ts";
import { idBytes } from "../../base/ids.ts";
import { BlobOpener, type BlobToOpen, type PackOpener } from "../../repo/blob-codec.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import { type BlobKind, Encoding } from "../../repo/format/pack-table.ts";
import { type BlobBatch, BlobField, blobFieldCount } from "./restore-protocol.ts";

const basesBytesMax = 32 * 1024 * 1024;
const packsMax = 256;

export class BatchOpener {
  /** Keeps its results: for bases and for who hands them on. */
  readonly #keeping: BlobOpener;
  /** Overwrites its results: for who writes them out at once. */
  readonly #lending: BlobOpener;
  /** The same for bases, in turns: each must outlive the opening of what stands on it. */
  readonly #lendingBases: readonly [BlobOpener, BlobOpener];
  /** By the wrap, which no two packs share. */
  readonly #packs = new Map<string, PackOpener>();

  constructor(keys: RepositoryKeys) {
    this.#keeping = new BlobOpener(keys);
    this.#lending = new BlobOpener(keys, { lend: true });
    const lendingBase = () => new BlobOpener(keys, { lend: true, isHashed: false });
    this.#lendingBases = [lendingBase(), lendingBase()];
  }

  /**
   * A function that opens the blob of an ordinal; throws `blob-damaged` and `blob-absent`. With
   * `lend`, a plaintext may be overwritten when the next blob is opened.
   */
  start(batch: BlobBatch, { lend }: { lend: boolean }): (blob: number) => Uint8Array {
    const opener = lend ? this.#lending : this.#keeping;
    const packs: PackOpener[] = [];
    const packOf = (pack: number): PackOpener => {
      packs[pack] ??= this.#pack(batch.packs[pack]);
      return packs[pack] as PackOpener;
    };
    const shared = sharedBases(batch);
    const bases = new Map<number, Uint8Array>();
    let basesBytes = 0;
    /** Undefined without one; `level`: of how many blobs it is the base already. */
    const openBaseOf = (blob: number, level: number): Uint8Array | undefined => {
      const base = batch.fields[blob * blobFieldCount + BlobField.base] ?? -1;
      return base < 0 ? undefined : openBase(base, level);
    };
    const openBase = (blob: number, level: number): Uint8Array => {
      const known = bases.get(blob);
      if (known !== undefined) return known;
      const isShared = shared.has(blob);
      const lending = this.#lendingBases[level & 1] as BlobOpener;
      const below = openBaseOf(blob, level + 1);
      const part = { batch, packOf, blob, base: below };
      const plaintext = this.#open(isShared ? this.#keeping : lending, part);
      if (!isShared) return plaintext;
      basesBytes += plaintext.length;
      if (basesBytes > basesBytesMax) {
        bases.clear();
        basesBytes = plaintext.length;
      }
      bases.set(blob, plaintext);
      return plaintext;
    };
    return (blob) => this.#open(opener, { batch, packOf, blob, base: openBaseOf(blob, 0) });
  }

  #pack(header: BlobBatch["packs"][number] | undefined): PackOpener {
    invariant(header !== undefined, "a batch has the packs of its blobs");
    const key = Buffer.from(header.wrap).latin1Slice();
    let opener = this.#packs.get(key);
    if (opener === undefined) {
      opener = this.#keeping.openPack(header);
      if (this.#packs.size >= packsMax) this.#packs.clear();
      this.#packs.set(key, opener);
    }
    return opener;
  }

  #open(opener: BlobOpener, { batch, packOf, blob, base }: BlobOfBatch): Uint8Array {
    const { fields } = batch;
    const first = blob * blobFieldCount;
    const segment = batch.segments[fields[first + BlobField.segment] as number];
    if (segment === undefined) {
      throw new VarveError("blob-absent", "A blob of the file is not in the repository.");
    }
    const encoding = fields[first + BlobField.encoding] as Encoding;
    if (encoding === Encoding.zstdOnBase && base === undefined) {
      throw new VarveError("blob-absent", "The base of a blob of the file is not there.");
    }
    const facts = {
      kind: fields[first + BlobField.kind] as BlobKind,
      encoding,
      id: batch.ids.subarray(blob * idBytes, (blob + 1) * idBytes),
      rawLength: fields[first + BlobField.rawLength] as number,
      offset: fields[first + BlobField.packOffset] as number,
    };
    const at = fields[first + BlobField.at] as number;
    const sealed = segment.subarray(at, at + (fields[first + BlobField.length] as number));
    const pack = packOf(fields[first + BlobField.pack] as number);
    return opener.open(pack, withBase(batch, blob, facts), sealed, base);
  }
}

interface BlobOfBatch {
  readonly batch: BlobBatch;
  /** The pack of an ordinal in the batch. */
  readonly packOf: (pack: number) => PackOpener;
  readonly blob: number;
  /** The plaintext of what it stands on. */
  readonly base: Uint8Array | undefined;
}

/** The associated data names the base's id and the generation. */
function withBase(batch: BlobBatch, blob: number, facts: BlobToOpen): BlobToOpen {
  const base = batch.fields[blob * blobFieldCount + BlobField.base] ?? -1;
  if (base < 0) return facts;
  const generation = batch.fields[blob * blobFieldCount + BlobField.generation] ?? 0;
  const baseId = batch.ids.subarray(base * idBytes, (base + 1) * idBytes);
  return { ...facts, baseId, generation };
}

/** Ordinals of the bases that several blobs stand on. */
function sharedBases({ fields }: BlobBatch): ReadonlySet<number> {
  const seen = new Set<number>();
  const shared = new Set<number>();
  for (let at = BlobField.base; at < fields.length; at += blobFieldCount) {
    const base = fields[at] ?? -1;
    if (base < 0) continue;
    if (seen.has(base)) shared.add(base);
    seen.add(base);
  }
  return shared;
}
