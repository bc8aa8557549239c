/**
 * Globs in the paths that a user names, as in `/var/www/*\/upload`, for jobs that no shell expands.
 *
 * A path that exists as it is written is that path, whatever characters it has. Otherwise each
 * name may be a pattern (name-pattern.ts), and "**" is any folders, or none. As in a shell, a
 * leading dot is met only by a pattern that begins with one; symbolic links to folders are gone
 * into, but not by "**"; a "/" at the end asks for folders. A path should stand for something.
 */
import fs from "node:fs";
import { VarveError } from "../base/errors.ts";
import { displayPath, type RawPath, toFsPath } from "../base/raw-path.ts";
import { compileName, nameMatcher } from "./name-pattern.ts";
import { normalizePath } from "./source-plan.ts";

const special = /[*?[\\]/;

/** A path or pattern that a user named and that stands for nothing now, or not for all it could. */
export interface AbsentSource {
  readonly path: RawPath;
  /** The system's code: "ENOENT". */
  readonly code: string;
  /** For people; does not repeat the path. */
  readonly message: string;
}

export interface ExpandedSources {
  /** Sorted, each once; not empty. */
  readonly paths: RawPath[];
  readonly absent: AbsentSource[];
}

/**
 * What these stand for. One that stands for nothing is told beside the others, so that a disk that
 * is not mounted today costs a cron job nothing but that disk; `source-absent` when all do.
 */
export function expandSources(patterns: readonly RawPath[]): ExpandedSources {
  const expansion = new Expansion();
  const paths = new Set<RawPath>();
  for (const pattern of patterns) for (const path of expansion.of(pattern)) paths.add(path);
  const absent = [...expansion.absent.values()];
  const [first] = absent;
  if (paths.size === 0 && first !== undefined) {
    throw new VarveError("source-absent", `${displayPath(first.path)} ${first.message}.`, {
      hint: "Check the path, and whether the file system is mounted.",
    });
  }
  return { paths: [...paths].sort(), absent };
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

function isFolder(path: RawPath): boolean {
  return fs.statSync(toFsPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

const inFolder = (folder: RawPath, name: string) =>
  (folder === "/" ? `/${name}` : `${folder}/${name}`) as RawPath;

class Expansion {
  /** By path: several patterns may meet the same closed folder. */
  readonly absent = new Map<RawPath, AbsentSource>();

  of(pattern: RawPath): RawPath[] {
    const path = normalizePath(pattern);
    const failure = lookAt(path);
    if (failure === undefined) return [path];
    if (!special.test(path)) return this.#absent(path, failure);
    const wantsFolder = path.endsWith("/");
    const names = path.split("/").filter((name) => name !== "");
    const told = this.absent.size;
    const found = this.#expand("/" as RawPath, names)
      .filter((one) => !wantsFolder || isFolder(one))
      .map((one) => (wantsFolder ? `${one}/` : one) as RawPath);
    if (found.length === 0 && this.absent.size === told)
      this.#tell(path, "ENOENT", "matches nothing");
    return found;
  }

  #tell(path: RawPath, code: string, message: string): void {
    this.absent.set(path, { path, code, message });
  }

  #absent(path: RawPath, { code = "" }: NodeJS.ErrnoException): [] {
    const message = plainlyAbsent.has(code) ? "does not exist" : "cannot be opened";
    this.#tell(path, code, message);
    return [];
  }

  /** What is neither there nor plainly absent is told: it may be what the user meant. */
  #isThere(path: RawPath): boolean {
    const failure = lookAt(path);
    if (failure !== undefined && !plainlyAbsent.has(failure.code)) this.#absent(path, failure);
    return failure === undefined;
  }

  /** What the rest of a pattern stands for in a folder. */
  #expand(folder: RawPath, pattern: readonly string[]): RawPath[] {
    const [first, ...rest] = pattern;
    if (first === undefined) return [folder];
    if (first === "**") return this.#expandDeep(folder, rest);
    const matching = special.test(first) ? this.#namesLike(folder, first) : [first];
    const paths = matching.map((name) => inFolder(folder, name));
    if (rest.length > 0) return paths.flatMap((path) => this.#expand(path, rest));
    return paths.filter((path) => this.#isThere(path));
  }

  /** "**" in front of `rest`; at the end of a pattern it stands for everything inside. */
  #expandDeep(folder: RawPath, rest: readonly string[]): RawPath[] {
    const here = this.#expand(folder, rest.length === 0 ? ["*"] : rest);
    const deeper = this.#entriesIn(folder)
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .flatMap((entry) => this.#expandDeep(inFolder(folder, entry.name), rest));
    return [...here, ...deeper];
  }

  #namesLike(folder: RawPath, pattern: string): string[] {
    const matches = nameMatcher(compileName(pattern as RawPath));
    const showsDots = /^\\?\./.test(pattern);
    return this.#entriesIn(folder)
      .map((entry) => entry.name)
      .filter((name) => (showsDots || !name.startsWith(".")) && matches(name));
  }

  /** Nothing where there is no folder: it has no match. */
  #entriesIn(folder: RawPath): fs.Dirent[] {
    try {
      return fs.readdirSync(toFsPath(folder), { encoding: "latin1", withFileTypes: true });
    } catch (error) {
      const failure = error as NodeJS.ErrnoException;
      return plainlyAbsent.has(failure.code) ? [] : this.#absent(folder, failure);
    }
  }
}
