/**
 * Patterns of `find`: `*.ods` is a name at any depth, `/home/*\/.bashrc` a path from the root,
 * `ann/notes` these names after each other, at any depth; `**` is any folders, or none. Wildcards
 * are those of exclude rules (sources/name-pattern.ts).
 */
import { VarveError } from "../base/errors.ts";
import {
  type CatalogKey,
  displayPath,
  type RawPath,
  rawPathFromText,
  rawPathToBytes,
} from "../base/raw-path.ts";
import { endOfSubtree } from "../repo/catalog/catalog-reader.ts";
import { compileName, type NameMatcher, nameMatcher } from "../sources/name-pattern.ts";
import { type Star, star, wildcardFits } from "../sources/wildcard.ts";

export interface FindPattern {
  fits(key: CatalogKey): boolean;
  /** No key before this one, or from `end` on, fits. */
  readonly start: CatalogKey;
  readonly end: CatalogKey;
}

const fitsName = (test: NameMatcher, name: string) => test(name);

/** Throws `usage` for a pattern that makes no sense. */
export function compileFindPattern(pattern: RawPath, ignoreCase: boolean): FindPattern {
  const folded = ignoreCase ? foldCase(pattern) : pattern;
  const names = folded.split("/").filter((name) => name !== "" && name !== ".") as RawPath[];
  if (names.length === 0 || names.includes(".." as RawPath)) {
    throw new VarveError("usage", `"${displayPath(pattern)}" cannot be a pattern of find.`, {
      hint: 'Give a name, a pattern or a path, without "..".',
    });
  }
  const isAnchored = pattern.startsWith("/");
  const parts: (NameMatcher | Star)[] = isAnchored ? [] : [star];
  for (const name of names) {
    parts.push(name === "**" ? star : nameMatcher(compileName(name)));
  }
  // At the end, "**" is at least one name.
  if (names.at(-1) === "**") parts.push(() => true);
  const fold = ignoreCase ? foldCase : (key: string) => key;
  const [only] = parts.length === 2 && !isAnchored ? parts.slice(1) : [];
  const prefix = isAnchored && !ignoreCase ? plainPrefix(names) : ("" as CatalogKey);
  return {
    start: prefix,
    end: endOfSubtree(prefix),
    fits: (key) => {
      if (typeof only === "function") return only(fold(key.slice(key.lastIndexOf("\0") + 1)));
      const path = fold(key).split("\0");
      return wildcardFits(parts, path, path.length, fitsName);
    },
  };
}

/** The folder that everything that fits lies in, or is. */
function plainPrefix(names: readonly RawPath[]): CatalogKey {
  const plain: string[] = [];
  for (const name of names) {
    const compiled = name === "**" ? undefined : compileName(name);
    if (compiled?.form !== "plain") break;
    plain.push(compiled.name);
  }
  return plain.join("\0") as CatalogKey;
}

/** Lower case: of characters where the bytes are UTF-8, else of ASCII letters. */
function foldCase(raw: string): RawPath {
  if (!/[^\x00-\x7f]/.test(raw)) return raw.toLowerCase() as RawPath;
  const bytes = rawPathToBytes(raw as RawPath);
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return rawPathFromText(text.toLowerCase());
  return raw.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) as RawPath;
}
