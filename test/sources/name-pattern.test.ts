/** Patterns for one name: a table of what fits, and a comparison with regular expressions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { type RawPath, rawPathFromText } from "../../src/base/raw-path.ts";
import { compileName, nameMatcher } from "../../src/sources/name-pattern.ts";

const fits = (pattern: string, name: string) =>
  nameMatcher(compileName(rawPathFromText(pattern)))(name);
const text = (name: string): string => rawPathFromText(name);

const table: [string, string[], string[]][] = [
  ["a.o", ["a.o"], ["a_o", "xa.o", "a.ox", ""]],
  ["*", ["a", ".a", "\n", "\xff", "..."], []],
  ["**", ["a", ".a"], []],
  ["*.o", [".o", "a.o", "a.b.o", "\xff.o", "\na.o"], ["o", "a.oo", "a.O"]],
  ["lib*", ["lib", "lib.so"], ["Lib", "xlib"]],
  ["a*b*c", ["abc", "axbxc", "abcbc"], ["ab", "acb", "abcx"]],
  ["?", ["a", ".", "\xff", "\n", text("ä"), text("🏔")], ["", "ab", "\xff\xfe"]],
  ["a?c", ["abc", text("aäc"), "a\xffc"], ["ac", "abbc"]],
  ["[abc]", ["a", "b", "c"], ["d", "ab", ""]],
  ["[a-c]x", ["ax", "bx"], ["dx", "-x"]],
  ["[!a-c]", ["d", "\xff", text("ä")], ["a", ""]],
  ["[^a]", ["b", "^"], ["a"]],
  ["[]a]", ["]", "a"], ["b"]],
  ["[!]a]", ["b"], ["]", "a"]],
  ["[a-]", ["a", "-"], ["b"]],
  ["[\\]x]", ["]", "x"], ["\\"]],
  ["[ä-ü]?", [text("öx"), text("üß")], ["ax", text("ä")]],
  ["[[:digit:]_]*", ["1", "_x", "9z"], ["a", ""]],
  ["[[:upper:]][![:space:]]", ["AB"], ["A ", "aB"]],
  ["a[", ["a["], ["a"]],
  ["[", ["["], ["", "[["]],
  ["\\*", ["*"], ["a", "\\*"]],
  ["a\\?b*", ["a?b", "a?bc"], ["axb"]],
  ["*\\*", ["*", "a*"], ["a"]],
  ["a\\", ["a\\"], ["a"]],
  ["file (1).{a,b}", ["file (1).{a,b}"], ["file 1.a", "file (1).a"]],
  ["+(x)@!$^|", ["+(x)@!$^|"], ["x"]],
  ["(?)", ["(a)"], ["a"]],
  ["grün*", [text("grün"), text("grünlich")], [text("grun")]],
];

for (const [pattern, yes, no] of table) {
  test(`pattern ${pattern}`, () => {
    for (const name of yes) assert.equal(fits(pattern, name), true, JSON.stringify(name));
    for (const name of no) assert.equal(fits(pattern, name), false, JSON.stringify(name));
  });
}

test("patterns that are not UTF-8 compare bytes", () => {
  const test = nameMatcher(compileName("\xff?[\xfe-\xff]" as RawPath));
  assert.equal(test("\xff\x80\xfe"), true);
  assert.equal(test("\xff\x80\x80"), false);
});

test("a class that makes no sense is a usage error", () => {
  for (const pattern of ["[z-a]", "[[:letter:]]", "x[[:]"]) {
    assert.throws(
      () => compileName(pattern as RawPath),
      (error) => hasCode(error, "usage"),
      pattern,
    );
  }
});

test("many stars are not slow", () => {
  // Of this process's own time: others may keep the processors busy.
  const start = process.cpuUsage();
  assert.equal(fits(`${"*a".repeat(60)}?b`, "a".repeat(255)), false);
  assert.ok(process.cpuUsage(start).user < 2_000_000);
});

const tokens: Record<string, string> = {
  a: "a",
  b: "b",
  ".": "\\.",
  "*": ".*",
  "?": ".",
  "[ab]": "[ab]",
  "[!a]": "[^a]",
  "\\*": "\\*",
};

test("patterns agree with regular expressions", () => {
  const pattern = fc.array(fc.constantFrom(...Object.keys(tokens)), { minLength: 1, maxLength: 7 });
  const name = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "c"), maxLength: 8 });
  fc.assert(
    fc.property(pattern, name, (parts, name) => {
      const expected = new RegExp(`^${parts.map((part) => tokens[part]).join("")}$`, "s");
      assert.equal(fits(parts.join(""), name), expected.test(name));
    }),
    { numRuns: 2000 },
  );
});
