/**
 * A snapshot worker thread: see snapshot-protocol.ts. It reads small files whole into one of a few
 * arenas, or finds the chunks of large ones in shared slots; hashes them; and, once told which are
 * new, seals those into its open pack. All of it is synchronous: the thread has nothing else to do.
 */
import { parentPort, workerData } from "node:worker_threads";
import { systemRandom } from "../../base/clock.ts";
import { invariant } from "../../base/errors.ts";
import { type BlobId, idBytes } from "../../base/ids.ts";
import { createCutter } from "../../chunker/cutter.ts";
import { gearTableFromBytes } from "../../chunker/gear-table.ts";
import { type BlobBase, BlobSealer } from "../../repo/blob-codec.ts";
import { Compressor } from "../../repo/compression.ts";
import { KeyedHash } from "../../repo/crypto/hash.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import { BaseJudge } from "./base-judge.ts";
import { BatchOpener } from "./batch-opener.ts";
import { FileBatchReader } from "./file-batch-reader.ts";
import { OpenBases } from "./open-bases.ts";
import type {
  FromSnapshotWorker,
  HashFiles,
  HashSlot,
  SnapshotWorkerData,
  StoreBatch,
  ToSnapshotWorker,
} from "./snapshot-protocol.ts";
import { arenaBytes, arenaCount } from "./snapshot-protocol.ts";
import { takeTasks } from "./task-port.ts";

const data = workerData as SnapshotWorkerData;
const port = parentPort;
invariant(port !== null, "a snapshot worker runs in a worker thread");

const compressor = new Compressor(data.compressionLevel);
const dataHash = new KeyedHash(data.keys.dataId);
const table = gearTableFromBytes(data.keys.gearMaterial);
const cutter = createCutter({ profile: data.profile, table }, arenaBytes * arenaCount);
const slots = data.slots === undefined ? undefined : new Uint8Array(data.slots);
const freeArenas = Array.from({ length: arenaCount }, (_, i) => i * arenaBytes);
/** One pack is filled while another is on its way to the store. */
const freeBuffers: ArrayBufferLike[] = Array.from(
  { length: 2 },
  () => new SharedArrayBuffer(data.packBytes),
);
const opener = new BatchOpener(data.keys);
const judge = new BaseJudge();

interface HeldBatch {
  readonly ids: Uint8Array;
  /** Where the chunks are, in order. */
  readonly chunks: readonly Uint8Array[];
  readonly arena: number | undefined;
}

const held = new Map<number, HeldBatch>();

interface Storing {
  readonly message: StoreBatch;
  readonly batch: HeldBatch;
  /** Of the new chunks, the next to be stored. */
  next: number;
  bases?: OpenBases;
}

/** Batches whose new chunks are stored, the first of them now. */
const storing: Storing[] = [];
let sealer: BlobSealer | undefined;

function send(message: FromSnapshotWorker): void {
  port?.postMessage(message);
}

function hashAll(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const ids = new Uint8Array(chunks.length * idBytes);
  for (const [i, chunk] of chunks.entries()) ids.set(dataHash.digest(chunk), i * idBytes);
  return ids;
}

function hashFiles(message: HashFiles): void {
  const arena = freeArenas.pop();
  invariant(arena !== undefined, "no more batches at once than arenas");
  const reader = new FileBatchReader(cutter, arena);
  const { counts, lengths, chunks, reports } = reader.read(message);
  const ids = hashAll(chunks);
  held.set(message.batch, { ids, chunks, arena });
  send({ type: "hashed", batch: message.batch, counts, lengths, ids, reports });
}

function hashSlot(message: HashSlot): void {
  invariant(slots !== undefined, "slots come with the worker's data");
  const chunks: Uint8Array[] = [];
  let offset = message.offset;
  for (const length of message.lengths) {
    chunks.push(slots.subarray(offset, offset + length));
    offset += length;
  }
  const ids = hashAll(chunks);
  held.set(message.batch, { ids, chunks, arena: undefined });
  const counts = Uint32Array.of(chunks.length);
  const lengths = Int32Array.from(message.lengths);
  send({ type: "hashed", batch: message.batch, counts, lengths, ids, reports: [] });
}

function store(message: StoreBatch): void {
  const batch = held.get(message.batch);
  invariant(batch !== undefined, "a batch is stored after it was hashed");
  storing.push({ message, batch, next: 0 });
  if (storing.length === 1) storeOn();
}

/** Goes on until all is stored, or a pack is full and no buffer is there for the next. */
function storeOn(): void {
  for (let first = storing[0]; first !== undefined; first = storing[0]) {
    if (!storeFresh(first)) return;
    storing.shift();
    const { message, batch } = first;
    held.delete(message.batch);
    if (batch.arena !== undefined) freeArenas.push(batch.arena);
    send({ type: "stored", batch: message.batch });
  }
}

/** False when a buffer has to be waited for. */
function storeFresh(one: Storing): boolean {
  const { message, batch } = one;
  // Not before: the opener serves one batch after the other.
  if (message.bases !== undefined) one.bases ??= new OpenBases(opener, judge, message.bases);
  for (; one.next < message.fresh.length; one.next++) {
    const ordinal = message.fresh[one.next] as number;
    const chunk = batch.chunks[ordinal];
    invariant(chunk !== undefined, "a chunk of the batch");
    const pack = packFor(chunk.length);
    if (pack === undefined) return false;
    const isWorthTrying = judge.shouldTry(chunk.length);
    const bases = isWorthTrying ? one.bases?.basesOf(one.next, chunk.length) : undefined;
    const id = batch.ids.subarray(ordinal * idBytes, (ordinal + 1) * idBytes);
    if (!appendOnBase(pack, id, chunk, bases)) pack.append(BlobKind.data, id, chunk);
  }
  return true;
}

/** False when none of the bases is worth it. */
function appendOnBase(
  pack: BlobSealer,
  id: BlobId,
  chunk: Uint8Array,
  bases: Iterable<BlobBase> = [],
): boolean {
  let isTried = false;
  for (const base of bases) {
    isTried = true;
    if (pack.appendOnBase(BlobKind.data, id, chunk, base) === undefined) continue;
    judge.told(true);
    return true;
  }
  if (isTried) judge.told(false);
  return false;
}

/** The open pack, which takes so many bytes more; undefined while there is no memory for one. */
function packFor(rawLength: number): BlobSealer | undefined {
  if (sealer !== undefined && !sealer.fits(rawLength)) closePack();
  if (sealer !== undefined) return sealer;
  const buffer = freeBuffers.pop();
  if (buffer === undefined) return undefined;
  const { keys, cipher, packBytes, padPacks: padding } = data;
  const options = { keys, cipher, packBytes, padding, compressor, random: systemRandom };
  sealer = new BlobSealer({ ...options, buffer });
  return sealer;
}

function closePack(): void {
  if (sealer === undefined) return;
  const { bytes, pack } = sealer.finish();
  sealer = undefined;
  send({ type: "pack", bytes, pack });
}

function receive(message: ToSnapshotWorker): void {
  if (message.type === "hash-files") hashFiles(message);
  else if (message.type === "hash-slot") hashSlot(message);
  else if (message.type === "store") store(message);
  else if (message.type === "recycle") {
    freeBuffers.push(message.buffer);
    storeOn();
  } else {
    closePack();
    send({ type: "flushed" });
  }
}

takeTasks<ToSnapshotWorker, FromSnapshotWorker>(receive);
