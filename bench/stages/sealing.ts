/**
 * Chunks through hash, look-up, compression, seal and pack, a batch through each stage before the
 * next; and the way back of the same bytes: decompressed, unsealed. Chunks are compressed into
 * memory beside the pack and sealed from there, which lets both be measured without a look at the
 * clock for each; a worker compresses into the pack and seals in place.
 */
import { systemRandom } from "../../src/base/clock.ts";
import type { BlobId } from "../../src/base/ids.ts";
import { BlobHasher, BlobOpener, BlobSealer, type SealedPack } from "../../src/repo/blob-codec.ts";
import type { BlobWriter } from "../../src/repo/blob-writer.ts";
import { Compressor, Decompressor } from "../../src/repo/compression.ts";
import { decodePack } from "../../src/repo/format/index-object.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { Meter } from "./meter.ts";

interface Fresh {
  readonly id: BlobId;
  readonly chunk: Uint8Array;
}

interface Encoded extends Fresh {
  readonly encoded: Uint8Array;
  readonly encoding: Encoding;
}

export class Sealing {
  readonly #repo: Repository;
  readonly #writer: BlobWriter;
  readonly #meter: Meter;
  readonly #hasher: BlobHasher;
  readonly #compressor = new Compressor();
  readonly #decompressor = new Decompressor({ lend: true });
  readonly #opener: BlobOpener;
  #scratch = new Uint8Array(0);
  #sealer: BlobSealer | undefined;
  #buffer: ArrayBufferLike | undefined;
  chunks = 0;

  constructor(repo: Repository, writer: BlobWriter, meter: Meter) {
    this.#repo = repo;
    this.#writer = writer;
    this.#meter = meter;
    this.#hasher = new BlobHasher(repo.keys);
    this.#opener = new BlobOpener(repo.keys, { lend: true });
  }

  /** Stores those of the chunks that are new; the ids of all. */
  async store(chunks: readonly Uint8Array[]): Promise<BlobId[]> {
    const meter = this.#meter;
    this.chunks += chunks.length;
    const ids = meter.run("hash", () =>
      chunks.map((chunk) => this.#hasher.id(BlobKind.data, chunk)),
    );
    const isFresh = meter.run("look-up", () =>
      ids.map((id) => this.#writer.claim(BlobKind.data, id)),
    );
    const fresh = chunks.flatMap((chunk, at) => {
      const id = ids[at];
      return isFresh[at] === true && id !== undefined ? [{ id, chunk }] : [];
    });
    const encoded = meter.run("compress", () => this.#compress(fresh));
    meter.run("decompress", () => this.#decompress(encoded));
    for (const pack of meter.run("seal", () => this.#seal(encoded))) await this.#finished(pack);
    return ids;
  }

  #compress(fresh: readonly Fresh[]): Encoded[] {
    const room = fresh.reduce((sum, { chunk }) => sum + chunk.length, 0);
    // And to spare, as there is in a pack: what does not get smaller may get larger at first.
    const wanted = room + (room >>> 6) + 65_536;
    if (this.#scratch.length < wanted) this.#scratch = new Uint8Array(wanted);
    let at = 0;
    return fresh.map(({ id, chunk }) => {
      const length = this.#compressor.compressInto(this.#scratch, at, chunk);
      if (length < 0) return { id, chunk, encoded: chunk, encoding: Encoding.raw };
      at += length;
      return {
        id,
        chunk,
        encoded: this.#scratch.subarray(at - length, at),
        encoding: Encoding.zstd,
      };
    });
  }

  #decompress(blobs: readonly Encoded[]): void {
    for (const { encoding, encoded, chunk } of blobs) {
      if (encoding === Encoding.zstd) this.#decompressor.decompress(encoded, chunk.length);
    }
  }

  /** Packs that got full on the way. */
  #seal(blobs: readonly Encoded[]): SealedPack[] {
    const full: SealedPack[] = [];
    for (const { id, chunk, encoded, encoding } of blobs) {
      if (this.#sealer?.fits(chunk.length) === false) full.push(this.#close(this.#sealer));
      this.#sealer ??= this.#newSealer();
      const rawLength = chunk.length;
      this.#sealer.appendEncoded({ kind: BlobKind.data, encoding, id, rawLength, encoded });
    }
    return full;
  }

  #close(sealer: BlobSealer): SealedPack {
    this.#sealer = undefined;
    return this.#meter.run("pack", () => sealer.finish());
  }

  /** Buffers of packs are used again, as by a worker. */
  #newSealer(): BlobSealer {
    const { keys, cipher, description } = this.#repo;
    const { bytes: packBytes, padding } = description.pack;
    const compressor = this.#compressor;
    const options = { keys, cipher, packBytes, padding, compressor, random: systemRandom };
    const buffer = this.#buffer;
    this.#buffer = undefined;
    return new BlobSealer(buffer === undefined ? options : { ...options, buffer });
  }

  async #finished(pack: SealedPack): Promise<void> {
    this.#unseal(pack);
    await this.#meter.wait("index", () => this.#writer.addPack(pack));
    this.#buffer = pack.bytes.buffer;
  }

  #unseal({ pack, bytes }: SealedPack): void {
    const { blobs, ...header } = this.#meter.run("decode", () => decodePack(pack));
    this.#meter.run("unseal", () => {
      const opened = this.#opener.openPack(header);
      for (const blob of blobs) {
        const { offset, length } = blob;
        this.#opener.decrypt(opened, blob, bytes.subarray(offset, offset + length));
      }
    });
  }

  /** The last pack. */
  async finish(): Promise<void> {
    if (this.#sealer !== undefined) await this.#finished(this.#close(this.#sealer));
  }
}
