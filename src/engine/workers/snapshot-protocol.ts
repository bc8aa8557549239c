/**
 * What the main thread and the snapshot workers say to each other.
 *
 * A batch is a few small files, or a stretch of a large one. It goes through a worker in two
 * steps, so that the main thread alone decides what is new and no chunk is stored twice:
 *
 *     main  -- HashFiles / HashSlot -->  worker   reads, cuts, hashes; keeps the bytes
 *     main  <-- Hashed --                worker   ids and lengths
 *     main  -- Store (which are new,    worker   compresses, against a base where that pays, seals,
 *              and bases for them) -->            appends to its open pack
 *     main  <-- Pack --                  worker   a full pack, in shared memory
 *
 * Everything in one batch is in arrays of numbers: an object per file would cost more than
 * hashing a small one.
 */
import type { CipherSuite } from "../../base/cipher-suite.ts";
import type { Xattr } from "../../base/entry.ts";
import type { RawPath } from "../../base/raw-path.ts";
import type { ChunkProfile } from "../../chunker/profiles.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import type { EncodedPack } from "../../repo/format/index-object.ts";
import type { BlobBatch } from "./restore-protocol.ts";

/** Batches that are with one worker at once, each in an arena of its own. */
export const arenaCount = 3;
/** Room for one small file; a batch of several is smaller. */
export const arenaBytes = 4 * 1024 * 1024;
/** Answer for a file that has grown beyond its arena: the main thread reads it as a large one. */
export const outgrownCode = "OUTGROWN";

export interface SnapshotWorkerData {
  readonly keys: RepositoryKeys;
  readonly cipher: CipherSuite;
  readonly profile: ChunkProfile;
  readonly compressionLevel: number | undefined;
  readonly packBytes: number;
  readonly padPacks: boolean;
  /** The slots of large files and streams; see slot-memory in the chunker. */
  readonly slots: SharedArrayBuffer | undefined;
}

/** One small file to read: by path, or by a descriptor that the worker then closes. */
export type FileTarget = RawPath | number;

export interface HashFiles {
  readonly type: "hash-files";
  readonly batch: number;
  readonly targets: readonly FileTarget[];
  /** As the walk saw them; a file that differs when opened is told by `FileReport.now`. */
  readonly sizes: Float64Array;
  readonly mtimesNs: BigInt64Array;
  readonly ctimesNs: BigInt64Array;
}

export interface HashSlot {
  readonly type: "hash-slot";
  readonly batch: number;
  /** Where the first chunk starts in the slot memory. */
  readonly offset: number;
  readonly lengths: Uint32Array;
}

export interface StoreBatch {
  readonly type: "store";
  readonly batch: number;
  /** Ordinals of the chunks that are new. Empty: the batch is only to be let go. */
  readonly fresh: Uint32Array;
  readonly bases?: Bases | undefined;
}

/** What new chunks may be compressed against. */
export interface Bases {
  /** With what they stand on themselves; some may be without bytes. */
  readonly blobs: BlobBatch;
  /** For each new chunk the ordinal of its base in `blobs`; -1 without. */
  readonly ordinals: Int32Array;
  /** And what its generation is if it stands on that. */
  readonly generations: Uint8Array;
}

/** Close the open pack, if there is one. */
export interface Flush {
  readonly type: "flush";
}

/** A pack buffer comes back for use. */
export interface Recycle {
  readonly type: "recycle";
  readonly buffer: ArrayBufferLike;
}

export type ToSnapshotWorker = HashFiles | HashSlot | StoreBatch | Flush | Recycle;

export interface FileStat {
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
}

/** What there is to say of one file beyond its chunks. */
export interface FileReport {
  readonly file: number;
  /** It could not be read; it has no chunks. */
  readonly failure?: {
    readonly operation: string;
    readonly code: string;
    readonly message: string;
  };
  /** It was not as the walk saw it when it was opened. */
  readonly now?: FileStat;
  /** It changed while it was read, otherwise than by growing. */
  readonly torn?: boolean;
  readonly xattrs?: readonly Xattr[];
  /** Extended attributes that could not be read. */
  readonly xattrFaults?: readonly { readonly name: string; readonly code: string }[];
}

export interface Hashed {
  readonly type: "hashed";
  readonly batch: number;
  /** Items of each file: chunks and holes, in order. One number for a slot. */
  readonly counts: Uint32Array;
  /** Bytes of each item; negative for a hole. */
  readonly lengths: Int32Array;
  /** 32 bytes for each chunk, none for holes. */
  readonly ids: Uint8Array;
  readonly reports: readonly FileReport[];
}

export interface Stored {
  readonly type: "stored";
  readonly batch: number;
}

export interface PackDone {
  readonly type: "pack";
  /**
   * In shared memory that the worker leaves alone until it comes back by `Recycle`. Memory that is
   * handed over would count as new memory of the main thread's each time, and make it collect its
   * whole heap.
   */
  readonly bytes: Uint8Array;
  readonly pack: EncodedPack;
}

export interface Flushed {
  readonly type: "flushed";
}

export type FromSnapshotWorker = Hashed | Stored | PackDone | Flushed;
