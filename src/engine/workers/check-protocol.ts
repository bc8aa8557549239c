/**
 * What the main thread and the check workers tell each other. A task is one pack, whole, or a batch
 * of blobs with the bases that they stand on.
 */
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import type { IndexPack } from "../../repo/format/index-object.ts";
import type { BlobKind } from "../../repo/format/pack-table.ts";
import type { BlobBatch } from "./restore-protocol.ts";

export interface CheckWorkerData {
  readonly keys: RepositoryKeys;
}

export interface VerifyPack {
  readonly type: "pack";
  readonly task: number;
  /** Hex: the name, which is the hash of the bytes. */
  readonly pack: string;
  /** Handed over; the answer brings its memory back. */
  readonly bytes: Uint8Array;
  /** `recordDigest` of what the index says of the pack; without it, the pack's word is taken. */
  readonly recordDigest?: Uint8Array;
  /**
   * Only find out which blobs open by what the index says: for packs whose own header and table
   * cannot be trusted.
   */
  readonly record?: IndexPack;
}

export interface ForeignBase {
  /** Of the blob in its pack. */
  readonly ordinal: number;
  readonly kind: BlobKind;
  readonly id: Uint8Array;
}

/** Find out which blobs of a batch open. */
export interface OpenBlobs {
  readonly type: "blobs";
  readonly task: number;
  /** Its segments are handed over; the answer brings their memory back. */
  readonly batch: BlobBatch;
  /** The first so many blobs of the batch; the others are bases. */
  readonly count: number;
}

export type ToCheckWorker = VerifyPack | OpenBlobs;

export interface BlobsOpened {
  readonly type: "blobs";
  readonly task: number;
  /** That of the segments, handed back. */
  readonly memory: readonly ArrayBuffer[];
  /** Ordinals of those that do not open. */
  readonly unopened: readonly number[];
}

export type FromCheckWorker = PackVerified | BlobsOpened;

export interface PackVerified {
  readonly type: "pack";
  readonly task: number;
  /** That of the pack's bytes, handed back. */
  readonly memory?: ArrayBufferLike;
  /** What is wrong with the pack; absent when it is right. */
  readonly fault?: string;
  /** Ordinals of blobs that do not open, or are not what their id says. */
  readonly lost: readonly number[];
  /**
   * Blobs whose base is not to be had of this pack: they open with the pack's key, but whether they
   * are what their ids say, the main thread has to see.
   */
  readonly onForeignBase: readonly ForeignBase[];
  readonly blobs: number;
  readonly rawBytes: number;
}
