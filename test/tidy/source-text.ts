/**
 * The checkout as text, for the tidy test: its files, its code without comments and strings, and
 * who imports whom. Regular expressions, not a parser: what they must understand is our own style.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";

export interface SourceFile {
  /** Relative to the checkout, with "/". */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** Folders that are never committed, as in .gitignore. */
const ignored = new Set([".git", "node_modules", "dist", ".build", "bench/work"]);
const ignoredEnding = /\.(tgz|cpuprofile)$/;

/** The checkout that this compiled file was built in. */
export function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Paths of all files that are, or will be, committed. */
export function committedPaths(top: string): string[] {
  const found: string[] = [];
  const walk = (folder: string) => {
    for (const item of readdirSync(folder, { withFileTypes: true })) {
      const path = relative(top, join(folder, item.name));
      if (ignored.has(path) || ignored.has(item.name) || ignoredEnding.test(path)) continue;
      if (item.isDirectory()) walk(join(folder, item.name));
      else if (item.isFile()) found.push(path);
    }
  };
  walk(top);
  return found.sort();
}

export function readSource(top: string, path: string): SourceFile {
  const text = readFileSync(join(top, path), "utf8");
  return { path, text, lines: text.split("\n") };
}

const tokens = new RegExp(
  [
    String.raw`(\/\*[\s\S]*?\*\/|\/\/[^\n]*)`, // 1: comment
    String.raw`(?<=[=(,:!&|?;[{}\n]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/`,
    String.raw`("(?:\\.|[^"\\\n])*")`, // 2: string
    String.raw`(\x60(?:\\.|[^\x60\\])*\x60)`, // 3: template
  ].join("|"),
  "g",
);

const blank = (text: string) => text.replace(/[^\n]/g, " ");
const blankTemplate = (text: string) =>
  text.replace(/\$\{([^{}]*)\}|[^\n]/g, (_, code: string | undefined) => code ?? " ");

/** The text with comments blanked and every line where it was. */
export function withoutComments(text: string): string {
  return text.replace(tokens, (all, comment) => (comment === undefined ? all : blank(all)));
}

/** The text with comments, strings and regular expressions blanked; code in templates stays. */
export function codeOnly(text: string): string {
  return text.replace(tokens, (all, _comment, _string, template) =>
    template === undefined ? blank(all) : blankTemplate(all),
  );
}

export interface Import {
  /** As written: "node:fs", "../base/ids.ts". */
  readonly name: string;
  /** The file in the checkout that a relative name means. */
  readonly file: string | undefined;
  readonly line: number;
  readonly typeOnly: boolean;
}

const imports = new RegExp(
  [
    String.raw`^(?:import|export)\s+(type\s)?([^"';]*?)\bfrom\s+"([^"]+)"`,
    String.raw`^import\s+"([^"]+)"`,
    String.raw`\bimport\(\s*"([^"]+)"\s*\)`,
    String.raw`\bnew URL\(\s*"(\.[^"]+\.[jt]s)",\s*import\.meta\.url`, // a worker's entry
  ].join("|"),
  "gm",
);

function allTypes(names: string): boolean {
  const inner = /^\{([\s\S]*)\}\s*$/.exec(names)?.[1];
  if (inner === undefined) return false;
  return inner.split(",").every((name) => name.trim() === "" || name.trim().startsWith("type "));
}

export function importsOf(file: SourceFile): Import[] {
  const text = withoutComments(file.text);
  return [...text.matchAll(imports)].map((match) => {
    const [, type, names = "", from, bare, dynamic, worker] = match;
    const name = from ?? bare ?? dynamic ?? worker ?? "";
    const relativeName = name.startsWith(".") ? name.replace(/\.js$/, ".ts") : undefined;
    return {
      name,
      file: relativeName && posix.join(posix.dirname(file.path), relativeName),
      line: text.slice(0, match.index).split("\n").length,
      typeOnly: type !== undefined || allTypes(names),
    };
  });
}

/** Line numbers, from 1, where `pattern` occurs in `text`. */
export function linesWith(text: string, pattern: RegExp): number[] {
  return text.split("\n").flatMap((line, at) => (pattern.test(line) ? [at + 1] : []));
}
