/**
 * Whether a restored tree is the source: names, kinds, bytes, modes, owners, times to the
 * nanosecond, link targets, hard links. It shares no code with varve on purpose.
 */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";

const blockBytes = 2 ** 20;
const left = Buffer.alloc(blockBytes);
const right = Buffer.alloc(blockBytes);

/** Paths are bytes: Node's "binary" strings of them. */
const toPath = (raw: string) => Buffer.from(raw, "latin1");

function names(folder: string): string[] {
  return readdirSync(toPath(folder), { encoding: "latin1" as BufferEncoding }).sort();
}

function sameBytes(a: string, b: string): boolean {
  const first = openSync(toPath(a), "r");
  const second = openSync(toPath(b), "r");
  try {
    for (;;) {
      const count = readSync(first, left, 0, blockBytes, null);
      if (readSync(second, right, 0, blockBytes, null) !== count) return false;
      if (count === 0) return true;
      if (Buffer.compare(left.subarray(0, count), right.subarray(0, count)) !== 0) return false;
    }
  } finally {
    closeSync(first);
    closeSync(second);
  }
}

function difference(a: string, b: string): string | undefined {
  const one = lstatSync(toPath(a), { bigint: true });
  const other = lstatSync(toPath(b), { bigint: true });
  for (const field of ["mode", "uid", "gid", "mtimeNs"] as const) {
    if (one[field] !== other[field]) return `${field} ${one[field]}, restored ${other[field]}`;
  }
  if (one.isSymbolicLink()) {
    return readlinkSync(toPath(a)) === readlinkSync(toPath(b)) ? undefined : "link target";
  }
  if (one.isCharacterDevice() || one.isBlockDevice()) {
    return one.rdev === other.rdev ? undefined : "device number";
  }
  if (!one.isFile()) return undefined;
  if (one.size !== other.size) return `size ${one.size}, restored ${other.size}`;
  if (one.nlink !== other.nlink) return `${one.nlink} names, restored ${other.nlink}`;
  return sameBytes(a, b) ? undefined : "bytes";
}

/** Throws at the first difference between two trees, or files. Returns how many entries agree. */
export function compareTrees(source: string, restored: string): number {
  let count = 0;
  const queue = [""];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const found = difference(source + path, restored + path);
    if (found !== undefined)
      throw new Error(`${restored}${path} differs from the source: ${found}`);
    count++;
    if (!lstatSync(toPath(source + path)).isDirectory()) continue;
    const inside = names(source + path);
    if (inside.join("/") !== names(restored + path).join("/")) {
      throw new Error(`${restored}${path} does not hold the names of the source`);
    }
    for (const name of inside) queue.push(`${path}/${name}`);
  }
  return count;
}
