/**
 * Globs in the paths that a user names, as in `/var/www/*\/upload`, for jobs that no shell expands.
 *
 * A path that exists as it is written is that path, whatever characters it has. Otherwise each
 * name may be a pattern (name-pattern.ts), and "**" is any folders, or none. As in a shell, a
 * leading dot is met only by a pattern that begins with one; symbolic links to folders are gone
 * into, but not by "**"; a "/" at the end asks for folders. Every path must stand for something.
 */
import fs from "node:fs";
import { VarveError } from "../base/errors.ts";
import { displayPath, type RawPath, toFsPath } from "../base/raw-path.ts";
import { compileName, nameMatcher } from "./name-pattern.ts";
import { normalizePath } from "./source-plan.ts";

const special = /[*?[\\]/;

/** The paths that these stand for, sorted, each once; `source-absent` where there is none. */
export function expandSources(patterns: readonly RawPath[]): RawPath[] {
  const paths = new Set<RawPath>();
  for (const pattern of patterns) for (const path of expandSource(pattern)) paths.add(path);
  return [...paths].sort();
}

function expandSource(pattern: RawPath): RawPath[] {
  const path = normalizePath(pattern);
  const failure = lookAt(path);
  if (failure === undefined) return [path];
  if (!special.test(path)) throw absent(path, "does not exist or cannot be opened", failure);
  const wantsFolder = path.endsWith("/");
  const names = path.split("/").filter((name) => name !== "");
  const found = expand("/" as RawPath, names)
    .filter((one) => !wantsFolder || isFolder(one))
    .map((one) => (wantsFolder ? `${one}/` : one) as RawPath);
  if (found.length === 0) throw absent(path, "matches nothing");
  return found;
}

function absent(path: RawPath, what: string, cause?: unknown): VarveError {
  return new VarveError("source-absent", `${displayPath(path)} ${what}.`, {
    hint: "Check the path, and whether the file system is mounted.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Why there is nothing to be seen at this path; undefined when there is something. */
function lookAt(path: RawPath): NodeJS.ErrnoException | undefined {
  try {
    fs.lstatSync(toFsPath(path));
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

/** Of what is not there; anything else could hide something that the user meant. */
const plainlyAbsent = new Set<string | undefined>(["ENOENT", "ENOTDIR", "ELOOP"]);

/** Like `lookAt`, but throws `source-absent` when the answer is not known. */
function isThere(path: RawPath): boolean {
  const failure = lookAt(path);
  if (failure === undefined) return true;
  if (plainlyAbsent.has(failure.code)) return false;
  throw absent(path, "cannot be opened", failure);
}

function isFolder(path: RawPath): boolean {
  return fs.statSync(toFsPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

const inFolder = (folder: RawPath, name: string) =>
  (folder === "/" ? `/${name}` : `${folder}/${name}`) as RawPath;

/** What the rest of a pattern stands for in a folder. */
function expand(folder: RawPath, pattern: readonly string[]): RawPath[] {
  const [first, ...rest] = pattern;
  if (first === undefined) return [folder];
  if (first === "**") return expandDeep(folder, rest);
  const matching = special.test(first) ? namesLike(folder, first) : [first];
  const paths = matching.map((name) => inFolder(folder, name));
  if (rest.length > 0) return paths.flatMap((path) => expand(path, rest));
  return paths.filter(isThere);
}

/** "**" in front of `rest`; at the end of a pattern it stands for everything inside. */
function expandDeep(folder: RawPath, rest: readonly string[]): RawPath[] {
  const here = expand(folder, rest.length === 0 ? ["*"] : rest);
  const deeper = entriesIn(folder)
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .flatMap((entry) => expandDeep(inFolder(folder, entry.name), rest));
  return [...here, ...deeper];
}

function namesLike(folder: RawPath, pattern: string): string[] {
  const matches = nameMatcher(compileName(pattern as RawPath));
  const showsDots = /^\\?\./.test(pattern);
  return entriesIn(folder)
    .map((entry) => entry.name)
    .filter((name) => (showsDots || !name.startsWith(".")) && matches(name));
}

/** Nothing where there is no folder: it has no match. */
function entriesIn(folder: RawPath): fs.Dirent[] {
  try {
    return fs.readdirSync(toFsPath(folder), { encoding: "latin1", withFileTypes: true });
  } catch (error) {
    if (plainlyAbsent.has((error as NodeJS.ErrnoException).code)) return [];
    throw absent(folder, "cannot be opened", error);
  }
}
