/**
 * Paths as bytes. Linux names need not be UTF-8, so a path travels as a *binary string*: one
 * UTF-16 code unit below 256 for each byte ("latin1"). JavaScript compares such strings bytewise
 * and fast.
 *
 * A `RawPath` uses "/"; a `CatalogKey` is the same path, relative to the root of the file system
 * or stream, with "/" replaced by NUL (which no name can contain), so that plain comparison keeps
 * a folder's content contiguous (docs/format.md, "Keys").
 */

declare const brand: unique symbol;
export type RawPath = string & { readonly [brand]: "raw-path" };
export type CatalogKey = string & { readonly [brand]: "catalog-key" };

const nonAscii = /[^\x00-\x7f]/;
const slashes = /\//g;
const nuls = /\0/g;

/** From text as a user or a program gives it (UTF-8 once encoded). */
export function rawPathFromText(text: string): RawPath {
  return (nonAscii.test(text) ? Buffer.from(text, "utf8").latin1Slice() : text) as RawPath;
}

export function rawPathFromBytes(bytes: Uint8Array): RawPath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).latin1Slice() as RawPath;
}

export function rawPathToBytes(path: RawPath | CatalogKey): Buffer {
  return Buffer.from(path, "latin1");
}

/** What node:fs and koffi want: the string itself when it is ASCII, else its bytes. */
export function toFsPath(path: RawPath): string | Buffer {
  return nonAscii.test(path) ? Buffer.from(path, "latin1") : path;
}

/** For people: UTF-8 where it is, other bytes and control characters as \xNN. */
export function displayPath(path: RawPath): string {
  if (!/[^\x20-\x7e]|\\/.test(path)) return path;
  const bytes = Buffer.from(path, "latin1");
  const text = bytes.toString("utf8");
  const valid = Buffer.from(text, "utf8").equals(bytes);
  const shown = valid ? text : path.replace(/[\x80-\xff]/g, escapeUnit);
  return shown.replace(/[\x00-\x1f\x7f]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** "/home/a" -> "home\0a"; "/" -> "". The path must be absolute and normal. */
export function keyFromPath(path: RawPath): CatalogKey {
  return path.slice(1).replace(slashes, "\0") as CatalogKey;
}

/** "home\0a" -> "/home/a". */
export function pathFromKey(key: CatalogKey): RawPath {
  return `/${key.replace(nuls, "/")}` as RawPath;
}

/** The name, that is, what follows the last separator. */
export function keyName(key: CatalogKey): string {
  return key.slice(key.lastIndexOf("\0") + 1);
}

/** The key of the folder that holds this entry; "" for an entry at the top. */
export function keyParent(key: CatalogKey): CatalogKey {
  return key.slice(0, Math.max(0, key.lastIndexOf("\0"))) as CatalogKey;
}

/** Whether `key` is `folder` itself or lies below it; everything lies below "". */
export function isWithin(key: CatalogKey, folder: CatalogKey): boolean {
  if (folder === "") return true;
  return key.startsWith(folder) && (key.length === folder.length || key[folder.length] === "\0");
}
