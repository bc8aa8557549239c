/**
 * Blobs and packs: plaintext in, finished packs out, and back (format.md, "Packs").
 *
 * Synchronous and without a store, so that it runs in worker threads. A `BlobSealer` fills one
 * pack: compress into the pack's buffer, seal in place, note it in the table. A `BlobOpener`
 * believes nothing: a blob must open under its pack's key at its offset with its id, decompress to
 * its declared length, and hash to its id.
 */
import { ByteWriter, bytesEqual } from "../base/bytes.ts";
import { type CipherSuite, tagBytes } from "../base/cipher-suite.ts";
import type { Random } from "../base/clock.ts";
import { invariant, VarveError } from "../base/errors.ts";
import { type BlobId, packId, toHex } from "../base/ids.ts";
import { Compressor, Decompressor } from "./compression.ts";
import { BulkCipher } from "./crypto/bulk-seal.ts";
import { blake3, KeyedHash } from "./crypto/hash.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import type { EncodedPack } from "./format/index-object.ts";
import { blobBytesMax, packBytesMax } from "./format/limits.ts";
import { encodePackHeader, type PackHeader } from "./format/pack-header.ts";
import {
  type BlobFacts,
  BlobKind,
  blobAad,
  blobNonce,
  Encoding,
  encodeTrailer,
  type PackTableEntry,
  tableAad,
  tableBytesBound,
  tableNonce,
  trailerBytes,
  writeTableEntry,
} from "./format/pack-table.ts";
import { newPackKey, unwrapPackKey, wrapPackKey } from "./objects.ts";

export { type PackRanges, rangesOf, readPackContents, readPackFromStore } from "./pack-reader.ts";

/**
 * Blobs that a pack is closed at, whatever its size. Who writes or reads a pack holds a record of
 * each of its blobs: of blobs of 20 bytes a pack of 16 MiB would have 170,000.
 */
export const packBlobsFull = 16_384;

/** Makes blob ids: keyed BLAKE3 of the plaintext, with a key per kind. */
export class BlobHasher {
  readonly #hashes: Readonly<Record<BlobKind, KeyedHash>>;

  constructor(keys: RepositoryKeys) {
    this.#hashes = {
      [BlobKind.data]: new KeyedHash(keys.dataId),
      [BlobKind.catalog]: new KeyedHash(keys.catalogId),
      [BlobKind.list]: new KeyedHash(keys.listId),
    };
  }

  /** 32 bytes. */
  id(kind: BlobKind, plaintext: Uint8Array): BlobId {
    return this.#hashes[kind].digest(plaintext);
  }
}

/**
 * Padmé (Nikitin et al., PETS 2019): the next size with log2(log2 n) significant bits; at most
 * 12 % more, and sizes that tell little.
 */
export function paddedSize(size: number): number {
  if (size < 2) return size;
  const exponent = Math.floor(Math.log2(size));
  const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1);
  return step <= 1 ? size : Math.ceil(size / step) * step;
}

export interface BlobSealerOptions {
  readonly keys: RepositoryKeys;
  readonly cipher: CipherSuite;
  /** Size that the pack aims at; one blob that is larger still fits an empty pack. */
  readonly packBytes: number;
  readonly padding: boolean;
  readonly random: Random;
  /** Shared by the sealers of a thread; a new one when not given. */
  readonly compressor?: Compressor;
  /** Memory to fill, which may be shared; a larger one of its kind when it does not do. */
  readonly buffer?: ArrayBufferLike;
}

export interface SealedPack {
  /** The whole object, on the sealer's buffer, which may be used again. */
  readonly bytes: Uint8Array;
  readonly pack: EncodedPack;
}

/** A base that a blob may be compressed against. */
export interface BlobBase {
  readonly id: BlobId;
  readonly plaintext: Uint8Array;
  /** Of the blob that is to stand on it. */
  readonly generation: number;
  /** Compressed bytes up to which the blob is stored so, else alone; any when not given. */
  readonly worthBytes?: number;
}

/** A blob as it is before sealing: compressed or not. */
export interface EncodedBlob extends BlobFacts {
  readonly encoded: Uint8Array;
}

/** Fills one pack. After `finish` it is spent. */
export class BlobSealer {
  readonly #packBytes: number;
  readonly #padding: boolean;
  readonly #compressor: Compressor;
  readonly #header: PackHeader;
  readonly #cipher: BulkCipher;
  /** The table but for its first number. */
  readonly #entries = new ByteWriter(4096);
  #blobCount = 0;
  #bytes: Uint8Array;
  #offset: number;

  constructor(options: BlobSealerOptions) {
    const { keys, cipher, packBytes, padding, random, buffer } = options;
    this.#packBytes = Math.min(packBytes, packBytesMax);
    this.#padding = padding;
    this.#compressor = options.compressor ?? new Compressor();
    const key = newPackKey(random);
    this.#header = wrapPackKey(keys, cipher, key, random);
    this.#cipher = new BulkCipher(cipher, key);
    const header = encodePackHeader(this.#header);
    this.#bytes = new Uint8Array(buffer ?? new ArrayBuffer(this.#packBytes));
    this.#reserve(header.length);
    this.#bytes.set(header);
    this.#offset = header.length;
  }

  get blobCount(): number {
    return this.#blobCount;
  }

  /** Bytes that the pack would have if it were finished now, at most. */
  get size(): number {
    return this.#sizeWith(0, 0);
  }

  #sizeWith(blobs: number, bytes: number): number {
    const table = tableBytesBound(this.#blobCount + blobs) + tagBytes;
    const size = this.#offset + bytes + table + trailerBytes;
    return this.#padding ? paddedSize(size) : size;
  }

  /** Whether another blob may go in; an empty pack takes any. */
  fits(rawLength: number): boolean {
    if (this.#blobCount === 0) return true;
    if (this.#blobCount >= packBlobsFull) return false;
    return this.#sizeWith(1, rawLength + tagBytes) <= this.#packBytes;
  }

  /** Room for `end` bytes; only a blob larger than the pack's aim makes it move. */
  #reserve(end: number): void {
    if (end <= this.#bytes.length) return;
    const isShared = this.#bytes.buffer instanceof SharedArrayBuffer;
    const larger = new Uint8Array(isShared ? new SharedArrayBuffer(end) : new ArrayBuffer(end));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  /**
   * Compresses and seals a blob. `id` must be its id; the plaintext may be reused at once, the id
   * as soon as the returned entry, which shares it, is not needed.
   */
  append(kind: BlobKind, id: BlobId, plaintext: Uint8Array, base?: BlobBase): PackTableEntry {
    const standing = base && this.appendOnBase(kind, id, plaintext, base);
    if (standing !== undefined) return standing;
    requireBlobSize(plaintext.length);
    this.#reserve(this.#offset + plaintext.length + tagBytes);
    const rawLength = plaintext.length;
    const length = this.#compressor.compressInto(this.#bytes, this.#offset, plaintext);
    return length < 0
      ? this.#seal({ kind, encoding: Encoding.raw, id, rawLength }, plaintext)
      : this.#seal({ kind, encoding: Encoding.zstd, id, rawLength }, this.#written(length));
  }

  /** The same against a base; undefined, and nothing is appended, when that is not worth it. */
  appendOnBase(
    kind: BlobKind,
    id: BlobId,
    plaintext: Uint8Array,
    { id: baseId, plaintext: base, generation, worthBytes }: BlobBase,
  ): PackTableEntry | undefined {
    const rawLength = plaintext.length;
    requireBlobSize(rawLength);
    this.#reserve(this.#offset + rawLength + tagBytes);
    // An odd generation stands on the one before it.
    const isFar = (generation & 1) === 0;
    const options = { isFar, bytesMax: worthBytes ?? rawLength };
    const at = this.#offset;
    const length = this.#compressor.compressWithBase(this.#bytes, at, plaintext, base, options);
    if (length < 0) return undefined;
    const encoding = Encoding.zstdOnBase;
    return this.#seal({ kind, encoding, id, rawLength, baseId, generation }, this.#written(length));
  }

  /** Seals what another pack held, without compressing it anew; see `BlobOpener.decrypt`. */
  appendEncoded(blob: EncodedBlob): PackTableEntry {
    requireBlobSize(blob.rawLength);
    this.#reserve(this.#offset + blob.encoded.length + tagBytes);
    return this.#seal(blob, blob.encoded);
  }

  #written(length: number): Uint8Array {
    return this.#bytes.subarray(this.#offset, this.#offset + length);
  }

  #seal(blob: BlobFacts, encoded: Uint8Array): PackTableEntry {
    const { kind, encoding, id, rawLength, baseId, generation } = blob;
    const offset = this.#offset;
    const length = this.#cipher.sealInto(
      this.#bytes,
      offset,
      encoded,
      blobNonce(offset),
      blobAad(blob),
    );
    this.#offset += length;
    const entry = { kind, encoding, id, rawLength, offset, length };
    const isPlain = baseId === undefined || generation === undefined;
    const full = isPlain ? entry : { ...entry, baseId, generation };
    writeTableEntry(this.#entries, full);
    this.#blobCount++;
    return full;
  }

  /** Writes table, padding and trailer. The pack is named by its bytes. */
  finish(): SealedPack {
    invariant(this.#blobCount > 0, "a pack holds a blob");
    const table = new ByteWriter(4 + this.#entries.length)
      .varint(this.#blobCount)
      .bytes(this.#entries.view())
      .finish();
    const tableOffset = this.#offset;
    const plainSize = tableOffset + table.length + tagBytes + trailerBytes;
    const size = this.#padding ? paddedSize(plainSize) : plainSize;
    this.#reserve(size);
    const nonce = tableNonce(tableOffset);
    const tableLength = this.#cipher.sealInto(this.#bytes, tableOffset, table, nonce, tableAad);
    this.#bytes.fill(0, tableOffset + tableLength, size - trailerBytes);
    this.#bytes.set(encodeTrailer({ tableOffset, tableLength }), size - trailerBytes);
    const bytes = this.#bytes.subarray(0, size);
    const pack = packId(toHex(blake3(bytes)));
    return { bytes, pack: { ...this.#header, pack, size, table } };
  }
}

function requireBlobSize(rawLength: number): void {
  if (rawLength <= blobBytesMax) return;
  throw new VarveError("limit-exceeded", `A blob of ${rawLength} bytes is too large.`, {
    context: { max: blobBytesMax },
  });
}

/** A pack's cipher under its own key. */
export type PackOpener = BulkCipher;

/** What is needed to open a blob, from a table or from the index. */
export type BlobToOpen = BlobFacts & { readonly offset: number };

export class BlobOpener {
  readonly #keys: RepositoryKeys;
  readonly #hasher: BlobHasher;
  readonly #isHashed: boolean;
  readonly #decompressor: Decompressor;
  /** What blobs are decrypted into; undefined when nothing is lent. */
  #lent: Uint8Array | undefined;

  /**
   * `lend`: a plaintext may be overwritten by the next call; for those who only verify.
   * `isHashed: false`: for bases. They are authenticated as everything is, and a wrong byte of one
   * shows in the hash of what stands on it.
   */
  constructor(keys: RepositoryKeys, { lend = false, isHashed = true } = {}) {
    this.#keys = keys;
    this.#isHashed = isHashed;
    if (lend) this.#lent = new Uint8Array(0);
    this.#decompressor = new Decompressor({ lend });
    this.#hasher = new BlobHasher(keys);
  }

  /** Unwraps a pack's key; keep the result for the pack's other blobs. */
  openPack(header: PackHeader): PackOpener {
    return new BulkCipher(header.cipher, unwrapPackKey(this.#keys, header));
  }

  /**
   * The plaintext, verified, as a new array. `base`: the base's plaintext, when the encoding is
   * `zstdOnBase`. Errors: `blob-damaged`.
   */
  open(pack: PackOpener, blob: BlobToOpen, sealed: Uint8Array, base?: Uint8Array): Uint8Array {
    return this.openBoth(pack, blob, sealed, base).plaintext;
  }

  /** The plaintext as `open` gives it, and the encoded bytes, as `decrypt` does. */
  openBoth(
    pack: PackOpener,
    blob: BlobToOpen,
    sealed: Uint8Array,
    base?: Uint8Array,
  ): { readonly plaintext: Uint8Array; readonly encoded: Uint8Array } {
    const encoded = this.decrypt(pack, blob, sealed);
    const plaintext = this.#decode(blob, encoded, base);
    if (this.#isHashed && !bytesEqual(this.#hasher.id(blob.kind, plaintext), blob.id)) {
      throw damagedBlob(blob, "its content is not what its id says");
    }
    return { plaintext, encoded };
  }

  /** The encoded bytes, authenticated; for moving a blob to another pack as it is. */
  decrypt(pack: PackOpener, blob: BlobToOpen, sealed: Uint8Array): Uint8Array {
    const into = this.#roomFor(sealed);
    const encoded = pack.tryOpen(sealed, blobNonce(blob.offset), blobAad(blob), into);
    if (encoded === undefined) throw damagedBlob(blob, "it does not open with its pack's key");
    return encoded;
  }

  /** Memory for each blob would cost more than decrypting it, and as much garbage. */
  #roomFor({ length }: Uint8Array): Uint8Array | undefined {
    if (this.#lent !== undefined && this.#lent.length < length) {
      this.#lent = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#lent.length));
    }
    return this.#lent;
  }

  #decode(blob: BlobToOpen, encoded: Uint8Array, base: Uint8Array | undefined): Uint8Array {
    if (blob.encoding === Encoding.raw) return encoded;
    if (blob.encoding === Encoding.zstd) {
      return this.#decompressor.decompress(encoded, blob.rawLength);
    }
    invariant(base !== undefined, "a blob on a base is opened with its base");
    return this.#decompressor.decompressWithBase(encoded, base, blob.rawLength);
  }
}

export function damagedBlob(blob: BlobToOpen, reason: string): VarveError {
  return new VarveError("blob-damaged", `Damaged blob: ${reason}.`, {
    hint: "Run `varve check --read-data` to see what is hurt.",
    context: { blob: toHex(blob.id), kind: blob.kind, offset: blob.offset },
  });
}
