/**
 * One pass over a data set: what a first snapshot does to each byte and entry, by the production
 * modules, in one thread, stage after stage for one batch and then the next (A B C …, A B C …), so
 * that each stage finds the caches as it finds them in a worker. What is not here is what the
 * pipeline adds: messages between threads, promises, queues, start-up and commit.
 */
import { type Content, type ContentItem, type Entry, EntryType } from "../../src/base/entry.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { entryMeta, fileEntry } from "../../src/engine/snapshot/small-files.ts";
import { largeFileBytes } from "../../src/engine/snapshot/tree-snapshot.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { CatalogBuilder } from "../../src/repo/catalog/catalog-builder.ts";
import { decodeNode } from "../../src/repo/format/catalog-node.ts";
import { ContentBuilder } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { OpenTargets } from "../../src/sources/open-targets.ts";
import { OwnerNames } from "../../src/sources/owners.ts";
import type { SourceEntry } from "../../src/sources/source-entry.ts";
import { WalkRecords } from "../../src/sources/walk-records.ts";
import { benchRepository } from "./bench-repository.ts";
import { LargeFileCutter } from "./large-file.ts";
import { Meter } from "./meter.ts";
import { Sealing } from "./sealing.ts";
import {
  type BatchFile,
  batchBytes,
  batchFiles,
  type Piece,
  SmallBatches,
} from "./small-batches.ts";
import type { StageCosts } from "./stage-list.ts";
import { walkAll } from "./walked.ts";

export interface PassResult {
  readonly costs: StageCosts;
  readonly files: number;
  readonly entries: number;
  readonly bytes: number;
  readonly chunks: number;
  /** Bytes of sealed blobs: what the real program must come to as well. */
  readonly storedBytes: number;
}

/** A file that waits for its batch, or what has its entry already. */
type Waiting = BatchFile | Entry;

class Pass {
  readonly #meter: Meter;
  readonly #targets: OpenTargets;
  readonly #writer: BlobWriter;
  readonly #small: SmallBatches;
  readonly #large: LargeFileCutter;
  readonly #sealing: Sealing;
  readonly #builder: CatalogBuilder;
  #waiting: Waiting[] = [];
  #waitingFiles = 0;
  #waitingBytes = 0;

  constructor(repo: Repository, writer: BlobWriter, path: string, threads: number, meter: Meter) {
    const { gearMaterial, cutSeed } = repo.keys;
    const profile = repo.description.chunkers.tree;
    this.#meter = meter;
    this.#targets = new OpenTargets([path as RawPath]);
    this.#writer = writer;
    this.#small = new SmallBatches(profile, gearMaterial, meter);
    this.#large = new LargeFileCutter(profile, gearMaterial, threads, meter);
    this.#sealing = new Sealing(repo, writer, meter);
    const sink = { putNode: (plaintext: Uint8Array) => this.#putNode(plaintext) };
    this.#builder = new CatalogBuilder({ cutSeed, sink });
  }

  async run(batches: readonly ArrayBuffer[]) {
    const records = new WalkRecords(new OwnerNames());
    for (const batch of batches) {
      const met = this.#meter.run("entries", () => this.#entriesOf(records, batch));
      for (const item of met) await this.#take(item);
    }
    await this.#sendBatch();
    await this.#sealing.finish();
    const { totals } = this.#meter.run("catalog", () => this.#builder.finish());
    return { ...totals, chunks: this.#sealing.chunks };
  }

  #entriesOf(records: WalkRecords, batch: ArrayBuffer): Waiting[] {
    const met: Waiting[] = [];
    records.begin(batch, 0, batch.byteLength);
    while (records.next()) {
      if (records.isProblem) throw new Error(JSON.stringify(records.problem()));
      const source = records.entry();
      if (source.type === EntryType.file) {
        met.push({ source, target: this.#targets.of(source.key) });
      } else {
        const { xattrs, linkTarget } = records.detail();
        const entry = { ...entryMeta(source), ...(xattrs.length > 0 ? { xattrs } : {}) };
        met.push(linkTarget === undefined ? entry : { ...entry, linkTarget });
      }
    }
    return met;
  }

  async #take(item: Waiting): Promise<void> {
    if ("source" in item) {
      const { size } = item.source;
      if (size >= largeFileBytes) return this.#takeLarge(item);
      if (this.#waitingBytes + size > batchBytes) await this.#sendBatch();
      this.#waitingFiles++;
      this.#waitingBytes += size;
    }
    this.#waiting.push(item);
    if (this.#waitingFiles >= batchFiles) await this.#sendBatch();
  }

  async #sendBatch(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingFiles = 0;
    this.#waitingBytes = 0;
    const read = this.#small.read(waiting.filter((item) => "source" in item));
    const chunks = read.flatMap(({ pieces }) =>
      pieces.filter((piece) => typeof piece !== "number"),
    );
    const ids = await this.#sealing.store(chunks);
    this.#meter.run("catalog", () => {
      let file = 0;
      let chunk = 0;
      for (const item of waiting) {
        if (!("source" in item)) this.#builder.add(item);
        else {
          const { pieces = [], report } = read[file++] ?? {};
          if (report?.failure !== undefined) throw new Error(JSON.stringify(report.failure));
          const items = pieces.map((piece) => itemOf(piece, () => ids[chunk++]));
          this.#builder.add(fileEntry(item.source, { depth: 0, items }, report));
        }
      }
    });
  }

  async #takeLarge(file: BatchFile): Promise<void> {
    await this.#sendBatch();
    const items: ContentItem[] = [];
    for (const pieces of this.#large.pieces(file)) {
      const ids = await this.#sealing.store(pieces.filter((piece) => typeof piece !== "number"));
      let chunk = 0;
      for (const piece of pieces) items.push(itemOf(piece, () => ids[chunk++]));
    }
    this.#meter.run("catalog", () => this.#addLarge(file.source, items));
  }

  #addLarge(source: SourceEntry, items: readonly ContentItem[]): void {
    const putList = (list: Uint8Array) =>
      this.#meter.run("nodes", () => this.#writer.put(BlobKind.list, list));
    const builder = new ContentBuilder({ putList });
    for (const { id, length } of items) builder.append(id, length);
    const content: Content = builder.finish();
    this.#builder.add(fileEntry(source, content, undefined));
  }

  #putNode(plaintext: Uint8Array) {
    this.#meter.run("decode", () => decodeWhole(plaintext));
    return this.#meter.run("nodes", () => this.#writer.put(BlobKind.catalog, plaintext));
  }
}

function itemOf(piece: Piece, nextId: () => Uint8Array | undefined): ContentItem {
  if (typeof piece === "number") return { id: null, length: piece };
  return { id: nextId() ?? null, length: piece.length };
}

/** Entries decode their fields when asked: for those that a comparison with the parent asks for. */
function decodeWhole(plaintext: Uint8Array): number {
  const node = decodeNode(plaintext);
  if (!("entries" in node)) return node.children.length;
  return node.entries.reduce(
    (sum, { size, content }) => sum + size + (content?.items.length ?? 0),
    0,
  );
}

/** A pass over all below `path`; `place` is a folder of its own for as long as it takes. */
export async function runPass(path: string, place: string, threads: number): Promise<PassResult> {
  const meter = new Meter();
  const repo = await benchRepository(place, meter);
  await repo.loadIndex();
  try {
    const result = await meter.wait("index", () =>
      withBlobWriter(repo, Session.unseen(repo), (writer) =>
        meter.wait("bench", async () => {
          const pass = new Pass(repo, writer, path, threads, meter);
          const found = await pass.run(walkAll(path, meter));
          return { ...found, writer };
        }),
      ),
    );
    const { files, entries, bytes, chunks, writer } = result;
    const storedBytes = writer.added.bytes;
    return { costs: meter.costs(), files, entries, bytes, chunks, storedBytes };
  } finally {
    await repo.close();
  }
}
