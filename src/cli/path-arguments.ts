/**
 * Paths on the command line as bytes. Node decodes arguments as UTF-8 and loses what is not; the
 * kernel still knows them.
 */
import { readFileSync } from "node:fs";
import { VarveError } from "../base/errors.ts";
import { type CatalogKey, keyFromPath, type RawPath, rawPathFromText } from "../base/raw-path.ts";
import { normalizePath } from "../sources/source-plan.ts";

const lost = "\ufffd";

/** An argument's bytes, as a binary string. */
export function rawArgument(text: string): RawPath {
  if (!text.includes(lost)) return rawPathFromText(text);
  return bytesOfProcessArgument(text) ?? rawPathFromText(text);
}

/** The one among this process's own arguments that Node decoded to `text`. */
function bytesOfProcessArgument(text: string): RawPath | undefined {
  try {
    const line = readFileSync("/proc/self/cmdline").toString("latin1");
    const found = line.split("\0").filter((raw) => decoded(raw) === text);
    // Several that only differ in the bytes lost: better none than the wrong one.
    return new Set(found).size === 1 ? (found[0] as RawPath) : undefined;
  } catch {
    return undefined;
  }
}

const decoded = (raw: string) => Buffer.from(raw, "latin1").toString("utf8");

/** What a script passes for a variable that it never set must not mean "here", or everything. */
function pathArgument(text: string): RawPath {
  if (text !== "") return rawArgument(text);
  throw new VarveError("usage", "A path is empty.", {
    hint: "Is a variable unset? Write . for the current folder.",
  });
}

/** An absolute path of this host; a "/" at the end stays, for it says "follow the link". */
export function sourcePath(text: string, folder = process.cwd()): RawPath {
  const raw = pathArgument(text);
  if (raw.startsWith("/")) return raw;
  return `${rawPathFromText(folder)}/${raw}` as RawPath;
}

/**
 * A path inside a snapshot. One that begins with ".", like ./a or .., is meant from the current
 * folder; any other relative path from the top of the snapshot, where streams have their names.
 */
export function snapshotKey(text: string, folder = process.cwd()): CatalogKey {
  const raw = pathArgument(text);
  const isLocal = /^\.\.?(\/|$)/.test(raw);
  const path = isLocal
    ? sourcePath(text, folder)
    : ((raw.startsWith("/") ? raw : `/${raw}`) as RawPath);
  return keyFromPath(normalizePath(path).replace(/(?<=.)\/+$/, "") as RawPath);
}

/** The path for JSON: as text where it is UTF-8, with its bytes in base64 beside it where not. */
export function jsonPath(path: RawPath): { path: string; path_base64?: string } {
  const bytes = Buffer.from(path, "latin1");
  const text = bytes.toString("utf8");
  if (!text.includes(lost) || Buffer.from(text, "utf8").equals(bytes)) return { path: text };
  return { path: text, path_base64: bytes.toString("base64") };
}
