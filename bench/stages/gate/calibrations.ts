/**
 * What stages are measured against: work that does not change with varve, and that another machine,
 * or a busy one, makes slower by about the same factor. Each stage names its own (`Trial`):
 *
 * - bytes: JavaScript that writes numbers and texts into arrays of bytes, for what encodes;
 * - objects: JavaScript that makes small objects and short texts out of bytes, for what decodes;
 * - gear: a loop that carries one number from byte to byte, as the cut's hash does in WebAssembly:
 *   the latency of a shift, an addition and a load from a small table;
 * - chacha: OpenSSL's ChaCha20, which is additions, rotations and exclusive ors in the widest
 *   vectors that there are, as BLAKE3 is; SHA-256 has instructions of its own and moves otherwise;
 * - aes: OpenSSL's AES-256-GCM by Node's own interface, for what is sealed by OpenSSL's functions;
 * - deflate, inflate: zlib's, in Node: matching and entropy coding, as zstd's but of other makers,
 *   so that a slower zstd shows;
 * - sqlite: searches in, and inserts into, a plain table in memory;
 * - names, files: Node's own calls that list and look at, or open and read, the same files, which
 *   is mostly the kernel's time.
 */
import { createCipheriv } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import SqliteDatabase from "better-sqlite3";
import { Keystream, text } from "../../synthetic.ts";

export const calibrationNames = [
  "bytes",
  "objects",
  "gear",
  "chacha",
  "aes",
  "deflate",
  "inflate",
  "sqlite",
  "names",
  "files",
] as const;
export type CalibrationName = (typeof calibrationNames)[number];

export type Calibrations = Readonly<Record<CalibrationName, () => unknown>>;

const MiB = 1024 * 1024;
const sample = text(new Keystream("calibration"), MiB);

function repeat(times: number, work: () => unknown): () => unknown {
  return () => {
    let last: unknown;
    for (let left = times; left > 0; left--) last = work();
    return last;
  };
}

const target = Buffer.alloc(MiB);
const targetView = new DataView(target.buffer, target.byteOffset);

function writeBytes(): number {
  let at = 0;
  for (let entry = 0; entry < 8000; entry++) {
    at += target.latin1Write(`folder/file-${entry}`, at);
    for (let value = entry * 7919 + 300; value > 0; value >>>= 7) target[at++] = value & 127;
    targetView.setBigInt64(at, BigInt(entry) * 1_000_003n, true);
    targetView.setFloat64(at + 8, entry, true);
    at += 16;
  }
  return at;
}

interface Made {
  readonly name: string;
  readonly number: number;
  readonly time: bigint;
  readonly part: Uint8Array;
}

function makeObjects(): number {
  const made: Made[] = [];
  for (let at = 0; at < 400_000; at += 50) {
    const name = sample.latin1Slice(at, at + 24);
    const [number, time] = [sample.readUInt32LE(at), sample.readBigInt64LE(at)];
    made.push({ name, number, time, part: sample.subarray(at, at + 32) });
  }
  return made.reduce((sum, { name, number, part }) => sum + name.length + number + part.length, 0);
}

const gearTable = Int32Array.from(new Keystream("gear").bytes(256));

function gear(): number {
  let hash = 0;
  let cuts = 0;
  for (let at = 0; at < sample.length; at++) {
    hash = ((hash << 1) + (gearTable[sample[at] as number] as number)) | 0;
    if ((hash & 0x7ff0_0000) === 0) cuts++;
  }
  return cuts;
}

function encrypting(name: string, nonceBytes: number): () => unknown {
  const key = Buffer.alloc(32, 1);
  const nonce = Buffer.alloc(nonceBytes, 2);
  // Larger output would be memory that the kernel gives and takes back each time.
  const part = sample.subarray(0, 16 * 1024);
  return () => {
    const cipher = createCipheriv(name as "aes-256-gcm", key, nonce);
    for (let left = 64; left > 0; left--) cipher.update(part);
    return cipher.final();
  };
}

function sqlite(): () => unknown {
  const db = new SqliteDatabase(":memory:");
  db.exec("CREATE TABLE thing (key BLOB PRIMARY KEY, value INTEGER) WITHOUT ROWID");
  const insert = db.prepare("INSERT INTO thing VALUES (?, ?)");
  const find = db.prepare("SELECT value FROM thing WHERE key = ?").raw();
  const stream = new Keystream("sqlite");
  const keys = Array.from({ length: 20_000 }, () => stream.bytes(16));
  db.transaction(() => {
    for (const [value, key] of keys.entries()) insert.run(key, value);
  })();
  const asked = keys.slice(0, 3000);
  return () => asked.reduce((sum, key) => sum + (find.get(key) as [number])[0], 0);
}

function listNames(folder: string): number {
  let count = 0;
  for (const name of fs.readdirSync(folder)) {
    const path = join(folder, name);
    count++;
    if (fs.lstatSync(path, { bigint: true }).isDirectory()) count += listNames(path);
  }
  return count;
}

const readTarget = Buffer.alloc(64 * 1024);

function readFiles(paths: readonly string[]): number {
  let bytes = 0;
  for (const path of paths) {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOATIME);
    fs.fstatSync(fd);
    bytes += fs.readSync(fd, readTarget);
    fs.fstatSync(fd);
    fs.closeSync(fd);
  }
  return bytes;
}

/** `tree`: a folder to list; `paths`: files to read. */
export function calibrations(tree: string, paths: readonly string[]): Calibrations {
  const deflated = deflateRawSync(sample, { level: 3 });
  return {
    objects: repeat(6, makeObjects),
    bytes: repeat(16, writeBytes),
    gear: repeat(16, gear),
    chacha: repeat(40, encrypting("chacha20", 16)),
    aes: repeat(40, encrypting("aes-256-gcm", 12)),
    deflate: () => deflateRawSync(sample, { level: 1 }),
    inflate: repeat(4, () => inflateRawSync(deflated)),
    sqlite: repeat(3, sqlite()),
    names: repeat(3, () => listNames(tree)),
    files: repeat(2, () => readFiles(paths)),
  };
}
