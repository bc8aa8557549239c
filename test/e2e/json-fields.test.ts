/**
 * docs/json.md against what the program prints: every field that is documented, of the type that is
 * documented, and no other; also inside of arrays.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { E2eHome, type Json } from "../helpers/e2e-home.ts";
import { checkout } from "../tidy/source-text.ts";

interface Field {
  readonly type: string;
  /** Names inside of the objects of an array. */
  readonly inside: readonly string[];
}

/** Only where a name is no UTF-8. */
const onlyOdd = "path_base64";

function documented(): Map<string, Map<string, Field>> {
  const text = fs.readFileSync(join(checkout(), "docs/json.md"), "utf8");
  return new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), fieldsOf(section)]),
  );
}

function fieldsOf(section: string): Map<string, Field> {
  const rows = section.matchAll(/^\| `([a-z0-9_]+)` \| ([^|]+?) \| ?(.*?) ?\|$/gm);
  return new Map(
    [...rows].map(([, name = "", type = "", meaning = ""]) => {
      const inside = [...meaning.matchAll(/`([a-z0-9_]+)`/g)].map(([, inner = ""]) => inner);
      return [name, { type, inside: type === "array" ? inside : [] }];
    }),
  );
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;

function isOfType(value: unknown, type: string): boolean {
  return type.split(" or ").some((one) => {
    if (one === "null") return value === null;
    if (one === "time") return typeof value === "string" && time.test(value);
    if (one === "array") return Array.isArray(value);
    if (one === "array of strings") {
      return Array.isArray(value) && value.every((each) => typeof each === "string");
    }
    return typeof value === one;
  });
}

const arraysOf = (value: unknown): Json[] =>
  typeof value === "object" && value !== null
    ? (Array.isArray(value) ? value : Object.values(value)).flatMap((each) => [
        ...(Array.isArray(value) && typeof each === "object" ? [each as Json] : []),
        ...arraysOf(each),
      ])
    : [];

describe("docs/json.md", () => {
  const home = new E2eHome();
  const sections = documented();
  const source = home.path("source");
  const met = new Set<string>();
  /** Names inside of arrays that were met at least once. */
  const metInside = new Set<string>();

  before(async () => {
    fs.mkdirSync(source);
    fs.writeFileSync(`${source}/file`, randomBytes(300_000));
    fs.writeFileSync(Buffer.from(`${source}/odd-\xff`, "latin1"), "odd");
    fs.symlinkSync("file", `${source}/link`);
    await home.makeRepository();
  });
  after(() => home.remove());

  function compare(section: string, row: Json): void {
    met.add(section);
    const fields = sections.get(section);
    assert.ok(fields !== undefined, `${section} is not documented`);
    const names = Object.keys(row).filter((name) => name !== onlyOdd);
    const expected = [...fields.keys()].filter((name) => name !== onlyOdd);
    assert.deepEqual(names, expected, section);
    for (const [name, { type, inside }] of fields) {
      const value = row[name];
      if (name === onlyOdd && value === undefined) continue;
      assert.ok(isOfType(value, type), `${section}: ${name} is ${JSON.stringify(value)}`);
      for (const item of arraysOf(value)) {
        for (const key of Object.keys(item)) {
          assert.ok(inside.includes(key), `${section}: ${key} in ${name} is not documented`);
          metInside.add(`${section} ${name} ${key}`);
        }
      }
    }
  }

  async function check(section: string, args: readonly string[], code = 0): Promise<Json[]> {
    const rows = await home.rows(args, code);
    assert.ok(rows.length > 0, `${section}: nothing was printed`);
    for (const row of rows) compare(section, row);
    return rows;
  }

  it("init, snapshot, snapshots", async () => {
    const other = ["--repo", home.path("other"), "init", "--new-key-file", home.path("other.key")];
    delete home.env["VARVE_PASSWORD_FILE"];
    await check("init", other);
    home.env["VARVE_PASSWORD_FILE"] = home.path("repository.key");
    await check("snapshot", ["snapshot", "--tag", "a", "--dry-run", source]);
    await check("snapshot", ["snapshot", "--tag", "a", source]);
    const absent = ["snapshot", "--series", "absent", source, home.path("absent")];
    await check("snapshot", absent, 3);
    fs.writeFileSync(`${source}/new`, "new");
    await check("snapshot", ["snapshot", "--series", "named", source]);
    await check("snapshot", ["snapshot", source]);
    await check("snapshots", ["snapshots"]);
    const copy = ["copy", "--to", home.path("other"), "--to-password-file", home.path("other.key")];
    await check("copy", [...copy, "--dry-run"]);
    await check("copy", copy);
  });

  it("ls, find, diff", async () => {
    const rows = await check("ls", ["ls", "--recursive", "latest"]);
    assert.ok(
      rows.some((row) => row[onlyOdd] !== undefined),
      "an odd name",
    );
    await check("find", ["find", "*"]);
    const changes = await home.rows(["diff", "latest~2", "latest", "--metadata"]);
    const { totals } = changes.pop() ?? {};
    for (const row of changes) compare("diff", row);
    const text = fs.readFileSync(join(checkout(), "docs/json.md"), "utf8");
    const [sentence = ""] = /^One object a change[\s\S]*?\.$/m.exec(text) ?? [];
    const told = new Set([...sentence.matchAll(/`([a-z0-9_]+)`/g)].map(([, name]) => name));
    const keys = Object.entries(totals as Json).flatMap(([name, value]) => [
      name,
      ...Object.keys(Object(value)),
    ]);
    assert.deepEqual([...new Set(["totals", ...keys])].sort(), [...told].sort());
  });

  it("restore, with and without problems", async () => {
    await check("restore", ["restore", "--target", home.path("target")]);
    await check("restore", ["restore", "--target", home.path("target"), "--dry-run"]);
  });

  it("forget, prune", async () => {
    await check("prune", ["prune", "--keep-last", "1", "--dry-run"]);
    await check("forget", ["forget", "--dry-run", "latest"]);
    await check("forget", ["forget", "latest~2"]);
    await check("prune", ["prune"]);
  });

  it("key list, add, remove, passwd; stats; sessions; version", async () => {
    const [added] = await check("key add", ["key", "add", "--new-key-file", home.path("2.key")]);
    await check("key list", ["key", "list"]);
    await check("key remove", ["key", "remove", String(added?.["key_id"])]);
    await check("key passwd", ["key", "passwd", "--new-key-file", home.path("3.key")]);
    home.env["VARVE_PASSWORD_FILE"] = home.path("3.key");
    await check("stats", ["stats"]);
    await check("version", ["version"]);
    // A lease is there for as long as a writer is at work.
    const started = home.start(["snapshot", "--force", "/usr/lib"]);
    let rows: Json[] = [];
    while (rows.length === 0 && started.child.exitCode === null) {
      rows = await home.rows(["sessions"]);
    }
    started.child.kill("SIGKILL");
    await started.done;
    for (const row of rows) compare("sessions", row);
    for (const row of await check("sessions", ["sessions"])) assert.equal(row["gone"], true);
  });

  it("check, repair index, repair packs, repair snapshots, of a damaged repository", async () => {
    await check("check", ["check"]);
    const packs = home.path("repository/packs");
    const files = fs
      .readdirSync(packs, { recursive: true, encoding: "utf8" })
      .map((name) => join(packs, name))
      .filter((path) => fs.statSync(path).size > 200_000);
    for (const path of files) fs.truncateSync(path, 100_000);
    const rows = await check("check", ["check", "--read-data"], 4);
    const damage = rows[0]?.["damage"] as Json[];
    const copied = home.path("copied");
    const key = ["--new-key-file", home.path("copied.key")];
    await home.ok(["--repo", copied, "init", ...key]);
    home.env["VARVE_TO_PASSWORD_FILE"] = home.path("copied.key");
    await check("copy", ["copy", "--to", copied], 4);
    await check("restore", ["restore", "--target", home.path("target")], 1);
    await check("repair index", ["repair", "index", "--all"]);
    const names = damage.map(({ object }) => String(object)).filter((name) => /^packs/.test(name));
    await check("repair packs", ["repair", "packs", ...names]);
    await check("repair snapshots", ["repair", "snapshots", "--dry-run"]);
    await check("repair snapshots", ["repair", "snapshots", "--forget"]);
  });

  it("help, man, completion", async () => {
    await check("help", ["help"]);
    await check("help", ["help", "time"]);
    await check("man", ["man"]);
    await check("completion", ["completion", "bash"]);
  });

  it("all of it was met", () => {
    assert.deepEqual([...met].sort(), [...sections.keys()].sort());
    // What only damage of a kind not made here, or an odd name in an odd place, brings forth.
    const rare =
      /path_base64|unreadable|damaged_index_objects|damaged_tombstones|snapshot problems|notes/;
    const unmet = [...sections].flatMap(([section, fields]) =>
      [...fields].flatMap(([name, { inside }]) =>
        inside
          .map((key) => `${section} ${name} ${key}`)
          .filter((text) => !metInside.has(text) && !rare.test(text)),
      ),
    );
    assert.deepEqual(unmet, []);
  });
});
