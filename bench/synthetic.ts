/**
 * Deterministic data: the same seed gives the same bytes on every machine. Random stretches do not
 * compress; text stretches are lines out of a fixed vocabulary, in an order that never repeats for
 * long, so that they compress like text and nothing in them is stored twice.
 */
import { createCipheriv, createHash } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

const lineCount = 65_536;

/** An endless sequence of bytes that depends on `seed` alone. */
export class Keystream {
  readonly #cipher;

  constructor(seed: string) {
    const key = createHash("sha256").update(seed).digest();
    this.#cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16));
  }

  bytes(count: number): Buffer {
    return this.#cipher.update(Buffer.alloc(count));
  }

  /** From 0 to `below` - 1. */
  number(below: number): number {
    return this.bytes(4).readUInt32LE() % below;
  }
}

function makeLines(): Buffer[] {
  const stream = new Keystream("lines");
  const letters = "eeeeeetttttaaaaooooiiiinnnnsssshhhrrrddllcumwfgypbvk";
  const words = Array.from({ length: 4096 }, () => {
    const picks = stream.bytes(2 + stream.number(9));
    return [...picks].map((pick) => letters[pick % letters.length]).join("");
  });
  return Array.from({ length: lineCount }, () => {
    const picks = Array.from({ length: 6 + stream.number(10) }, () => words[stream.number(4096)]);
    return Buffer.from(`${picks.join(" ")}\n`);
  });
}

let lines: Buffer[] | undefined;

/** `count` bytes of text. */
export function text(stream: Keystream, count: number): Buffer {
  lines ??= makeLines();
  const made = Buffer.allocUnsafe(count);
  const picks = stream.bytes(2 * Math.ceil(count / 14));
  for (let at = 0, pick = 0; at < count; pick += 2) {
    const line = lines[picks.readUInt16LE(pick)] as Buffer;
    at += line.copy(made, at);
  }
  return made;
}

/** Writes a file of `mebibytes`: of each MiB, half is text and half is random. */
export function writeLargeFile(path: string, mebibytes: number): void {
  const random = new Keystream("large random");
  const words = new Keystream("large text");
  const file = openSync(`${path}.part`, "w");
  for (let at = 0; at < mebibytes; at++) {
    writeSync(file, text(words, 2 ** 19));
    writeSync(file, random.bytes(2 ** 19));
  }
  closeSync(file);
  renameSync(`${path}.part`, path);
}

/** How `writeTree` divides its files. */
export interface TreeShape {
  readonly files: number;
  /** Files are of 16 bytes to 16 << `sizeBits` bytes, as many in each power of two. */
  readonly sizeBits: number;
  readonly filesInFolder: number;
}

/** Writes a tree of small files, a tenth of them random, with some symbolic links. */
export function writeTree(folder: string, { files, sizeBits, filesInFolder }: TreeShape): void {
  const stream = new Keystream("tree");
  const outer = filesInFolder * 20;
  let inner = "";
  for (let at = 0; at < files; at++) {
    if (at % filesInFolder === 0) {
      const part = `part-${Math.floor(at / outer)}`;
      inner = join(folder, part, `folder-${Math.floor(at / filesInFolder)}`);
      mkdirSync(inner, { recursive: true });
      symlinkSync(`file-${at}`, join(inner, "first"));
    }
    const size = Math.floor(2 ** (4 + stream.number(sizeBits)) * (1 + stream.number(100) / 100));
    const data = at % 10 === 0 ? stream.bytes(size) : text(stream, size);
    writeFileSync(join(inner, `file-${at}`), data);
  }
}

/**
 * A file as a program may write it that keeps records: `mebibytes` of text, and of its blocks of
 * 4 KiB, one in `changedEvery` is another one than in a file written with 0.
 */
export function writeRecords(path: string, mebibytes: number, changedEvery: number): void {
  const [all, changed] = [new Keystream("records"), new Keystream(`changed ${changedEvery}`)];
  const file = openSync(path, "w");
  for (let block = 0; block < mebibytes * 256; block++) {
    const before = text(all, 4096);
    const differs = changedEvery > 0 && block % changedEvery === 1;
    writeSync(file, differs ? text(changed, 4096) : before);
  }
  closeSync(file);
}
