/** What the gate's stages work on: made up, the same bytes on every machine and in every run. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EntryType } from "../../../src/base/entry.ts";
import { BlobHasher } from "../../../src/repo/blob-codec.ts";
import type { RepositoryKeys } from "../../../src/repo/crypto/keys.ts";
import { BlobKind } from "../../../src/repo/format/pack-table.ts";
import { OpenTargets } from "../../../src/sources/open-targets.ts";
import type { SourceEntry } from "../../../src/sources/source-entry.ts";
import { WalkRecords } from "../../../src/sources/walk-records.ts";
import { Keystream, text, writeTree } from "../../synthetic.ts";
import { Meter } from "../meter.ts";
import type { BatchFile } from "../small-batches.ts";
import { walkAll } from "../walked.ts";

const KiB = 1024;

export interface GateChunk {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
}

/** As a tree has them: many small, some large, a quarter of those incompressible. 4 MiB. */
export function gateChunks(keys: RepositoryKeys): GateChunk[] {
  const stream = new Keystream("gate chunks");
  const small = Array.from({ length: 256 }, () => text(stream, 4 * KiB));
  const large = Array.from({ length: 4 }, () => text(stream, 576 * KiB));
  const random = Array.from({ length: 1 }, () => stream.bytes(768 * KiB));
  const hasher = new BlobHasher(keys);
  return [...small, ...large, ...random].map((bytes) => ({
    bytes,
    id: hasher.id(BlobKind.data, bytes),
  }));
}

export interface GateTree {
  readonly path: string;
  readonly records: readonly ArrayBuffer[];
  readonly entries: readonly SourceEntry[];
  readonly files: readonly BatchFile[];
}

const noOwners = { user: () => "owner", group: () => "group" };

/** 800 files of 16 bytes to 8 KiB in 40 folders below `folder`, and what a walk says of them. */
export function gateTree(folder: string): GateTree {
  const path = join(folder, "tree");
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  writeTree(path, { files: 800, sizeBits: 9, filesInFolder: 20 });
  const batches = walkAll(path, new Meter());
  const targets = new OpenTargets(["/" as never]);
  const records = new WalkRecords(noOwners);
  const entries: SourceEntry[] = [];
  for (const batch of batches) {
    records.begin(batch, 0, batch.byteLength);
    while (records.next()) entries.push(records.entry());
  }
  const files = entries
    .filter(({ type }) => type === EntryType.file)
    .map((source) => ({ source, target: targets.of(source.key) }));
  return { path, records: batches, entries, files };
}
