/**
 * Holds the house's rules over the checkout's own files: who may import whom, what only some rooms
 * may touch, names, sizes, and what never gets committed. Each fault is named by file and line.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";
import {
  checkout,
  codeOnly,
  committedPaths,
  importsOf,
  linesWith,
  readSource,
  type SourceFile,
} from "./tidy/source-text.ts";

const top = checkout();
const paths = committedPaths(top);
const read = (path: string) => readSource(top, path);
/** The kernel is AssemblyScript: another language with the same ending. */
const isTypeScript = (path: string) =>
  path.endsWith(".ts") && !path.startsWith("src/chunker/kernel/");
const all = paths
  .filter((path) => /^(src|test|bench)\//.test(path) && isTypeScript(path))
  .map(read);
const src = all.filter((file) => file.path.startsWith("src/"));
const scripts = paths.filter((path) => path.endsWith(".mjs")).map(read);

/** A rule: `faultsOf` names everything in `files` that breaks it. */
function holds(
  name: string,
  faultsOf: (files: readonly SourceFile[]) => string[],
  files: readonly SourceFile[] = src,
) {
  test(name, () => {
    assert.ok(files.length > 0, "there is nothing to look at");
    const faults = faultsOf(files);
    if (faults.length > 0) assert.fail(`\n${faults.join("\n")}`);
  });
}

const isIn = (path: string, places: readonly string[]) =>
  places.some((place) => path === place || path.startsWith(`${place}/`));

/** Rooms and what each may import besides itself; the longest name that fits a file holds. */
const layers: Record<string, readonly string[]> = {
  "src/base": [],
  "src/chunker": ["src/base"],
  "src/sources": ["src/base"],
  "src/repo/store": ["src/base"],
  "src/repo/crypto": ["src/base"],
  "src/repo/format": ["src/base"],
  "src/repo": ["src/base"],
  "src/engine": ["src/repo", "src/chunker", "src/sources", "src/base"],
  "src/cli": ["src/engine", "src/repo", "src/chunker", "src/sources", "src/base"],
};
const rooms = Object.keys(layers).sort((a, b) => b.length - a.length);

holds("imports follow the layers", (files) =>
  files.flatMap((file) => {
    const room = rooms.find((name) => isIn(file.path, [name]));
    if (room === undefined) return [`${file.path}: is in no room`];
    const allowed = [room, ...(layers[room] ?? [])];
    return importsOf(file)
      .filter((item) => item.file !== undefined && !isIn(item.file, allowed))
      .map((item) => `${file.path}:${item.line}: ${room} may not import ${item.file}`);
  }),
);

/** Modules and packages, each with the only places that may import it. */
const places: Record<string, readonly string[]> = {
  "node:fs": [
    "src/repo/store",
    "src/repo/cache",
    "src/sources",
    "src/cli",
    "src/engine/workers",
    "src/chunker/gear-kernel.ts", // its own WebAssembly, a part of the program
  ],
  "node:fs/promises": ["src/repo/store", "src/repo/cache", "src/sources", "src/cli"],
  "node:process": ["src/cli"],
  "node:readline": ["src/cli"],
  "node:readline/promises": ["src/repo/store/rclone"],
  "node:tty": ["src/cli"],
  "node:child_process": ["src/sources", "src/cli", "src/repo/store/rclone"],
  "node:module": ["src/repo/crypto"],
  "node:crypto": [
    "src/repo/crypto",
    "src/base/clock.ts",
    "src/repo/store/sftp/known-hosts.ts", // names of hosts that are hashed
  ],
  "node:net": ["src/repo/store/sftp"],
  "node:http": ["src/repo/store/s3", "src/repo/store/rclone"],
  "node:https": ["src/repo/store/s3"],
  "node:tls": ["src/repo/store/s3"],
  "@aws-sdk/client-s3": ["src/repo/store/s3"],
  ssh2: ["src/repo/store/sftp"],
  "@noble/ciphers": ["src/repo/crypto"],
  "@napi-rs/blake-hash": ["src/repo/crypto"],
  "hash-wasm": ["src/repo/crypto"],
  "zstd-napi": ["src/repo"],
  "better-sqlite3": ["src/repo/cache", "src/sources"],
  koffi: ["src/sources/linux", "src/repo/crypto"],
  "tar-stream": ["src/engine"],
  yazl: ["src/engine"],
  commander: ["src/cli"],
  "cli-progress": ["src/cli"],
};
/** Node modules that any room may use: they touch nothing outside the process's memory. */
const anywhere = new RegExp(
  "^node:(buffer|events|os|path|stream|stream/promises|string_decoder|timers|url|util|" +
    "worker_threads)$",
);

function packageOf(name: string): string {
  if (name.startsWith("node:")) return name;
  return name.split("/", name.startsWith("@") ? 2 : 1).join("/");
}

holds("modules and packages stay in their places", (files) =>
  files.flatMap((file) =>
    importsOf(file)
      .filter((item) => item.file === undefined && !anywhere.test(item.name))
      .filter((item) => !isIn(file.path, places[packageOf(item.name)] ?? []))
      .map((item) => `${file.path}:${item.line}: ${item.name} is not for this place`),
  ),
);

/** `process.platform` is a fact about the build, not about the run. */
const processAllowed = ["src/cli", "src/sources/linux/libc.ts"];

holds("only cli touches the process and prints", (files) =>
  files
    .filter((file) => !isIn(file.path, processAllowed))
    .flatMap((file) =>
      linesWith(codeOnly(file.text), /\b(process|console)\s*[.[]/).map(
        (line) => `${file.path}:${line}: process or console outside cli`,
      ),
    ),
);

holds("time and randomness are passed in", (files) =>
  files
    .filter((file) => file.path !== "src/base/clock.ts")
    .flatMap((file) =>
      linesWith(
        codeOnly(file.text),
        /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.(now|timeOrigin)\b/,
      ).map((line) => `${file.path}:${line}: asks for the time, or for chance, itself`),
    ),
);

/** Sources that no command reaches, each with its reason. */
const unreached: Record<string, string> = {
  "src/chunker/twin.ts": "the definition that tests hold the kernel to",
  "src/chunker/stream-cutter.ts": "pieces of any length, for the bench and the tests of slicing",
  "src/repo/store/memory-store.ts": "a store for tests of everything above it",
  "src/repo/store/fault-store.ts":
    "crashes and damage on purpose, for tests and for the simulation to come",
  "src/repo/store/seeded.ts": "the fault store's randomness",
};

holds("every source is reached from the program", (files) => {
  const entry = "src/cli/main.ts";
  const byPath = new Map(files.map((file) => [file.path, file]));
  if (!byPath.has(entry)) return [`${entry}: is absent`];
  const seen = new Set<string>();
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (file === undefined || seen.has(path)) continue;
    seen.add(path);
    queue.push(...importsOf(file).flatMap((item) => item.file ?? []));
  }
  return files
    .map((file) => file.path)
    .filter((path) => !seen.has(path) && !path.endsWith(".d.ts") && !(path in unreached))
    .map((path) => `${path}: nothing in the program uses it`);
});

holds("imports name files that exist, and make no ring", (files) => {
  const known = new Set(files.map((file) => file.path));
  const faults: string[] = [];
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const local = importsOf(file).filter((item) => item.file !== undefined);
    for (const { line, name, file: target = "" } of local) {
      if (!known.has(target)) faults.push(`${file.path}:${line}: ${name} does not exist`);
    }
    const values = local.filter((item) => !item.typeOnly && !item.name.endsWith(".js"));
    graph.set(
      file.path,
      values.flatMap((item) => item.file ?? []),
    );
  }
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) faults.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    if (done.has(path)) return;
    done.add(path);
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
  };
  for (const path of graph.keys()) visit(path, []);
  return faults;
});

holds(
  "file names are kebab-case and say something",
  (files) =>
    files.flatMap(({ path }) => {
      const name = posix.basename(path);
      if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.d|\.test)?\.ts$/.test(name)) return [`${path}: kebab-case`];
      const empty = /^(utils?|index|helpers?|misc|common|shared|types)\./.test(name);
      return empty ? [`${path}: the name says nothing`] : [];
    }),
  all,
);

holds(
  "nothing is exported as default",
  (files) =>
    files.flatMap((file) =>
      linesWith(codeOnly(file.text), /^\s*export\s+default\b|\bas default\b/).map(
        (line) => `${file.path}:${line}: default export`,
      ),
    ),
  all,
);

/** Lines of a file; functions are measured by the linter. */
const linesMax = (path: string) => (path.startsWith("test/") ? 600 : 400);

holds(
  "files and lines are short enough to read",
  (files) =>
    files.flatMap((file) => [
      ...(file.lines.length - 1 > linesMax(file.path)
        ? [`${file.path}: ${file.lines.length - 1} lines, at most ${linesMax(file.path)}`]
        : []),
      ...file.lines.flatMap((line, at) =>
        line.length > 100 ? [`${file.path}:${at + 1}: ${line.length} columns`] : [],
      ),
    ]),
  [...all, ...scripts],
);

holds("transactions say when they lock (cache-database.ts)", (files) =>
  files.flatMap((file) => {
    const count = (pattern: RegExp) => codeOnly(file.text).match(pattern)?.length ?? 0;
    const begun = count(/\.transaction\(/g);
    return begun === count(/\.(immediate|deferred)\(\)/g)
      ? []
      : [`${file.path}: a transaction that is neither immediate nor deferred`];
  }),
);

holds("every module opens with what it is for", (files) =>
  files.flatMap((file) => {
    const header = /^(?:#![^\n]*\n)?(\/\*\*[\s\S]*?\*\/|(?:\/\/[^\n]*\n)+)/.exec(file.text)?.[1];
    if (header === undefined || header.length < 30) return [`${file.path}: has no opening comment`];
    const lines = header.trimEnd().split("\n").length - (header.startsWith("/**\n") ? 2 : 0);
    return lines > 15 ? [`${file.path}: opens with ${lines} lines, at most 15`] : [];
  }),
);

const thisTest = "test/tidy.test.ts";
const texts = paths
  .filter((path) => !path.startsWith("test/fixtures/") && path !== thisTest)
  .filter((path) => /\.(ts|mjs|json|md|sh|txt|1)$|^\.ci\/|^\.githooks\/|^[^.]*$/.test(path))
  .map(read);

function never(name: string, pattern: RegExp, what: string, files: readonly SourceFile[] = texts) {
  holds(
    name,
    (some) =>
      some.flatMap((file) =>
        linesWith(file.text, pattern).map((line) => `${file.path}:${line}: ${what}`),
      ),
    files,
  );
}

never("nothing is left to be done later", /\b(TODO|FIXME|XXX|HACK)\b/, "unfinished");
never("no path of one machine", /(?<![\w.~-])\/(root|work)\b/, "a path of this machine");
never(
  "no host of a package registry",
  /:\/\/[^\s"'/]*(registry|mirror|proxy|artifactory|nexus|npmjs|debian\.org)/i,
  "a registry's host",
);
never(
  "the lockfile names no host",
  /"resolved":\s*"[a-z+]+:\/\//,
  "write it with omit-lockfile-registry-resolved",
  [read("package-lock.json")],
);
interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

test("the lockfile names the packages of all systems", () => {
  // npm leaves out those that its registry does not have, and `npm ci` then refuses the file.
  const lock = JSON.parse(read("package-lock.json").text) as {
    packages: Record<string, LockedPackage>;
  };
  const names = Object.values(lock.packages).flatMap((of) =>
    Object.keys(of.optionalDependencies ?? {}),
  );
  const missing = names.filter((name) => !(`node_modules/${name}` in lock.packages));
  assert.deepEqual(missing, []);
});

/** A reason is a text on the same line, or a constant named for what is needed. */
const leftOut = new RegExp(
  String.raw`\b(it|test|suite|describe|t)\.(todo|only)\b|\.skip\(\s*\)|` +
    String.raw`\bskip:(?!.*["'\x60]|.*[rR]eason|\s*needs[A-Z])`,
);
never(
  "no test is left out without a reason",
  leftOut,
  "skip, todo or only without a reason",
  all.filter((file) => file.path.startsWith("test/")),
);

holds(
  "links in the documents lead somewhere",
  (files) =>
    files.flatMap((file) => {
      const links = [...file.text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(
        ([, to = ""]) => to,
      );
      return links
        .filter((to) => !/^[a-z]+:/.test(to))
        .filter((to) => !existsSync(join(top, posix.dirname(file.path), to)))
        .map((to) => `${file.path}: ${to} does not exist`);
    }),
  paths.filter((path) => path.endsWith(".md") && !path.startsWith("test/fixtures/")).map(read),
);

test("docs/architecture.md is at most 300 lines", () => {
  assert.ok(read("docs/architecture.md").lines.length <= 301);
});
