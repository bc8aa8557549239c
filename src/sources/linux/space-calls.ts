/**
 * Hints about the place and time of what is written. Both only make it cheaper: a failure is
 * passed over, and whoever writes or syncs afterwards is told what is wrong.
 */
import fs from "node:fs";
import { libc } from "./libc.ts";
import { procPath } from "./write-calls.ts";

const rawSyncFileRange = libc.func("sync_file_range", "int", ["int", "int64_t", "int64_t", "int"]);
const rawFallocate = libc.func("fallocate", "int", ["int", "int", "int64_t", "int64_t"]);

const SYNC_FILE_RANGE_WRITE = 2;
/** EXT4_SUPER_MAGIC of linux/magic.h. */
const ext4Type = 0xef53;

/** Lets the system begin to bring a range of a file to its disk, and does not wait for it. */
export function startWriting(fd: number, offset: number, length: number): void {
  rawSyncFileRange(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

/**
 * Has disk space given to a range of a file that is about to be filled, on ext4: at once instead of
 * block by block. Others were not measured; btrfs would no longer compress what is written there.
 */
export function reserveSpace(fd: number, offset: number, length: number): void {
  try {
    if (fs.statfsSync(procPath(fd)).type !== ext4Type) return;
  } catch {
    return; // No /proc.
  }
  rawFallocate(fd, 0, offset, length);
}
