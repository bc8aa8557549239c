/** What kind of thing a file is, in the words of the catalog. */
import fs from "node:fs";
import { EntryType } from "../base/entry.ts";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK } = fs.constants;

const entryTypes = new Map<number, EntryType>([
  [S_IFREG, EntryType.file],
  [S_IFDIR, EntryType.folder],
  [S_IFLNK, EntryType.symlink],
  [S_IFIFO, EntryType.fifo],
  [S_IFCHR, EntryType.charDevice],
  [S_IFBLK, EntryType.blockDevice],
]);

/** From a mode, or its S_IFMT bits; undefined for sockets. */
export function entryTypeOf(mode: number): EntryType | undefined {
  return entryTypes.get(mode & S_IFMT);
}
