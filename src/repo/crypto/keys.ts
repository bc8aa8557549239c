/**
 * The keys of a repository, all derived from the two secrets in the key bundle by keyed BLAKE3
 * over a named context (format.md, "Keys"). Plain arrays only, so that they can be sent to worker
 * threads as they are.
 */
import { KeyedHash } from "./hash.ts";

/** What key slots protect: the key bundle of format.md, role "owner". */
export interface RepositorySecrets {
  /** 32 random bytes, the root of all keys that open something. */
  readonly master: Uint8Array;
  /** 32 random bytes that decide where is cut; repositories that deduplicate alike share it. */
  readonly chunkerSecret: Uint8Array;
  /** 32 bytes that the keys of blob ids come from, where repositories share them. */
  readonly idsRoot?: Uint8Array;
}

/** All 32 bytes unless stated otherwise. */
export interface RepositoryKeys extends Omit<RepositorySecrets, "idsRoot"> {
  /** Blob ids, one key per kind of blob. */
  readonly dataId: Uint8Array;
  readonly catalogId: Uint8Array;
  readonly listId: Uint8Array;
  readonly indexObject: Uint8Array;
  readonly session: Uint8Array;
  readonly tombstone: Uint8Array;
  readonly fence: Uint8Array;
  readonly packWrap: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly description: Uint8Array;
  readonly slotInfo: Uint8Array;
  /** 2048 bytes: the chunker's gear table, 256 values of 64 bits. */
  readonly gearMaterial: Uint8Array;
  /** Seed of the catalog's cut hash, 32 bits. */
  readonly cutSeed: number;
}

const gearParts = 64;

/** Keyed BLAKE3 of the context's UTF-8 bytes under `key` (32 bytes): a new key of 32 bytes. */
export function derive(key: Uint8Array, context: string): Uint8Array {
  return new KeyedHash(key).digest(Buffer.from(context, "utf8"));
}

/** The gear table's 2048 bytes from the chunker secret. */
export function deriveGearMaterial(chunkerSecret: Uint8Array): Uint8Array {
  const hash = new KeyedHash(chunkerSecret);
  const material = new Uint8Array(gearParts * 32);
  for (let part = 0; part < gearParts; part++) {
    material.set(hash.digest(Buffer.from(`varve v1 gear ${part}`)), part * 32);
  }
  return material;
}

/** The catalog's cut seed from the chunker secret: the first four bytes, little-endian. */
export function deriveCutSeed(chunkerSecret: Uint8Array): number {
  const bytes = derive(chunkerSecret, "varve v1 catalog cut");
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** What the keys of blob ids are derived from. */
export function idsRootOf({ master, idsRoot }: RepositorySecrets): Uint8Array {
  return idsRoot ?? derive(master, "varve v1 ids");
}

export function deriveKeys(bundle: RepositorySecrets): RepositoryKeys {
  const { master, chunkerSecret } = bundle;
  const ids = idsRootOf(bundle);
  const index = derive(master, "varve v1 index");
  const keys: RepositoryKeys = {
    master,
    chunkerSecret,
    dataId: derive(ids, "varve v1 id data"),
    catalogId: derive(ids, "varve v1 id catalog"),
    listId: derive(ids, "varve v1 id list"),
    indexObject: derive(index, "varve v1 index object"),
    session: derive(index, "varve v1 index session"),
    tombstone: derive(index, "varve v1 index tombstone"),
    fence: derive(index, "varve v1 index fence"),
    packWrap: derive(master, "varve v1 pack wrap"),
    snapshot: derive(master, "varve v1 snapshot"),
    description: derive(master, "varve v1 description"),
    slotInfo: derive(master, "varve v1 slot info"),
    gearMaterial: deriveGearMaterial(chunkerSecret),
    cutSeed: deriveCutSeed(chunkerSecret),
  };
  return keys;
}
