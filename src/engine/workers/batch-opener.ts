/**
 * Opens the blobs of a batch in a worker. Each blob is authenticated, decompressed and hashed
 * against its id before anybody sees a byte of it.
 *
 * Bases are opened once for all blobs of a batch that stand on them, as long as they fit a bound.
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
  /** By the wrap, which no two packs share. */
  readonly #packs = new Map<string, PackOpener>();

  constructor(keys: RepositoryKeys) {
    this.#keeping = new BlobOpener(keys);
    this.#lending = new BlobOpener(keys, { lend: true });
  }

  /**
   * A function that opens the blob of an ordinal; throws `blob-damaged` and `blob-absent`. With
   * `lend`, a plaintext may be overwritten when the next blob is opened.
   */
  start(batch: BlobBatch, { lend }: { lend: boolean }): (blob: number) => Uint8Array {
    const opener = lend ? this.#lending : this.#keeping;
    const bases = new Map<number, Uint8Array>();
    let basesBytes = 0;
    const openBase = (blob: number): Uint8Array => {
      const known = bases.get(blob);
      if (known !== undefined) return known;
      const plaintext = this.#open(this.#keeping, batch, blob, undefined);
      basesBytes += plaintext.length;
      if (basesBytes > basesBytesMax) {
        bases.clear();
        basesBytes = plaintext.length;
      }
      bases.set(blob, plaintext);
      return plaintext;
    };
    return (blob) => {
      const base = batch.fields[blob * blobFieldCount + BlobField.base] ?? -1;
      return this.#open(opener, batch, blob, base < 0 ? undefined : openBase(base));
    };
  }

  #pack(header: BlobBatch["packs"][number]): PackOpener {
    const key = Buffer.from(header.wrap).latin1Slice();
    let opener = this.#packs.get(key);
    if (opener === undefined) {
      opener = this.#keeping.openPack(header);
      if (this.#packs.size >= packsMax) this.#packs.clear();
      this.#packs.set(key, opener);
    }
    return opener;
  }

  #open(
    opener: BlobOpener,
    batch: BlobBatch,
    blob: number,
    base: Uint8Array | undefined,
  ): Uint8Array {
    const field = (name: keyof typeof BlobField) =>
      batch.fields[blob * blobFieldCount + BlobField[name]] as number;
    const segment = batch.segments[field("segment")];
    if (segment === undefined) {
      throw new VarveError("blob-absent", "A blob of the file is not in the repository.");
    }
    const header = batch.packs[field("pack")];
    invariant(header !== undefined, "a batch has the packs of its blobs");
    const encoding = field("encoding") as Encoding;
    if (encoding === Encoding.zstdOnBase && base === undefined) {
      throw new VarveError("blob-absent", "The base of a blob of the file is not there.");
    }
    const id = batch.ids.subarray(blob * idBytes, (blob + 1) * idBytes);
    const facts = {
      kind: field("kind") as BlobKind,
      encoding,
      id,
      rawLength: field("rawLength"),
      offset: field("packOffset"),
    };
    const at = field("at");
    const sealed = segment.subarray(at, at + field("length"));
    return opener.open(this.#pack(header), withBase(batch, blob, facts), sealed, base);
  }
}

/** The associated data names the base's id. */
function withBase(batch: BlobBatch, blob: number, facts: BlobToOpen): BlobToOpen {
  const base = batch.fields[blob * blobFieldCount + BlobField.base] ?? -1;
  if (base < 0) return facts;
  return { ...facts, baseId: batch.ids.subarray(base * idBytes, (base + 1) * idBytes) };
}
