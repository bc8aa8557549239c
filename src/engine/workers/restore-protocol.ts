/**
 * What the main thread and the restore workers say to each other.
 *
 * The main thread reads ranges of packs and says which blob goes where; a worker opens the blobs
 * and writes them. Files whose content is all in one task are made whole by the worker, from
 * creation to renaming; into files that span tasks, several workers write at once by descriptor,
 * and the main thread completes them. Blobs are in arrays of numbers and one array of ids: views
 * would drag the buffers they look at across.
 */
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import type { PackHeader } from "../../repo/format/pack-header.ts";
import type { TargetFault } from "../../sources/target/target-faults.ts";
import type { FileColumns } from "./file-columns.ts";

/** Comes once, before any task: a worker may load before the repository is open. */
export interface UseKeys {
  readonly type: "keys";
  readonly keys: RepositoryKeys;
}

/** Fields of a blob in `BlobBatch.fields`. */
export const BlobField = {
  kind: 0,
  encoding: 1,
  rawLength: 2,
  /** Offset in its pack, which its nonce is made of. */
  packOffset: 3,
  /** Ordinal in `packs`. */
  pack: 4,
  /** Ordinal in `segments`; -1 when the bytes could not be had. */
  segment: 5,
  /** Offset in the segment. */
  at: 6,
  /** Stored bytes. */
  length: 7,
  /** Ordinal of the base in this batch; -1 without. */
  base: 8,
  /** With a base; else 0. */
  generation: 9,
} as const;
export const blobFieldCount = 10;

/** Stored blobs, with all that opening them takes. */
export interface BlobBatch {
  readonly packs: readonly PackHeader[];
  /** Handed over. */
  readonly segments: readonly Uint8Array<ArrayBuffer>[];
  /** 32 bytes a blob. */
  readonly ids: Uint8Array;
  /** `blobFieldCount` numbers a blob. */
  readonly fields: Float64Array;
}

/** Numbers a write takes in `WriteTask.writes`: blob, file, offset in the file. */
export const writeFieldCount = 3;

export interface WriteTask {
  readonly type: "write";
  readonly task: number;
  readonly batch: BlobBatch;
  /** Files that this task makes whole. */
  readonly files: FileColumns;
  /** Descriptors of files that span tasks; their ordinals follow those of `files`. */
  readonly shared: readonly number[];
  /** In the order of blobs. */
  readonly writes: Float64Array;
  /** Turn blocks of zeros into holes. */
  readonly sparse: boolean;
}

/** Opens blobs and gives their plaintext back. */
export interface OpenTask {
  readonly type: "open";
  readonly task: number;
  readonly batch: BlobBatch;
  /** Ordinals of the blobs that are wanted; others are bases only. */
  readonly wanted: Uint32Array;
}

/** Compares a restored file with what the catalog says of it. */
export interface CompareTask {
  readonly type: "compare";
  readonly task: number;
  readonly files: readonly CompareFile[];
}

export interface CompareFile {
  /** Descriptor of the folder. */
  readonly folder: number;
  readonly name: string;
  readonly offset: number;
  /** Where the file must end; -1 when this is not its last part. */
  readonly end: number;
  /** Bytes of each chunk; holes are negative. */
  readonly lengths: Float64Array;
  /** 32 bytes for each chunk that is no hole. */
  readonly ids: Uint8Array;
}

export type RestoreTask = WriteTask | OpenTask | CompareTask;
export type ToRestoreWorker = RestoreTask | UseKeys;

export interface FileFault extends TargetFault {
  /** Ordinal of the file in its task. */
  readonly file: number;
  /** The file is not there; otherwise it is, and lacks only what the fault says. */
  readonly isLost: boolean;
}

export interface Written {
  readonly type: "written";
  readonly task: number;
  /** That of the batch's segments, handed back. */
  readonly memory: readonly ArrayBuffer[];
  readonly faults: readonly FileFault[];
  /** Of the files that were made whole, the inodes, or 1 when nobody asked; 0 for the others. */
  readonly inodes: BigUint64Array;
}

export interface Opened {
  readonly type: "opened";
  readonly task: number;
  /** One for each that was wanted, in that order; null where it does not open. */
  readonly plaintexts: readonly (Uint8Array<ArrayBuffer> | null)[];
}

export interface Compared {
  readonly type: "compared";
  readonly task: number;
  readonly faults: readonly FileFault[];
}

export type FromRestoreWorker = Written | Opened | Compared;
