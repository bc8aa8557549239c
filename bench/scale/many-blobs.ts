/**
 * Repositories with millions of blobs in their index, for measuring what that costs. The index
 * objects are real; of the packs that they name nothing is there, or the size alone
 * (blobs-snapshot.ts), since nothing that is measured reads them.
 */
import { randomBytes, randomFillSync } from "node:crypto";
import { packId, toHex } from "../../src/base/ids.ts";
import {
  type EncodedPack,
  encodePack,
  type IndexPack,
} from "../../src/repo/format/index-object.ts";
import { BlobKind, CipherSuite, Encoding } from "../../src/repo/format/pack-table.ts";
import { sealIndexObject } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";

export interface ManyBlobs {
  readonly blobs: number;
  /** A pack of 16 MiB of source text or small files has about as many. */
  readonly packBlobs?: number;
  /** An index object has up to 32 MiB, or 800,000 blobs, when merged. */
  readonly objectBlobs?: number;
  /** Sees each pack; what it does is waited for. */
  readonly onPack?: (pack: IndexPack) => void | Promise<void>;
}

/** Puts index objects with random blobs; the cache knows nothing of them. */
export async function addManyBlobs(repo: Repository, options: ManyBlobs): Promise<void> {
  const { blobs, packBlobs = 1000, objectBlobs = 500_000, onPack } = options;
  for (let done = 0; done < blobs; done += objectBlobs) {
    const packs: EncodedPack[] = [];
    const end = Math.min(blobs, done + objectBlobs);
    for (let at = done; at < end; at += packBlobs) {
      const pack = syntheticPack(Math.min(packBlobs, end - at));
      packs.push(encodePack(pack));
      await onPack?.(pack);
    }
    const sealed = sealIndexObject(repo.keys, repo.cipher, { replaces: [], packs }, repo.random);
    await repo.store.put(`index/${sealed.id}`, sealed.bytes);
  }
}

/** A record of a pack that does not exist. */
export function syntheticPack(blobs: number): IndexPack {
  const ids = randomFillSync(Buffer.allocUnsafe(blobs * 32));
  let offset = 84;
  const entries = Array.from({ length: blobs }, (_, i) => {
    const length = 8000 + ((i * 7919) % 16_000);
    const entry = {
      kind: BlobKind.data,
      encoding: Encoding.zstd,
      id: ids.subarray(i * 32, i * 32 + 32),
      rawLength: length * 3,
      offset,
      length,
    };
    offset += length;
    return entry;
  });
  return {
    pack: packId(toHex(randomBytes(32))),
    size: offset + 64 * 1024,
    cipher: CipherSuite.aes256Gcm,
    wrapMethod: 1,
    wrap: randomBytes(72),
    blobs: entries,
  };
}
