/**
 * The data that is snapshotted: made once in the work folder and used again. The tree is changed
 * in place and changed back, because a copy would have other inodes and neither program would
 * believe that anything in it is unchanged.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { output } from "./measure.ts";
import type { Options } from "./options.ts";
import { writeLargeFile, writeTree } from "./synthetic.ts";

const sourcePackage = "linux-source-6.1";

function run(...argv: string[]): void {
  output({ argv, env: {} });
}

/** Makes what `path` should be with `make`, under another name first, unless it is there. */
function once(path: string, make: (part: string) => void): string {
  if (existsSync(path)) return path;
  const part = `${path}.part`;
  rmSync(part, { recursive: true, force: true });
  console.log(`making ${path}`);
  make(part);
  renameSync(part, path);
  return path;
}

function linuxArchive(folder: string): string {
  const installed = `/usr/src/${sourcePackage}.tar.xz`;
  if (existsSync(installed)) return installed;
  const unpacked = once(join(folder, "data/package"), (part) => {
    mkdirSync(part, { recursive: true });
    run("sh", "-c", `cd "$0" && apt-get download ${sourcePackage} && dpkg -x ./*.deb .`, part);
  });
  return join(unpacked, installed);
}

/** The file tree: Debian's Linux source, or a small made-up one in a quick run. */
export function treeFolder(options: Options): string {
  if (options.tree !== undefined) return options.tree;
  if (options.quick) {
    return once(join(options.folder, "data/small-tree"), (part) => writeTree(part, 3000));
  }
  return once(join(options.folder, `data/${sourcePackage}`), (part) => {
    mkdirSync(part, { recursive: true });
    run("tar", "-xf", linuxArchive(options.folder), "-C", part, "--strip-components=1");
  });
}

/** One file, half compressible: 4 GiB, or 256 MiB in a quick run. */
export function largeFile(options: Options): string {
  const mebibytes = options.quick ? 256 : 4096;
  return once(join(options.folder, `data/large-${mebibytes}-mib`), (part) =>
    writeLargeFile(part, mebibytes),
  );
}

const mark = /^varve bench change \d+\n/gm;
const markLine = (step: number) => `varve bench change ${step}\n`;

/** A place from 0 to 99 for each path, another one at each step. */
function percentile(path: string, step: number): number {
  return createHash("md5").update(`${step} ${path}`).digest().readUInt32LE() % 100;
}

function regularFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name))
    .sort();
}

/** A tree whose files can be changed, one percent a step, and put back as they were. */
class ChangingTree {
  readonly folder: string;
  readonly #files: readonly string[];
  readonly #changed = new Set<string>();

  constructor(folder: string) {
    this.folder = folder;
    this.#files = regularFiles(folder);
    for (const path of this.#files) {
      // A run that was killed may have left changes behind.
      if (readFileSync(path, "latin1").search(mark) >= 0) this.#changed.add(path);
    }
    this.putBack();
  }

  /** Inserts a line in the middle of one percent of the files; which ones depends on `step`. */
  change(step: number): void {
    for (const path of this.#files.filter((file) => percentile(file, step) === 0)) {
      const before = readFileSync(path, "latin1");
      const at = before.indexOf("\n", before.length / 2) + 1;
      const after = before.slice(0, at) + markLine(step) + before.slice(at);
      writeFileSync(path, after, "latin1");
      this.#changed.add(path);
    }
  }

  /** The bytes are as before; times are new, which no later first snapshot minds. */
  putBack(): void {
    for (const path of this.#changed) {
      writeFileSync(path, readFileSync(path, "latin1").replace(mark, ""), "latin1");
    }
    this.#changed.clear();
  }
}

/** The file tree, to be changed and put back. */
export function changingTree(options: Options): ChangingTree {
  if (options.tree !== undefined) throw new Error("--tree is not written to: leave it away");
  return new ChangingTree(treeFolder(options));
}

/** A folder with one file that is another at each step, for snapshots made only to be listed. */
export function tinyFolder(options: Options, step: number): string {
  const folder = join(options.folder, "data/tiny");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "file"), `step ${step}\n`);
  return folder;
}
