/** The stages of blobs: hash, compress, seal, pack, and back: unseal, decompress. */
import type { Random } from "../../../src/base/clock.ts";
import { BlobHasher, BlobOpener, BlobSealer } from "../../../src/repo/blob-codec.ts";
import { Compressor, Decompressor } from "../../../src/repo/compression.ts";
import { decodePack } from "../../../src/repo/format/index-object.ts";
import { BlobKind, Encoding } from "../../../src/repo/format/pack-table.ts";
import type { Repository } from "../../../src/repo/repository.ts";
import type { GateChunk } from "./gate-data.ts";
import type { Trial } from "./trial.ts";

/** Keys of packs need not be secret here, only cheap and the same. */
const noRandom: Random = (count) => new Uint8Array(count).fill(9);

export class BlobTrials {
  readonly #repo: Repository;
  readonly #chunks: readonly GateChunk[];
  readonly #compressor = new Compressor();
  readonly #encoded: readonly { encoded: Uint8Array; encoding: Encoding }[];
  readonly #buffer: ArrayBuffer;

  constructor(repo: Repository, chunks: readonly GateChunk[]) {
    this.#repo = repo;
    this.#chunks = chunks;
    this.#buffer = new ArrayBuffer(repo.description.pack.bytes);
    const scratch = new Uint8Array(2 * 1024 * 1024);
    this.#encoded = chunks.map(({ bytes }) => {
      const length = this.#compressor.compressInto(scratch, 0, bytes);
      if (length < 0) return { encoded: bytes, encoding: Encoding.raw };
      return { encoded: scratch.slice(0, length), encoding: Encoding.zstd };
    });
  }

  #newSealer(): BlobSealer {
    const { keys, cipher, description } = this.#repo;
    const { bytes: packBytes, padding } = description.pack;
    const [compressor, buffer] = [this.#compressor, this.#buffer];
    return new BlobSealer({
      keys,
      cipher,
      packBytes,
      padding,
      compressor,
      buffer,
      random: noRandom,
    });
  }

  /** A pack of all chunks, not finished. */
  #sealed(): BlobSealer {
    const sealer = this.#newSealer();
    for (const [at, { id, bytes }] of this.#chunks.entries()) {
      const blob = this.#encoded[at];
      if (blob === undefined) break;
      sealer.appendEncoded({ kind: BlobKind.data, id, rawLength: bytes.length, ...blob });
    }
    return sealer;
  }

  #hash(): Trial {
    const hasher = new BlobHasher(this.#repo.keys);
    const run = () => {
      for (let times = 0; times < 6; times++) {
        for (const { bytes } of this.#chunks) hasher.id(BlobKind.data, bytes);
      }
    };
    return { name: "hash", calibration: "chacha", run };
  }

  #compress(): Trial {
    const scratch = new Uint8Array(2 * 1024 * 1024);
    const run = () => {
      for (const { bytes } of this.#chunks) this.#compressor.compressInto(scratch, 0, bytes);
    };
    return { name: "compress", calibration: "deflate", run };
  }

  #seal(): Trial {
    const run = () => {
      for (let times = 0; times < 12; times++) this.#sealed();
    };
    return { name: "seal", calibration: "aes", run };
  }

  /** One large blob fills the pack, so that its hash is nearly all there is to it. */
  #pack(): Trial {
    const encoded = new Uint8Array(12 * 1024 * 1024).fill(5);
    const [{ id } = { id: new Uint8Array(32) }] = this.#chunks;
    const rawLength = encoded.length;
    const sealer = this.#newSealer();
    sealer.appendEncoded({ kind: BlobKind.data, encoding: Encoding.raw, id, rawLength, encoded });
    const run = () => {
      for (let times = 0; times < 6; times++) sealer.finish();
    };
    return { name: "pack", calibration: "chacha", run };
  }

  #unseal(): Trial {
    const { bytes: lent, pack } = this.#sealed().finish();
    const bytes = Uint8Array.from(lent);
    const { blobs, ...header } = decodePack(pack);
    const opener = new BlobOpener(this.#repo.keys, { lend: true });
    const opened = opener.openPack(header);
    const run = () => {
      for (let times = 0; times < 12; times++) {
        for (const blob of blobs) {
          const { offset, length } = blob;
          opener.decrypt(opened, blob, bytes.subarray(offset, offset + length));
        }
      }
    };
    return { name: "unseal", calibration: "aes", run };
  }

  #decompress(): Trial {
    const decompressor = new Decompressor({ lend: true });
    const zstd = this.#chunks.flatMap(({ bytes }, at) => {
      const { encoded, encoding } = this.#encoded[at] ?? {};
      if (encoded === undefined || encoding !== Encoding.zstd) return [];
      return [{ encoded, rawLength: bytes.length }];
    });
    const run = () => {
      for (let times = 0; times < 3; times++) {
        for (const { encoded, rawLength } of zstd) decompressor.decompress(encoded, rawLength);
      }
    };
    return { name: "decompress", calibration: "inflate", run };
  }

  all(): Trial[] {
    return [
      this.#hash(),
      this.#compress(),
      this.#seal(),
      this.#pack(),
      this.#unseal(),
      this.#decompress(),
    ];
  }
}
