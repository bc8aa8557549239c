/** The stages of a first snapshot, and of reading it back: which there are and who does them. */

/** What a stage can be divided among. */
export type StageThread = "walk" | "main" | "workers";

export interface Stage {
  readonly name: string;
  readonly title: string;
  readonly thread: StageThread;
  /** A part of a first snapshot, and so of its bound; otherwise of reading it back. */
  readonly isSnapshot: boolean;
}

const stage = (name: string, thread: StageThread, title: string): Stage => ({
  name,
  title,
  thread,
  isSnapshot: true,
});

const reading = (name: string, title: string): Stage => ({
  name,
  title,
  thread: "workers",
  isSnapshot: false,
});

/** In the order of the river. Kernel time belongs to the stage that makes the calls. */
export const stages = [
  stage("walk", "walk", "walk: list, sort, statx; records"),
  stage("entries", "main", "entries: from records, with names of owners"),
  stage("read", "workers", "read small files: open, statx, read, close"),
  stage("cut", "workers", "cut small files"),
  stage("read-large", "main", "read large files"),
  stage("cut-large", "main", "cut large files"),
  stage("hash", "workers", "hash: blob ids, keyed BLAKE3"),
  stage("look-up", "main", "look-up: is it in the index, was it claimed"),
  stage("compress", "workers", "compress: zstd"),
  stage("seal", "workers", "seal: AES-256-GCM, into the pack and its table"),
  stage("pack", "workers", "pack: seal the table, BLAKE3 of the whole"),
  stage("put", "main", "put: write, sync, rename (libuv's threads)"),
  stage("index", "main", "index: records into the cache, index objects"),
  stage("catalog", "main", "catalog: encode and cut"),
  stage("nodes", "main", "nodes and lists: hash, look up, compress, seal"),
  reading("unseal", "open: decrypt and authenticate blobs"),
  reading("decompress", "open: decompress blobs"),
  reading("decode", "decode: catalog nodes, tables of packs"),
] as const satisfies readonly Stage[];

export type StageName = (typeof stages)[number]["name"];

/** CPU seconds of each stage; a stage that had nothing to do is absent. */
export type StageCosts = Partial<Record<StageName, number>>;
