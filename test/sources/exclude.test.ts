/** Exclude rules: a table, a comparison with a plain matcher, and what files of rules may hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { rawPathFromText } from "../../src/base/raw-path.ts";
import { ExcludeRules, parseExcludeFile, parsePresenceRule } from "../../src/sources/exclude.ts";

const raw = (text: string) => rawPathFromText(text);

/** As a walk asks: by the names from "/", not below what is excluded. */
function isExcluded(rules: ExcludeRules, path: string): boolean {
  const isFolder = path.endsWith("/");
  const names = raw(path)
    .split("/")
    .filter((name) => name !== "");
  return names.some((_, at) =>
    rules.excludes(names, at + 1, at + 1 < names.length ? true : isFolder),
  );
}

/** Rules, paths that they exclude, paths that they leave; "/" at the end marks a folder. */
const table: [string[], string[], string[]][] = [
  [["cache"], ["/cache", "/a/cache/", "/a/cache/b"], ["/cached", "/a/xcache"]],
  [["*.o"], ["/a.o", "/x/y/.o", "/x.o/"], ["/a.oo", "/o"]],
  [["*.tar.gz"], ["/a.tar.gz"], ["/a.gz", "/a.tar"]],
  [["*~"], ["/a~"], ["/~a"]],
  [["core.[0-9]*"], ["/x/core.1", "/core.99x"], ["/core.", "/core.x"]],
  [["build/"], ["/a/build/", "/build/x"], ["/a/build", "/builds/"]],
  [["*.d/"], ["/a.d/x"], ["/a.d"]],
  [["/var/cache"], ["/var/cache/", "/var/cache/x"], ["/x/var/cache/", "/var/cached", "/var"]],
  [["/var/*/tmp"], ["/var/a/tmp"], ["/var/tmp", "/var/a/b/tmp"]],
  [["a/b"], ["/a/b", "/x/a/b", "/x/a/b/c"], ["/a", "/b", "/a/c/b"]],
  [["a/**/b"], ["/a/b", "/a/x/b", "/z/a/x/y/b"], ["/a", "/ab", "/x/b"]],
  [["/a/**/b"], ["/a/b", "/a/x/y/b"], ["/z/a/b"]],
  [["**/b"], ["/b", "/a/b", "/a/x/b/c"], ["/a/bb"]],
  [["/tmp/**"], ["/tmp/a", "/tmp/a/b/"], ["/tmp/", "/tmpx", "/x/tmp/a"]],
  [["/tmp/*"], ["/tmp/a", "/tmp/a/b"], ["/tmp/"]],
  [["**"], ["/a", "/a/b"], []],
  [["/*"], ["/a", "/a/b"], []],
  [["*.log", "!keep.log"], ["/a.log"], ["/keep.log", "/x/keep.log"]],
  [["!keep.log", "*.log"], ["/keep.log"], []],
  [["*.log", "!/x/**", "secret.log"], ["/a.log", "/x/secret.log"], ["/x/a.log"]],
  [
    ["/dir/*", "!/dir/keep"],
    ["/dir/a", "/dir/b/c"],
    ["/dir/", "/dir/keep", "/dir/keep/x"],
  ],
  [["/dir", "!/dir/keep"], ["/dir/", "/dir/keep"], []],
  [
    ["*", "!*/", "!*.txt"],
    ["/a", "/d/b"],
    ["/d/", "/d/x.txt", "/d/e/y.txt"],
  ],
  [["\\!important", "\\#x"], ["/!important", "/#x"], ["/important"]],
  [["grün", "n?tz"], ["/grün", "/a/nütz"], ["/gruen"]],
  [["//a///b/"], ["/a/b/"], ["/a/b"]],
  [["./x/./y"], ["/x/y", "/a/x/y"], ["/y"]],
  [
    ["a", "b/", "*.c", "/d/e", "f*g"],
    ["/a", "/b/", "/x.c", "/d/e", "/fxg"],
    ["/b", "/d"],
  ],
];

for (const [rules, excluded, kept] of table) {
  test(`rules ${rules.join(" , ")}`, () => {
    const compiled = new ExcludeRules(rules.map(raw));
    for (const path of excluded) assert.equal(isExcluded(compiled, path), true, path);
    for (const path of kept) assert.equal(isExcluded(compiled, path), false, path);
  });
}

test("no rules exclude nothing", () => {
  assert.equal(new ExcludeRules([]).excludes(["a"], 1, false), false);
});

test("only as many names as told are looked at", () => {
  const rules = new ExcludeRules([raw("/a/b"), raw("stale")]);
  assert.equal(rules.excludes(["a", "b", "stale"], 2, true), true);
  assert.equal(rules.excludes(["a", "x", "stale"], 2, true), false);
});

test("rules that exclude everything or nothing by mistake are usage errors", () => {
  for (const rule of ["", "/", "!", "//", "a/../b", "..", "[z-a]"]) {
    assert.throws(
      () => new ExcludeRules([raw(rule)]),
      (error) => hasCode(error, "usage"),
      rule,
    );
  }
});

const parts: Record<string, string> = {
  a: "a",
  b: "b",
  "*": "[^/]*",
  "a*": "a[^/]*",
  "*.c": "[^/]*\\.c",
  "?": "[^/]",
  "[ab]": "[ab]",
  "[!a]": "[^a/]",
};

/** The meaning of a rule, written down once more as a regular expression over the path. */
function reference(names: readonly string[], isAnchored: boolean): RegExp {
  const body = names.map((name, at) => {
    const isLast = at === names.length - 1;
    if (name === "**") return isLast ? "(?:[^/]+/)*[^/]+" : "(?:[^/]+/)*";
    return `${parts[name]}${isLast ? "" : "/"}`;
  });
  return new RegExp(`^${isAnchored ? "" : "(?:[^/]+/)*"}${body.join("")}$`);
}

test("rules agree with a plain matcher", () => {
  const name = fc.constantFrom(...Object.keys(parts), "**");
  const rule = fc.record({
    names: fc.array(name, { minLength: 1, maxLength: 4 }),
    isAnchored: fc.boolean(),
    isFolder: fc.boolean(),
    isKept: fc.boolean(),
  });
  const path = fc.array(fc.constantFrom("a", "b", "ab", "x.c", "c"), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 6 }), path, fc.boolean(), (rules, path, folder) => {
      const texts = rules.map(
        ({ names, isAnchored, isFolder, isKept }) =>
          `${isKept ? "!" : ""}${isAnchored ? "/" : ""}${names.join("/")}${isFolder ? "/" : ""}`,
      );
      const last = rules.findLast(
        ({ names, isAnchored, isFolder }) =>
          (folder || !isFolder) && reference(names, isAnchored).test(path.join("/")),
      );
      const compiled = new ExcludeRules(texts.map(raw));
      const expected = last !== undefined && !last.isKept;
      assert.equal(compiled.excludes(path, path.length, folder), expected, texts.join(" "));
    }),
    { numRuns: 3000 },
  );
});

test("a file of rules: comments, blank lines, spaces at the end, line ends", () => {
  const content = Buffer.from(
    "\ufeff*.o\r\n# comment\n\n   \n\\#name\n trailing  \nkept\\ \ntwo\\  \n!x\ngr\u00fcn",
  );
  assert.deepEqual(
    parseExcludeFile(content),
    ["*.o", "\\#name", " trailing", "kept\\ ", "two\\ ", "!x", raw("gr\u00fcn")].map(String),
  );
  const rules = new ExcludeRules(parseExcludeFile(content));
  assert.equal(rules.excludes(["kept "], 1, false), true);
  assert.equal(rules.excludes(["#name"], 1, false), true);
  assert.deepEqual(parseExcludeFile(Buffer.from("\xff\xfe", "latin1")), ["\xff\xfe"]);
  assert.deepEqual(parseExcludeFile(Buffer.alloc(0)), []);
});

test("presence rules name one file", () => {
  assert.deepEqual(parsePresenceRule(raw(".nobackup")), { name: ".nobackup", header: "" });
  assert.deepEqual(parsePresenceRule(raw("T:x:y")), { name: "T", header: "x:y" });
  for (const text of ["", ":x", "a/b", "..", "."]) {
    assert.throws(
      () => parsePresenceRule(raw(text)),
      (error) => hasCode(error, "usage"),
      text,
    );
  }
});
