/**
 * A place with little room. Where this process may mount, it is a file system of its own that can
 * grow; else, as in most containers, the size of files is limited, which runs full in another way
 * (EFBIG) but must not do more harm.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";

export interface SmallDisk {
  readonly folder: string;
  /** Whether it is a file system of its own; otherwise `before` limits the files of a run. */
  readonly isMounted: boolean;
  /** What a run starts with while there is no room. */
  readonly before: readonly string[];
  /** From now on there is room. */
  grow(bytes: number): void;
  remove(): void;
}

const run = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: "utf8" });

/** A new folder with room for `bytes`; without mounts, for files of `fileBytes` each. */
export function smallDisk(folder: string, bytes: number, fileBytes: number): SmallDisk {
  fs.mkdirSync(folder);
  const mounted = run("mount", "-t", "tmpfs", "-o", `size=${bytes},mode=755`, "tmpfs", folder);
  const isMounted = mounted.status === 0;
  const limit = ["prlimit", `--fsize=${fileBytes}`];
  if (!isMounted && run("prlimit", "--version").status !== 0) {
    throw new Error(`Neither mount (${mounted.stderr.trim()}) nor prlimit can be used.`);
  }
  const disk = {
    folder,
    isMounted,
    before: isMounted ? [] : limit,
    grow(more: number) {
      disk.before = [];
      if (!isMounted) return;
      const { status, stderr } = run("mount", "-o", `remount,size=${more}`, folder);
      if (status !== 0) throw new Error(`mount: ${stderr}`);
    },
    remove() {
      if (isMounted) run("umount", "-l", folder);
    },
  };
  return disk;
}
