/**
 * Compares two file trees in everything that a restore has to bring back, and names each
 * difference. Reads with node:fs and calls of its own, not with what it is to judge. Sockets are
 * passed over in both trees, because varve does not store them; so are access and change times.
 */
import fs from "node:fs";
import { bytes, dataExtents, inFolder, openFolder, xattrsOf } from "./file-calls.ts";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFSOCK, S_IFBLK, S_IFCHR } = fs.constants;

interface Node {
  /** Where it can be opened now. */
  readonly place: string;
  /** Relative to the tree's top. */
  readonly path: string;
  readonly stat: fs.BigIntStats;
  readonly kind: number;
}

/** Groups of hard-linked names: the first name met of each inode. */
type Groups = Map<string, string>;

class Comparison {
  readonly differences: string[] = [];
  readonly #groupsA: Groups = new Map();
  readonly #groupsB: Groups = new Map();

  note(path: string, what: string, a: unknown, b: unknown): void {
    this.differences.push(`${JSON.stringify(path)}: ${what}: ${a} -> ${b}`);
  }

  #noteUnequal(path: string, what: string, a: unknown, b: unknown): void {
    if (a !== b) this.note(path, what, a, b);
  }

  compare(a: Node, b: Node): void {
    const { path } = a;
    this.#noteUnequal(path, "mode", a.stat.mode.toString(8), b.stat.mode.toString(8));
    this.#noteUnequal(path, "uid", a.stat.uid, b.stat.uid);
    this.#noteUnequal(path, "gid", a.stat.gid, b.stat.gid);
    this.#noteUnequal(path, "mtime", a.stat.mtimeNs, b.stat.mtimeNs);
    if (a.kind !== b.kind) return;
    this.#noteUnequal(path, "xattrs", xattrText(a), xattrText(b));
    if (a.kind === S_IFDIR) {
      this.compareFolders(a, b);
      return;
    }
    this.#noteUnequal(path, "links", a.stat.nlink, b.stat.nlink);
    this.#noteUnequal(path, "same file as", groupOf(this.#groupsA, a), groupOf(this.#groupsB, b));
    if (a.kind === S_IFREG) this.#compareFiles(a, b);
    if (a.kind === S_IFLNK) {
      this.#noteUnequal(path, "link target", linkTarget(a), linkTarget(b));
    }
    if (a.kind === S_IFBLK || a.kind === S_IFCHR) {
      this.#noteUnequal(path, "device number", a.stat.rdev, b.stat.rdev);
    }
  }

  compareFolders(a: Node, b: Node): void {
    const fdA = openFolder(a.place);
    const fdB = openFolder(b.place);
    try {
      const namesA = namesIn(fdA);
      const namesB = new Set(namesIn(fdB));
      for (const name of namesA) {
        const nodeA = nodeIn(fdA, name, a.path);
        if (namesB.delete(name)) this.compare(nodeA, nodeIn(fdB, name, a.path));
        else this.note(nodeA.path, "presence", "present", "absent");
      }
      for (const name of namesB) this.note(`${a.path}/${name}`, "presence", "absent", "present");
    } finally {
      fs.closeSync(fdA);
      fs.closeSync(fdB);
    }
  }

  #compareFiles(a: Node, b: Node): void {
    this.#noteUnequal(a.path, "size", a.stat.size, b.stat.size);
    const fdA = fs.openSync(bytes(a.place), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    const fdB = fs.openSync(bytes(b.place), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      const extents = JSON.stringify(dataExtents(fdA));
      this.#noteUnequal(a.path, "data extents", extents, JSON.stringify(dataExtents(fdB)));
      const at = firstDifference(fdA, fdB);
      if (at !== undefined) this.note(a.path, "content", `differs from byte ${at} on`, "");
    } finally {
      fs.closeSync(fdA);
      fs.closeSync(fdB);
    }
  }
}

function namesIn(fd: number): string[] {
  return fs
    .readdirSync(`/proc/self/fd/${fd}`, { encoding: "latin1" })
    .filter((name) => {
      const { mode } = fs.lstatSync(bytes(inFolder(fd, name)));
      return (mode & S_IFMT) !== S_IFSOCK;
    })
    .sort();
}

function nodeAt(place: string, path: string): Node {
  const stat = fs.lstatSync(bytes(place), { bigint: true });
  return { place, path, stat, kind: Number(stat.mode) & S_IFMT };
}

const nodeIn = (fd: number, name: string, parent: string) =>
  nodeAt(inFolder(fd, name), `${parent}/${name}`);

const linkTarget = (node: Node) => fs.readlinkSync(bytes(node.place), "latin1");

const xattrText = (node: Node) => JSON.stringify(xattrsOf(node.place));

function groupOf(groups: Groups, node: Node): string {
  if (node.stat.nlink < 2n) return node.path;
  const inode = `${node.stat.dev}:${node.stat.ino}`;
  const first = groups.get(inode) ?? node.path;
  groups.set(inode, first);
  return first;
}

const blockBytes = 1 << 20;
const blockA = Buffer.alloc(blockBytes);
const blockB = Buffer.alloc(blockBytes);
const zeros = Buffer.alloc(blockBytes);

/** Reads only where either file has data; the rest is zeros in both. */
function firstDifference(fdA: number, fdB: number): number | undefined {
  for (const [start, end] of [...dataExtents(fdA), ...dataExtents(fdB)]) {
    for (let at = start; at < end; at += blockBytes) {
      const length = Math.min(blockBytes, end - at);
      const readA = fs.readSync(fdA, blockA, 0, length, at);
      const readB = fs.readSync(fdB, blockB, 0, length, at);
      // Beyond its end, a file counts as zeros: the difference in size was noted already.
      blockA.set(zeros.subarray(readA, length), readA);
      blockB.set(zeros.subarray(readB, length), readB);
      if (blockA.compare(blockB, 0, length, 0, length) === 0) continue;
      for (let i = 0; i < length; i++) if (blockA[i] !== blockB[i]) return at + i;
    }
  }
  return undefined;
}

/** Every difference between the folders `a` and `b`, the folders themselves included. */
export function compareTrees(a: string, b: string): string[] {
  const comparison = new Comparison();
  comparison.compare(nodeAt(a, ""), nodeAt(b, ""));
  return comparison.differences;
}
