/**
 * Patterns for one name of a path: `*` is any characters, `?` is one, `[a-z]`, `[!a-z]` and
 * `[[:alpha:]]` are one of a class, `\x` is the character x itself. Everything else stands for
 * itself, also `{}()+@!` and a `[` that is not closed. A leading dot is nothing special.
 *
 * Names are bytes. Where a name is valid UTF-8, `?` and classes mean characters, otherwise bytes.
 * The common patterns (a plain name, `*.o`, `lib*`) are compared without any of this.
 */
import { VarveError } from "../base/errors.ts";
import type { RawPath } from "../base/raw-path.ts";
import { type Star, star, wildcardFits } from "./wildcard.ts";

export type NameMatcher = (name: string) => boolean;

/** A pattern in the form that lets callers find names by a look-up instead of a test. */
export type NamePattern =
  | { readonly form: "plain"; readonly name: string }
  | { readonly form: "ending"; readonly ending: string }
  | { readonly form: "any" }
  | { readonly form: "test"; readonly test: NameMatcher };

interface CharacterClass {
  readonly negated: boolean;
  /** Code points, both ends included. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** A character itself, any one (`null`), one of a class, or a star. */
type Token = string | null | CharacterClass | Star;

const nonAscii = /[^\x00-\x7f]/;

const posixClasses: Record<string, string> = {
  alnum: "azAZ09",
  alpha: "azAZ",
  blank: "  \t\t",
  cntrl: "\x00\x1f\x7f\x7f",
  digit: "09",
  graph: "!~",
  lower: "az",
  print: " ~",
  punct: "!/:@[`{~",
  space: "  \t\r",
  upper: "AZ",
  xdigit: "09afAF",
};

const codePoint = (unit: string | undefined) => unit?.codePointAt(0) ?? 0;

function wrongPattern(reason: string): VarveError {
  return new VarveError("usage", `A pattern has ${reason}.`, {
    hint: "Write a backslash before a bracket that stands for itself.",
  });
}

/** Text where the bytes are UTF-8, otherwise undefined. */
function utf8Text(raw: string): string | undefined {
  const bytes = Buffer.from(raw, "latin1");
  const text = bytes.utf8Slice(0, bytes.length);
  return Buffer.from(text, "utf8").equals(bytes) ? text : undefined;
}

/** Characters of valid UTF-8, otherwise bytes. */
function unitsOf(raw: string): string | string[] {
  if (!nonAscii.test(raw)) return raw;
  return [...(utf8Text(raw) ?? raw)];
}

class PatternReader {
  readonly #units: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#units = [...text];
  }

  tokens(): Token[] {
    const tokens: Token[] = [];
    for (let unit = this.#next(); unit !== undefined; unit = this.#next()) {
      if (unit === "*") {
        if (tokens.at(-1) !== star) tokens.push(star);
      } else if (unit === "?") tokens.push(null);
      else if (unit === "[") tokens.push(this.#class() ?? "[");
      else if (unit === "\\") tokens.push(this.#next() ?? "\\");
      else tokens.push(unit);
    }
    return tokens;
  }

  #next(): string | undefined {
    return this.#units[this.#at++];
  }

  /** The class that begins here; undefined, and nothing read, when it is never closed. */
  #class(): CharacterClass | undefined {
    const start = this.#at;
    const first = this.#units[start];
    const negated = first === "!" || first === "^";
    if (negated) this.#at++;
    const ranges: [number, number][] = [];
    for (let isFirst = true; ; isFirst = false) {
      const unit = this.#next();
      if (unit === undefined) {
        this.#at = start;
        return undefined;
      }
      if (unit === "]" && !isFirst) return { negated, ranges };
      if (unit === "[" && this.#units[this.#at] === ":") this.#posixClass(ranges);
      else ranges.push(this.#range(unit));
    }
  }

  #range(unit: string): [number, number] {
    const first = codePoint(unit === "\\" ? this.#next() : unit);
    const beyond = this.#units[this.#at + 1];
    if (this.#units[this.#at] !== "-" || beyond === undefined || beyond === "]") {
      return [first, first];
    }
    this.#at += 2;
    const last = codePoint(beyond === "\\" ? this.#next() : beyond);
    if (last < first) throw wrongPattern("a class whose range runs backwards");
    return [first, last];
  }

  #posixClass(ranges: [number, number][]): void {
    const end = this.#units.indexOf("]", this.#at);
    const name = this.#units.slice(this.#at + 1, Math.max(0, end - 1)).join("");
    const ends = posixClasses[name];
    if (ends === undefined) throw wrongPattern(`the class "[:${name}:]", which does not exist`);
    for (let i = 0; i < ends.length; i += 2) {
      ranges.push([codePoint(ends[i]), codePoint(ends[i + 1])]);
    }
    this.#at = end + 1;
  }
}

function tokenFits(token: string | null | CharacterClass, unit: string): boolean {
  if (token === null) return true;
  if (typeof token === "string") return token === unit;
  const point = codePoint(unit);
  return token.negated !== token.ranges.some(([first, last]) => point >= first && point <= last);
}

const isText = (token: Token) => typeof token === "string";

/** Matches by characters where the name is UTF-8, by bytes where it is not. */
function slowMatcher(pattern: RawPath, byBytes: readonly Token[]): NameMatcher {
  const text = nonAscii.test(pattern) ? utf8Text(pattern) : undefined;
  const byText = text === undefined ? byBytes : new PatternReader(text).tokens();
  return (name) => {
    const units = unitsOf(name);
    const tokens = typeof units === "string" || units.length < name.length ? byText : byBytes;
    return wildcardFits(tokens, units, units.length, tokenFits);
  };
}

/** Compiles a pattern, which must have no "/"; `usage` when a class makes no sense. */
export function compileName(pattern: RawPath): NamePattern {
  const tokens = new PatternReader(pattern).tokens();
  const [first, ...rest] = tokens;
  if (tokens.every(isText)) return { form: "plain", name: tokens.join("") };
  if (first === star && rest.length === 0) return { form: "any" };
  if (first === star && rest.every(isText)) return { form: "ending", ending: rest.join("") };
  const before = tokens.slice(0, -1);
  if (tokens.at(-1) === star && before.every(isText)) {
    const beginning = before.join("");
    return { form: "test", test: (name) => name.startsWith(beginning) };
  }
  return { form: "test", test: slowMatcher(pattern, tokens) };
}

/** The pattern as a test. */
export function nameMatcher(pattern: NamePattern): NameMatcher {
  if (pattern.form === "test") return pattern.test;
  if (pattern.form === "any") return () => true;
  if (pattern.form === "plain") {
    const { name } = pattern;
    return (other) => other === name;
  }
  const { ending } = pattern;
  return (name) => name.endsWith(ending);
}
