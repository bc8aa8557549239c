/**
 * A disk image: 4 GiB of ext4 with a part of this Debian system in it, and the same disk after an
 * update of some of its files. mkfs and debugfs write it, so that nothing has to be mounted.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../measure.ts";
import { Keystream, text } from "../synthetic.ts";

const trees = ["/etc", "/usr/bin", "/usr/sbin", "/usr/share", "/usr/lib"];
/** So much of them goes in; the rest of the disk is free. */
const treeBytesMax = 3 * 2 ** 30;
/** Of the files, one in so many is another one in the second version. */
const changedEvery = 40;

interface Copied {
  readonly path: string;
  readonly bytes: number;
}

/** Folders in alphabetic order until the disk is full enough. */
function copyTrees(to: string): void {
  let room = treeBytesMax;
  for (const folder of trees) {
    for (const name of readdirSync(folder).sort()) {
      const from = join(folder, name);
      const inside = statSync(from, { throwIfNoEntry: false })?.isDirectory()
        ? folderBytes(from)
        : (statSync(from, { throwIfNoEntry: false })?.size ?? 0);
      if (inside > room) continue;
      room -= inside;
      mkdirSync(join(to, folder), { recursive: true });
      run("cp", "-a", from, join(to, folder));
    }
  }
}

function regularFiles(folder: string): Copied[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name))
    .map((path) => ({ path, bytes: statSync(path).size }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const folderBytes = (folder: string) =>
  regularFiles(folder).reduce((sum, file) => sum + file.bytes, 0);

/** Commands for debugfs that replace some of `files` of the image by others of about that size. */
function update(tree: string, files: readonly Copied[], fresh: string): string[] {
  const random = new Keystream("image");
  mkdirSync(fresh);
  return files
    .filter(
      ({ path }) => createHash("md5").update(path).digest().readUInt32LE() % changedEvery === 0,
    )
    .filter(({ path }) => !/["\s]/.test(path))
    .flatMap(({ path, bytes }, at) => {
      const file = join(fresh, `${at}-${basename(path)}`.slice(0, 100));
      const half = Math.ceil(bytes / 2);
      writeFileSync(file, Buffer.concat([text(random, half), random.bytes(bytes - half + 100)]));
      const inside = path.slice(tree.length);
      return [`rm "${inside}"`, `write "${file}" "${inside}"`];
    });
}

/** Makes v1/disk.img and v2/disk.img in `folder`. */
export function makeImages(folder: string): void {
  const tree = join(folder, "tree");
  const [first, second] = [join(folder, "v1/disk.img"), join(folder, "v2/disk.img")];
  for (const name of ["tree", "v1", "v2"]) mkdirSync(join(folder, name));
  copyTrees(tree);
  const fixed = ["-U", "5eed0000-0000-4000-8000-000000000001", "-E", "root_owner=0:0"];
  run("mkfs.ext4", "-q", "-F", ...fixed, "-d", tree, first, "4G");
  run("cp", "-a", "--sparse=always", first, second);
  const script = join(folder, "debugfs");
  writeFileSync(script, `${update(tree, regularFiles(tree), join(folder, "new")).join("\n")}\n`);
  run("debugfs", "-w", "-f", script, second);
  for (const name of ["tree", "new", "debugfs"]) rmSync(join(folder, name), { recursive: true });
}
