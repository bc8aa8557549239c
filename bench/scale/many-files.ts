/**
 * Millions of real files on little disk: an ext4 image, mounted as a loop device, in which a file's
 * bytes lie in its inode (256 bytes a file, and nothing else). Making and mounting it takes root.
 *
 * Shape: 100 files in a folder, 100 folders in a folder, so 10,000 files in each folder at the top.
 * Every file has its own content, so that a file is a blob.
 */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from "node:fs";

const fanOut = 100;

/** Files in each folder at the top of the tree. */
export const filesInTopFolder = fanOut * fanOut;

function run(program: string, ...args: string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}\n${error ?? stderr}`);
}

function pad(number: number, digits: number): string {
  return String(number).padStart(digits, "0");
}

/** Where a file lies below the top of the tree. */
export function filePath(number: number): string {
  const folder = Math.floor(number / fanOut);
  const top = Math.floor(folder / fanOut);
  return `top${pad(top, 5)}/folder${pad(folder % fanOut, 2)}/file${pad(number % fanOut, 2)}`;
}

function writeFile(tree: string, number: number, version: number): void {
  writeFileSync(`${tree}/${filePath(number)}`, `file ${number}, version ${version}\n`);
}

/** Writes all files into an empty tree. */
export function writeFiles(tree: string, files: number): void {
  for (let number = 0; number < files; number++) {
    if (number % fanOut === 0) {
      const path = filePath(number);
      mkdirSync(`${tree}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    }
    writeFile(tree, number, 0);
  }
}

/** Writes every `every`th file anew, evenly all over the tree. */
export function changeFiles(tree: string, files: number, every: number, version: number): void {
  for (let number = 0; number < files; number += every) writeFile(tree, number, version);
}

/** A mounted image; mounting it anew forgets what the system keeps of its files in memory. */
export class FileImage {
  readonly #image: string;
  readonly #tree: string;

  constructor(image: string, tree: string) {
    this.#image = image;
    this.#tree = tree;
  }

  /** Makes the image if it is absent, with room for `files` files; leaves it mounted. */
  open(files: number): void {
    mkdirSync(this.#tree, { recursive: true });
    if (!existsSync(this.#image)) this.#make(files);
    else this.remount();
  }

  /** A sparse file with ext4's usual number of inodes, of which most blocks are never written. */
  #make(files: number): void {
    const inodes = files + Math.ceil(files / fanOut) * 1.02 + 1000;
    const file = openSync(this.#image, "w");
    ftruncateSync(file, Math.ceil(inodes) * 4096 + 64 * 2 ** 20);
    closeSync(file);
    const features = "inline_data,^has_journal,^metadata_csum";
    run("mkfs.ext4", "-q", "-O", features, "-b", "4096", "-I", "256", "-i", "4096", this.#image);
    this.#mount();
  }

  #mount(): void {
    run("mount", "-o", "loop,noatime", this.#image, this.#tree);
  }

  /** Waits for whoever is looking into it just now. */
  close(): void {
    if (spawnSync("mountpoint", ["-q", this.#tree]).status !== 0) return;
    const patient = 'for i in $(seq 50); do umount "$0" && exit; sleep 0.2; done; exit 1';
    run("sh", "-c", patient, this.#tree);
  }

  remount(): void {
    this.close();
    this.#mount();
  }
}
