/** Whether a folder holds a file that marks its content as not worth keeping. */
import fs from "node:fs";
import type { PresenceRule } from "./exclude.ts";
import { readFileInto, tryOpenFile } from "./file-reader.ts";
import { closeFd, statFd } from "./linux/read-calls.ts";

/**
 * Whether the open folder, whose sorted names are given, has the file of the rule, beginning as the
 * rule says. A file that cannot be read does not count.
 */
export function hasTag(folder: number, names: readonly string[], rule: PresenceRule): boolean {
  if (!isAmong(names, rule.name)) return false;
  if (rule.header === "") return true;
  const fd = tryOpenFile(folder, rule.name);
  if (fd < 0) return false;
  try {
    // Nothing is read from what is no regular file: that could have effects, or never end.
    if (statFd(fd).kind !== fs.constants.S_IFREG) return false;
    const start = Buffer.alloc(rule.header.length);
    const count = readFileInto(fd, start, 0, start.length, 0);
    return start.latin1Slice(0, count) === rule.header;
  } catch {
    return false;
  } finally {
    closeFd(fd);
  }
}

function isAmong(sorted: readonly string[], name: string): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) < name) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === name;
}
