/**
 * The files of a write task in a few arrays. As an object each, with its properties' names spelled
 * out in the message, many small files would cost as much to send as to create.
 */
import type { Xattr } from "../../base/entry.ts";
import { invariant } from "../../base/errors.ts";
import type { TargetFile } from "../../sources/target/target-file.ts";

export interface FileColumns {
  /** Name and temporary name of each, all joined by "/", which is in none of them. */
  readonly names: string;
  /** `numberCount` of each. */
  readonly numbers: Float64Array;
  readonly mtimesNs: BigInt64Array;
  /** Of the few that have some, with the file's ordinal. */
  readonly xattrs: readonly (readonly [number, readonly Xattr[]])[];
}

/** folder, mode, uid, gid, size, flags */
const numberCount = 6;
const Flag = { dropAcl: 1, extend: 2, reportInode: 4, inNewFolder: 8 } as const;

export function encodeFiles(files: readonly TargetFile[]): FileColumns {
  const names: string[] = [];
  const numbers = new Float64Array(files.length * numberCount);
  const mtimesNs = new BigInt64Array(files.length);
  const xattrs: [number, readonly Xattr[]][] = [];
  let at = 0;
  for (const [ordinal, file] of files.entries()) {
    names.push(file.name, file.temporaryName);
    numbers[at++] = file.folder;
    numbers[at++] = file.mode;
    numbers[at++] = file.uid;
    numbers[at++] = file.gid;
    numbers[at++] = file.size;
    numbers[at++] =
      (file.dropAcl ? Flag.dropAcl : 0) |
      (file.extend ? Flag.extend : 0) |
      (file.reportInode ? Flag.reportInode : 0) |
      (file.inNewFolder ? Flag.inNewFolder : 0);
    mtimesNs[ordinal] = file.mtimeNs;
    if (file.xattrs !== undefined) xattrs.push([ordinal, file.xattrs]);
  }
  return { names: names.join("/"), numbers, mtimesNs, xattrs };
}

export function decodeFiles({ names, numbers, mtimesNs, xattrs }: FileColumns): TargetFile[] {
  const count = mtimesNs.length;
  const parts = count === 0 ? [] : names.split("/");
  invariant(parts.length === 2 * count, "each file has two names");
  const xattrsOf = new Map(xattrs);
  const files: TargetFile[] = [];
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const at = ordinal * numberCount;
    const flags = numbers[at + 5] as number;
    files.push({
      mode: numbers[at + 1] as number,
      uid: numbers[at + 2] as number,
      gid: numbers[at + 3] as number,
      mtimeNs: mtimesNs[ordinal] as bigint,
      xattrs: xattrsOf.get(ordinal),
      folder: numbers[at] as number,
      name: parts[2 * ordinal] as string,
      temporaryName: parts[2 * ordinal + 1] as string,
      size: numbers[at + 4] as number,
      dropAcl: (flags & Flag.dropAcl) !== 0,
      extend: (flags & Flag.extend) !== 0,
      reportInode: (flags & Flag.reportInode) !== 0,
      inNewFolder: (flags & Flag.inNewFolder) !== 0,
    });
  }
  return files;
}
