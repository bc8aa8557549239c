/** Entries of snapshots as lines and as JSON; shared by `ls`, `find` and `diff`. */
import { type EntryMeta, EntryType } from "../../base/entry.ts";
import { displayPath, pathFromKey, type RawPath } from "../../base/raw-path.ts";
import type { TimeZone } from "../../base/time-zone.ts";
import { formatMode, formatTime, isoTime } from "../human.ts";
import type { JsonRow } from "../output.ts";
import { jsonPath } from "../path-arguments.ts";
import { safeLine } from "../safe-text.ts";

/** What lists of entries have of them. */
export interface ShownEntry extends EntryMeta {
  readonly linkTarget?: RawPath;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
}

export const typeNames: Readonly<Record<EntryType, string>> = {
  [EntryType.file]: "file",
  [EntryType.folder]: "folder",
  [EntryType.symlink]: "symlink",
  [EntryType.fifo]: "fifo",
  [EntryType.charDevice]: "char-device",
  [EntryType.blockDevice]: "block-device",
};

/** As in the first column of `ls -l`. */
const typeLetters: Readonly<Record<EntryType, string>> = {
  [EntryType.file]: "-",
  [EntryType.folder]: "d",
  [EntryType.symlink]: "l",
  [EntryType.fifo]: "p",
  [EntryType.charDevice]: "c",
  [EntryType.blockDevice]: "b",
};

export function entryJson(entry: ShownEntry): JsonRow {
  const { linkTarget } = entry;
  return {
    ...jsonPath(pathFromKey(entry.key)),
    type: typeNames[entry.type],
    size: entry.size,
    mode: entry.mode.toString(8).padStart(4, "0"),
    uid: entry.uid,
    gid: entry.gid,
    user: entry.user,
    group: entry.group,
    mtime: isoTime(entry.mtimeNs),
    ctime: isoTime(entry.ctimeNs),
    inode: String(entry.inode),
    link_target: linkTarget === undefined ? null : jsonPath(linkTarget).path,
  };
}

/** The path; with `long` also mode, owner, size, time and where a link leads. */
export function entryLine(entry: ShownEntry, zone: TimeZone, long: boolean): string {
  const path = displayPath(pathFromKey(entry.key));
  if (!long) return path;
  const owner = safeLine(entry.user || String(entry.uid)).padEnd(8);
  const group = safeLine(entry.group || String(entry.gid)).padEnd(8);
  const isDevice = entry.rdevMajor !== undefined;
  const size = isDevice ? `${entry.rdevMajor}, ${entry.rdevMinor}` : String(entry.size);
  const mode = formatMode(typeLetters[entry.type], entry.mode);
  const time = formatTime(entry.mtimeNs, zone);
  const link = entry.linkTarget === undefined ? "" : ` -> ${displayPath(entry.linkTarget)}`;
  return `${mode}  ${owner} ${group} ${size.padStart(12)}  ${time}  ${path}${link}`;
}
