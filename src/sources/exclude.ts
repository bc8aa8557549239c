/**
 * Exclude rules, in the spirit of gitignore and restic, matched against the absolute path:
 *
 *     cache, *.o, a[0-9]   this name at any depth (name-pattern.ts)    build/   only folders
 *     /var/cache   from the root      a/b   these names, at any depth
 *     a/**\/b      "**" is any folders, or none      /tmp/**   all inside, not the folder itself
 *     !keep.o      takes out of the exclusion what an earlier rule excluded
 *
 * The last rule that matches decides. What is inside an excluded folder is never looked at, so
 * "!" does not bring it back: exclude `/dir/*` and add `!/dir/keep` instead. In files of rules, a
 * line is a rule; blank lines and those that begin with "#" are none; spaces at the end do not
 * count unless escaped; `\#` and `\!` begin a name.
 */
import { VarveError } from "../base/errors.ts";
import { displayPath, type RawPath, rawPathFromBytes } from "../base/raw-path.ts";
import { compileName, type NameMatcher, nameMatcher } from "./name-pattern.ts";
import { type Star, star, wildcardFits } from "./wildcard.ts";

/** A rule for paths of several names: matchers and stars from the last name to the first. */
interface PathRule {
  readonly parts: readonly (NameMatcher | Star)[];
  readonly folderOnly: boolean;
}

/** Rules of the same sign that follow each other: the order within does not matter. */
interface RuleBlock {
  readonly excludes: boolean;
  readonly names: Set<string>;
  readonly folderNames: Set<string>;
  /** Endings like ".o", found by a name's last dot. */
  readonly extensions: Set<string>;
  readonly tests: { readonly test: NameMatcher; readonly folderOnly: boolean }[];
  readonly paths: PathRule[];
}

const fitsName = (test: NameMatcher, name: string) => test(name);

export class ExcludeRules {
  /** What it was made of, so that another thread can make the same. */
  readonly rules: readonly RawPath[];
  /** The last block first. */
  readonly #blocks: RuleBlock[] = [];
  readonly #reversed: string[] = [];

  /** Throws `usage` for a rule that makes no sense. */
  constructor(rules: readonly RawPath[]) {
    this.rules = rules;
    for (const rule of rules) this.#add(rule);
  }

  /**
   * Whether the rules exclude the entry whose path consists of the first `count` of `names`. Calls
   * are expected in the order of a walk from the root: whatever holds the entry is not excluded.
   */
  excludes(names: readonly string[], count: number, isFolder: boolean): boolean {
    for (const block of this.#blocks) {
      if (this.#blockFits(block, names, count, isFolder)) return block.excludes;
    }
    return false;
  }

  #blockFits(block: RuleBlock, names: readonly string[], count: number, isFolder: boolean) {
    const name = names[count - 1] as string;
    if (block.names.has(name)) return true;
    if (isFolder && block.folderNames.has(name)) return true;
    if (block.extensions.size > 0) {
      const dot = name.lastIndexOf(".");
      if (dot >= 0 && block.extensions.has(name.slice(dot))) return true;
    }
    for (const { test, folderOnly } of block.tests) {
      if ((isFolder || !folderOnly) && test(name)) return true;
    }
    if (block.paths.length === 0) return false;
    return this.#somePathFits(block.paths, names, count, isFolder);
  }

  #somePathFits(
    rules: readonly PathRule[],
    names: readonly string[],
    count: number,
    folder: boolean,
  ) {
    const reversed = this.#reversed;
    let isReversed = false;
    for (const { parts, folderOnly } of rules) {
      const last = parts[0];
      // Most rules fail at the last name: no need to look at the whole path.
      if (folderOnly && !folder) continue;
      if (last !== star && last !== undefined && !last(names[count - 1] as string)) continue;
      if (!isReversed) {
        for (let i = 0; i < count; i++) reversed[i] = names[count - 1 - i] as string;
        isReversed = true;
      }
      if (wildcardFits(parts, reversed, count, fitsName)) return true;
    }
    return false;
  }

  #add(rule: RawPath): void {
    const excludes = !rule.startsWith("!");
    const pattern = excludes ? rule : rule.slice(1);
    const folderOnly = pattern.endsWith("/");
    const isAnchored = pattern.startsWith("/");
    const parts = pattern.split("/").filter((part) => part !== "" && part !== ".") as RawPath[];
    if (parts.length === 0 || parts.includes(".." as RawPath)) {
      throw new VarveError("usage", `"${displayPath(rule)}" cannot be an exclude pattern.`, {
        hint: 'Give a name, a pattern or an absolute path, without "..".',
      });
    }
    const [only = "" as RawPath] = parts;
    const block = this.#blockFor(excludes);
    if (parts.length > 1 || isAnchored || only === "**") {
      block.paths.push({ parts: pathParts(parts, isAnchored), folderOnly });
    } else {
      addName(block, only, folderOnly);
    }
  }

  #blockFor(excludes: boolean): RuleBlock {
    const last = this.#blocks[0];
    if (last?.excludes === excludes) return last;
    const block = {
      excludes,
      names: new Set<string>(),
      folderNames: new Set<string>(),
      extensions: new Set<string>(),
      tests: [],
      paths: [],
    };
    this.#blocks.unshift(block);
    return block;
  }
}

function addName(block: RuleBlock, pattern: RawPath, folderOnly: boolean): void {
  const compiled = compileName(pattern);
  if (compiled.form === "plain") {
    (folderOnly ? block.folderNames : block.names).add(compiled.name);
  } else if (compiled.form === "ending" && !folderOnly && /^\.[^.]*$/s.test(compiled.ending)) {
    block.extensions.add(compiled.ending);
  } else {
    block.tests.push({ test: nameMatcher(compiled), folderOnly });
  }
}

function pathParts(names: readonly RawPath[], isAnchored: boolean): (NameMatcher | Star)[] {
  const parts: (NameMatcher | Star)[] = isAnchored ? [] : [star];
  for (const name of names) {
    if (name !== "**") parts.push(nameMatcher(compileName(name)));
    else if (parts.at(-1) !== star) parts.push(star);
  }
  // At the end, "**" is at least one name: what is inside, not the folder itself.
  if (names.at(-1) === "**") parts.push(() => true);
  return parts.reverse();
}

/** The rules in a file of rules. */
export function parseExcludeFile(content: Uint8Array): RawPath[] {
  const withoutMark = content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf ? 3 : 0;
  const lines = rawPathFromBytes(content.subarray(withoutMark)).split(/\r?\n/);
  return lines
    .map((line) => line.replace(/(?<!\\)((?:\\\\)*)[ \t]+$/, "$1"))
    .filter((line) => line !== "" && !line.startsWith("#")) as RawPath[];
}

/** A folder whose content is passed over because of a file in it. */
export interface PresenceRule {
  /** The file's name, a binary string. */
  readonly name: string;
  /** What the file must begin with, a binary string; "" for anything. */
  readonly header: string;
}

/** The Cache Directory Tagging Specification, bford.info/cachedir. */
export const cacheFolderRule: PresenceRule = {
  name: "CACHEDIR.TAG",
  header: "Signature: 8a477f597d28d172789f06886806bc55",
};

/** From `NAME` or `NAME:HEADER`. */
export function parsePresenceRule(text: RawPath): PresenceRule {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new VarveError("usage", `"${displayPath(text)}" does not name a file.`, {
      hint: 'Give a file name without "/", optionally followed by ":" and its first bytes.',
    });
  }
  return { name, header: colon < 0 ? "" : text.slice(colon + 1) };
}
