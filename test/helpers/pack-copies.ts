/**
 * Packs made by hand: second copies of blobs, and blobs that stand on a base, which varve reads but
 * does not write.
 */
import assert from "node:assert/strict";
import type { PackId } from "../../src/base/ids.ts";
import { BlobHasher, BlobOpener } from "../../src/repo/blob-codec.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";
import { readPackFromStore } from "../../src/repo/pack-reader.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import type { Store } from "../../src/repo/store/store.ts";

export interface BlobToStore {
  readonly kind?: BlobKind;
  readonly plaintext: Uint8Array;
  /** Plaintext of the base to stand on. */
  readonly base?: Uint8Array;
  /** With a base: 1 unless it says otherwise. */
  readonly generation?: number;
}

export function idOf(repo: Repository, plaintext: Uint8Array | string, kind: BlobKind = 1) {
  return new BlobHasher(repo.keys).id(kind, Buffer.from(plaintext));
}

async function writing<T>(repo: Repository, use: (writer: BlobWriter) => Promise<T>): Promise<T> {
  const session = await Session.begin(repo, "test");
  try {
    await repo.loadIndex();
    return await withBlobWriter(repo, session, use);
  } finally {
    await session.end();
  }
}

/** Stores one pack with these blobs, whatever is stored already, and its index object. */
export function storePack(repo: Repository, blobs: readonly BlobToStore[]): Promise<PackId> {
  return writing(repo, async (writer) => {
    const sealer = repo.newSealer();
    for (const { kind = BlobKind.data, plaintext, base, generation = 1 } of blobs) {
      const on = base && { id: idOf(repo, base, kind), plaintext: base, generation };
      const { encoding } = sealer.append(kind, idOf(repo, plaintext, kind), plaintext, on);
      assert.equal(encoding === Encoding.zstdOnBase, base !== undefined, "it stands on its base");
    }
    const finished = sealer.finish();
    await writer.addPack(finished);
    return finished.pack.pack;
  });
}

/** Stores the blobs of a pack once more, in a pack of their own. */
export async function copyPack(repo: Repository, pack: PackId): Promise<PackId> {
  const { store, keys } = repo;
  const bytes = await store.get(packObject(pack));
  const contents = await readPackFromStore(store, keys, pack, bytes.length);
  return writing(repo, async (writer) => {
    const opener = new BlobOpener(keys);
    const sealer = repo.newSealer();
    for (const entry of contents.blobs) {
      const sealed = bytes.subarray(entry.offset, entry.offset + entry.length);
      const encoded = opener.decrypt(opener.openPack(contents), entry, sealed);
      sealer.appendEncoded({ ...entry, encoded });
    }
    const finished = sealer.finish();
    await writer.addPack(finished);
    return finished.pack.pack;
  });
}

export function livingPacks(repo: Repository): PackId[] {
  return [...repo.index.livingPacks()].map(({ pack }) => pack);
}

/**
 * Changes a byte in the middle of each blob of a pack, or of those that are named; header and table
 * stay as they are.
 */
export async function damageBlobs(
  repo: Repository,
  store: Store,
  pack: PackId,
  ordinals?: readonly number[],
): Promise<void> {
  const bytes = await store.get(packObject(pack));
  const { blobs } = await readPackFromStore(store, repo.keys, pack, bytes.length);
  for (const [ordinal, { offset, length }] of blobs.entries()) {
    if (ordinals !== undefined && !ordinals.includes(ordinal)) continue;
    const at = offset + Math.floor(length / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
  }
  await store.put(packObject(pack), bytes);
}

/** Makes a pack end in the middle. */
export async function cutPack(store: Store, pack: PackId): Promise<void> {
  const bytes = await store.get(packObject(pack));
  await store.put(packObject(pack), bytes.subarray(0, bytes.length >> 1));
}
