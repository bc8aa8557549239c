/**
 * Measures the chunker: speed of the kernel and of its twin, and for files given as arguments how
 * long the chunks are and what deduplicates.
 * usage: node dist/bench/chunker/throughput.js [FILE…]
 */
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { type Cutter, createCutter } from "../../src/chunker/cutter.ts";
import { type GearTable, gearTableFromBytes } from "../../src/chunker/gear-table.ts";
import { type ChunkProfile, streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import { StreamCutter } from "../../src/chunker/stream-cutter.ts";
import { twinCut } from "../../src/chunker/twin.ts";

const MiB = 1024 * 1024;
const sampleBytes = 32 * MiB;
/** Fixed, so that runs can be compared. */
const table: GearTable = gearTableFromBytes(
  Buffer.concat(
    Array.from({ length: 64 }, (_, block) => createHash("sha256").update(`${block}`).digest()),
  ),
);
const profiles: Record<string, ChunkProfile> = { tree: treeProfile, stream: streamProfile };

/** Best of `runs`, in MB/s. */
function speed(bytes: number, runs: number, work: () => void): string {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    work();
    best = Math.min(best, performance.now() - start);
  }
  return `${Math.round(bytes / best / 1000)} MB/s`;
}

function measureSpeed(name: string, profile: ChunkProfile): void {
  const cutter: Cutter = createCutter({ profile, table }, sampleBytes);
  const data = randomFillSync(new Uint8Array(sampleBytes));
  cutter.buffer.set(data);
  const kernel = speed(sampleBytes, 10, () => cutter.cut(0, sampleBytes, true));
  const twin = speed(sampleBytes, 3, () => twinCut(table, profile, data));
  const stream = new StreamCutter({ profile, table });
  const pieces = speed(sampleBytes, 5, () => {
    for (let at = 0; at < data.length; at += 65_536) {
      for (const _ of stream.push(data.subarray(at, at + 65_536)));
    }
    for (const _ of stream.finish());
  });
  console.log(`${name}: kernel ${kernel}, with copy in 64 KiB pieces ${pieces}, twin ${twin}`);
}

function* piecesOf(path: string): Generator<Uint8Array> {
  const file = openSync(path, "r");
  const piece = new Uint8Array(MiB);
  for (let count = readSync(file, piece); count > 0; count = readSync(file, piece)) {
    yield piece.subarray(0, count);
  }
  closeSync(file);
}

function showLengths(lengths: readonly number[]): void {
  const sorted = lengths.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const total = sorted.reduce((sum, length) => sum + length, 0);
  const mean = Math.round(total / sorted.length);
  console.log(
    `  ${sorted.length} chunks: min ${at(0)}, p10 ${at(0.1)}, median ${at(0.5)}, mean ${mean}, ` +
      `p90 ${at(0.9)}, max ${at(1)}`,
  );
  const bins = new Map<number, number>();
  for (const length of sorted) {
    const bin = Math.floor(Math.log2(length) * 2) / 2;
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  for (const [bin, count] of bins) {
    const bar = "#".repeat(Math.ceil((count / sorted.length) * 60));
    console.log(`  from ${String(Math.round(2 ** bin)).padStart(8)}: ${bar} ${count}`);
  }
}

function measureFiles(name: string, profile: ChunkProfile, paths: readonly string[]): void {
  const cutter = new StreamCutter({ profile, table });
  const lengths: number[] = [];
  const seen = new Set<string>();
  let distinctBytes = 0;
  const take = (chunk: Uint8Array) => {
    lengths.push(chunk.length);
    const id = createHash("sha256").update(chunk).digest("base64");
    if (!seen.has(id)) distinctBytes += chunk.length;
    seen.add(id);
  };
  for (const path of paths) {
    for (const piece of piecesOf(path)) for (const chunk of cutter.push(piece)) take(chunk);
    for (const chunk of cutter.finish()) take(chunk);
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const ratio = (total / distinctBytes).toFixed(3);
  console.log(`${name}: ${total} bytes, distinct ${distinctBytes} (ratio ${ratio})`);
  showLengths(lengths);
}

for (const [name, profile] of Object.entries(profiles)) measureSpeed(name, profile);
const paths = process.argv.slice(2);
if (paths.length > 0) {
  for (const [name, profile] of Object.entries(profiles)) measureFiles(name, profile, paths);
}
