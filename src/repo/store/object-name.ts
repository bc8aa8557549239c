/**
 * The names that a store takes (store.ts, "Names"). Whatever else lies in a store (a `.DS_Store`,
 * temporary files, `lost+found`) is no object: lists leave it out, and it cannot be asked for.
 */
import { VarveError } from "../../base/errors.ts";

/** Characters; short enough for every store and, with any prefix, for every file system. */
export const objectNameMax = 200;

/** No segment begins with ".", so there is no "..", and hidden files are never objects. */
const pattern = /^[a-z0-9-][a-z0-9.-]*(?:\/[a-z0-9-][a-z0-9.-]*)*$/;

export function isObjectName(name: string): boolean {
  return name.length <= objectNameMax && pattern.test(name);
}

/** Names are made by varve from checked ids: a wrong one is a bug, and never reaches the store. */
export function checkObjectName(name: string): void {
  if (isObjectName(name)) return;
  throw new VarveError("internal", `This is a bug in varve: ${JSON.stringify(name)} is no name.`);
}

/** Offset and length of a range: integers, at least 0, as the caller made them. */
export function checkRange(offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length)) {
    if (offset >= 0 && length >= 0) return;
  }
  throw new VarveError("internal", `This is a bug in varve: range ${offset}+${length}.`);
}

/** "packs/ab/abcd" -> "packs/ab"; "" for a name at the top. */
export function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}
