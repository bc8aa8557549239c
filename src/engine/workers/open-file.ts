/** What a snapshot takes from an open file beside its bytes; in workers and in the main thread. */
import {
  type Extent,
  type FileStat,
  listExtents,
  listXattrs,
  mayHaveHoles,
} from "../../sources/file-reader.ts";
import type { FileReport, FileStat as ReportedStat } from "./snapshot-protocol.ts";

/** Data and holes of a file in order; looks for holes only where there can be some. */
export function dataExtents(fd: number, stat: FileStat): Extent[] {
  if (mayHaveHoles(stat)) return listExtents(fd, stat.size);
  return stat.size === 0 ? [] : [{ offset: 0, length: stat.size, hole: false }];
}

/** Writes extended attributes, and what hindered reading some, into the report. */
export function describeFile(
  fd: number,
  report: { -readonly [K in keyof FileReport]: FileReport[K] },
): void {
  const faults: { name: string; code: string }[] = [];
  const xattrs = listXattrs(fd, (name, { code }) => faults.push({ name, code }));
  if (xattrs.length > 0) report.xattrs = xattrs;
  if (faults.length > 0) report.xattrFaults = faults;
}

/** The part of a file's metadata that goes into its entry. */
export function statOf(stat: FileStat): ReportedStat {
  const { size, mode, uid, gid, mtimeNs, ctimeNs, inode } = stat;
  return { size, mode, uid, gid, mtimeNs, ctimeNs, inode };
}
