/**
 * The content of entries as one stream in order, for dumps: batches of a few MiB are read and
 * opened ahead in the workers while earlier ones are written out. Every byte was verified before
 * it is given out; the first that cannot be had ends the stream with an error that names the path.
 */
import type { ContentItem, Entry } from "../../base/entry.ts";
import { VarveError } from "../../base/errors.ts";
import type { BlobId } from "../../base/ids.ts";
import { displayPath, pathFromKey } from "../../base/raw-path.ts";
import type { BlobReader } from "../../repo/blob-reader.ts";
import { readContentRuns } from "../../repo/format/content-list.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { BlobFetcher, WantedBlob } from "../restore/blob-fetcher.ts";
import type { RestoreThreads } from "../restore/restore-threads.ts";

const batchBytesMax = 8 * 1024 * 1024;
const batchStepsMax = 2000;

export type DumpStep =
  /** An entry begins; for a file, its bytes follow, as many as its size. */
  | { readonly type: "entry"; readonly entry: Entry }
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  | { readonly type: "zeros"; readonly length: number };

type PlannedStep =
  | { readonly type: "entry"; readonly entry: Entry }
  | { readonly type: "item"; readonly entry: Entry; readonly item: ContentItem };

export interface ContentStreamOptions {
  readonly fetcher: BlobFetcher;
  readonly threads: RestoreThreads;
  readonly readList: (id: Uint8Array) => Promise<Uint8Array>;
  /** Finds another copy of what turns out to be damaged. */
  readonly blobs: Pick<BlobReader, "findIntact">;
  readonly signal: AbortSignal | undefined;
}

const keyOf = (id: BlobId) => Buffer.from(id.buffer, id.byteOffset, id.length).latin1Slice();

export class ContentStream {
  readonly #options: ContentStreamOptions;
  readonly #aheadMax: number;

  constructor(options: ContentStreamOptions) {
    this.#options = options;
    this.#aheadMax = options.threads.count + 1;
  }

  /** `wantsContent` false for an entry leaves its bytes out. */
  async *steps(
    entries: AsyncIterable<readonly Entry[]>,
    wantsContent: (entry: Entry) => boolean,
  ): AsyncGenerator<DumpStep> {
    const ahead: Promise<DumpStep[]>[] = [];
    try {
      for await (const batch of this.#batches(entries, wantsContent)) {
        const loading = this.#load(batch);
        loading.catch(() => {});
        ahead.push(loading);
        if (ahead.length >= this.#aheadMax) yield* (await ahead.shift()) ?? [];
      }
      for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) yield* await next;
    } finally {
      await Promise.allSettled(ahead);
    }
  }

  async *#batches(
    entries: AsyncIterable<readonly Entry[]>,
    wantsContent: (entry: Entry) => boolean,
  ): AsyncGenerator<PlannedStep[]> {
    let batch: PlannedStep[] = [];
    let bytes = 0;
    for await (const some of entries) {
      for (const entry of some) {
        batch.push({ type: "entry", entry });
        if (!wantsContent(entry)) continue;
        for await (const item of this.#items(entry)) {
          batch.push({ type: "item", entry, item });
          bytes += item.id === null ? 0 : item.length;
          if (bytes < batchBytesMax && batch.length < batchStepsMax) continue;
          yield batch;
          [batch, bytes] = [[], 0];
        }
      }
      if (batch.length < batchStepsMax) continue;
      yield batch;
      [batch, bytes] = [[], 0];
    }
    if (batch.length > 0) yield batch;
  }

  async *#items(entry: Entry): AsyncGenerator<ContentItem> {
    const content = entry.content ?? { depth: 0, items: [] };
    let end = 0;
    for await (const run of readContentRuns(content, this.#options.readList)) {
      for (const item of run) {
        end += item.length;
        yield item;
      }
    }
    if (end !== entry.size) throw unreadable(entry, "object-damaged");
  }

  async #load(batch: readonly PlannedStep[]): Promise<DumpStep[]> {
    const { fetcher, threads, signal } = this.#options;
    signal?.throwIfAborted();
    const wanted: WantedBlob[] = [];
    const ordinals = new Map<string, number>();
    for (const step of batch) {
      if (step.type !== "item" || step.item.id === null) continue;
      const { id, length } = step.item;
      if (ordinals.has(keyOf(id))) continue;
      const place = fetcher.find(BlobKind.data, id);
      if (place === undefined) throw unreadable(step.entry, "blob-absent");
      if (place.rawLength !== length) throw unreadable(step.entry, "blob-damaged");
      ordinals.set(keyOf(id), wanted.push({ id, place }) - 1);
    }
    if (wanted.length === 0) return batch.map((step) => stepOf(step, undefined));
    const { plaintexts } = await threads.open({
      batch: await fetcher.fetch(wanted, signal),
      wanted: Uint32Array.from(wanted.keys()),
    });
    const steps: DumpStep[] = [];
    for (const step of batch) {
      const id = step.type === "item" ? step.item.id : null;
      if (id === null) {
        steps.push(stepOf(step, undefined));
        continue;
      }
      const opened = plaintexts[ordinals.get(keyOf(id)) as number];
      const bytes = opened ?? (await this.#options.blobs.findIntact(BlobKind.data, id))?.plaintext;
      if (bytes === undefined) throw unreadable(step.entry, "blob-damaged");
      steps.push(stepOf(step, bytes));
    }
    return steps;
  }
}

function stepOf(step: PlannedStep, bytes: Uint8Array | undefined): DumpStep {
  if (step.type === "entry") return step;
  if (bytes !== undefined) return { type: "bytes", bytes };
  return { type: "zeros", length: step.item.length };
}

function unreadable(
  entry: Entry,
  code: "blob-absent" | "blob-damaged" | "object-damaged",
): VarveError {
  const path = displayPath(pathFromKey(entry.key));
  const what = code === "blob-absent" ? "is not in the repository any more" : "is damaged";
  return new VarveError(code, `Content of ${path} ${what}.`, {
    hint: "Run `varve check --read-data` to see what is hurt; an older snapshot may have it whole.",
    context: { path },
  });
}

const zeroPiece = Buffer.alloc(256 * 1024);

/** `length` zeros in pieces that all look at the same memory. */
export function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= zeroPiece.length) {
    yield left >= zeroPiece.length ? zeroPiece : zeroPiece.subarray(0, left);
  }
}
