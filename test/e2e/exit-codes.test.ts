/** Exit codes as scripts see them, and what damage is told as. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { E2eHome, type Json, nobody } from "../helpers/e2e-home.ts";
import { readableProgram } from "../helpers/e2e-program.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { needsRoot } from "../helpers/needs-root.ts";

describe("exit codes", () => {
  const home = new E2eHome();
  const source = home.path("source");

  before(async () => {
    fs.mkdirSync(source);
    fs.writeFileSync(`${source}/file`, "content");
    await home.makeRepository();
    await home.ok(["snapshot", source]);
  });
  after(() => home.remove());

  it("0 when all was done, and help on standard output", async () => {
    for (const args of [["--help"], ["help"], ["help", "snapshot"], ["snapshot", "--help"], []]) {
      const run = await home.ok(args);
      assert.match(run.out, /varve/);
      assert.equal(run.err, "");
    }
    assert.match((await home.ok(["--version"])).out, /^\d+\.\d+\.\d+\n$/);
  });

  it("1 when it failed", async () => {
    await home.fails(["snapshot", home.path("absent")], "source-absent", 1);
    await home.fails(["dump", "latest", "/absent"], "path-absent", 1);
  });

  it("2 for wrong usage, with where to look", async () => {
    const wrong = [
      ["snapshoot", source],
      ["snapshot"],
      ["snapshot", "--no-such-option", source],
      ["snapshot", "--exclude-larger-than", "much", source],
      ["snapshot", "--time", "noon", source],
      ["prune", "--keep-daily", "some"],
      ["restore"],
      ["check", "--read-data-subset", "9/7"],
      ["key"],
      ["--threads", "0", "snapshots"],
    ];
    for (const args of wrong) await home.fails(args, "usage", 2);
    const typed = await home.run(["snapshoot", source]);
    assert.match(typed.err, /did you mean snapshot\?$/m, "it names what may have been meant");
    const misspelt = await home.run(["snapshot", "--exlude", "x", source]);
    assert.match(misspelt.err, /did you mean --exclude\?$/m);
    const count = await home.run(["prune", "--keep-daily", "some"]);
    assert.match(count.err, /--keep-daily: "some"/, "it names the option");
  });

  it("10 where there is no repository", async () => {
    const empty = home.path("empty");
    fs.mkdirSync(empty);
    for (const place of [empty, home.path("absent"), source, `${source}/file`]) {
      await home.fails(["--repo", place, "snapshots"], "repo-absent", 10);
      await home.fails(["--repo", place, "snapshot", source], "repo-absent", 10);
    }
    assert.deepEqual(fs.readdirSync(empty), []);
    assert.ok(!fs.existsSync(home.path("absent")));
  });

  it("1 for folders that cannot be made, and it does not try for ever", {
    skip: needsRoot,
  }, async () => {
    await home.fails(["--cache-dir", "/proc/none/such", "snapshots"], "cache-failed", 1);
    await home.fails(["restore", "--target", "/proc/none/such"], "target-refused", 1);
    const noHome = { HOME: undefined, XDG_CACHE_HOME: undefined };
    const unknown = { uid: 54_321, env: noHome, program: readableProgram() };
    const { message } = await home.fails(["snapshots"], "usage", 2, unknown);
    assert.match(message, /HOME/);
  });

  it("12 for a wrong key", async () => {
    const other = home.path("other.key");
    await home.ok(["--repo", home.path("other"), "init", "--new-key-file", other]);
    await home.fails(["--password-file", other, "snapshots"], "password-wrong", 12);
  });

  it("3 when a snapshot was made and something could not be read", {
    skip: needsRoot,
  }, async () => {
    const user = new E2eHome(nobody);
    const options = { program: readableProgram() };
    try {
      const mine = user.path("mine");
      fs.mkdirSync(`${mine}/closed`, { recursive: true });
      fs.writeFileSync(`${mine}/open`, "open");
      fs.writeFileSync(`${mine}/secret`, "secret", { mode: 0o600 });
      fs.chmodSync(`${mine}/closed`, 0o700);
      const row = await user.row(["snapshot", mine], 3, options);
      const problems = row["problems"] as { path: string; code: string; severity: string }[];
      assert.deepEqual(problems.map(({ path, code, severity }) => [path, code, severity]).sort(), [
        [`${mine}/closed`, "EACCES", "error"],
        [`${mine}/secret`, "EACCES", "error"],
      ]);
      assert.equal(row["problem_count"], 2);
      const told = await user.run(["--quiet", "snapshot", mine], options);
      assert.equal(told.code, 3);
      assert.equal(told.out, "");
      assert.match(told.err, /^warning: .*\/secret: .*$/m);
      const [listed] = await user.rows(["snapshots", "--latest", "1"], 0, options);
      assert.equal(listed?.["problems"], 2);
      assert.match((await user.ok(["snapshots"], options)).out, /could not be read/);
    } finally {
      user.remove();
    }
  });
});

describe("damage", () => {
  const home = new E2eHome();
  const source = home.path("source");
  let packs: string[];

  const packFiles = () =>
    fs
      .readdirSync(home.path("repository/packs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.length > 60)
      .map((name) => home.path("repository/packs", name))
      .sort((a, b) => fs.statSync(b).size - fs.statSync(a).size);

  before(async () => {
    fs.mkdirSync(`${source}/folder`, { recursive: true });
    fs.writeFileSync(`${source}/folder/hurt`, noise(600_000, 3));
    fs.writeFileSync(`${source}/whole`, "whole");
    await home.makeRepository();
    await home.ok(["snapshot", source]);
    await home.ok(["snapshot", source]);
    packs = packFiles();
    const pack = packs[0] ?? "";
    const bytes = fs.readFileSync(pack);
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    fs.writeFileSync(pack, bytes);
  });
  after(() => home.remove());

  it("of a byte: 4 from check --read-data, with snapshots and paths", async () => {
    const row = await home.row(["check", "--read-data"], 4);
    assert.equal(row["clean"], false);
    const ids = (await home.rows(["snapshots"])).map(({ id }) => id);
    const [damage] = row["damage"] as Json[];
    assert.ok(String(damage?.["object"]).endsWith(packs[0]?.split("/").at(-1) ?? "?"));
    assert.deepEqual((damage?.["snapshots"] as string[] | undefined)?.toSorted(), [...ids].sort());
    const paths = damage?.["paths"] as Json[];
    assert.deepEqual([...new Set(paths.map(({ path }) => path))], [`${source}/folder/hurt`]);
    const hurt = row["hurt_snapshots"] as Json[];
    assert.deepEqual(hurt.map(({ snapshot_id }) => snapshot_id).sort(), [...ids].sort());
    const people = await home.run(["check", "--read-data"]);
    assert.equal(people.code, 4);
    assert.match(people.out, /^Kind +Object +Snapshots +Entries +Damage$/m);
    assert.ok(people.out.includes(`${source}/folder/hurt`), people.out);
    assert.match(people.err, /^hint: .*varve help repair/m);
  });

  it("is not written into a restore, and the rest is", async () => {
    const target = home.path("target");
    const row = await home.row(["restore", "--target", target], 1);
    assert.equal(row["failed"], 1);
    const [problem] = row["problems"] as Json[];
    assert.equal(problem?.["path"], `${source}/folder/hurt`);
    assert.ok(!fs.existsSync(`${target}${source}/folder/hurt`));
    assert.equal(fs.readFileSync(`${target}${source}/whole`, "utf8"), "whole");
    const dump = await home.run(["dump", "latest", `${source}/folder/hurt`]);
    assert.equal(dump.code, 1);
    assert.match(dump.err, /^varve: /);
  });

  it("heals with what the source still has, as `varve help repair` says", async () => {
    await home.ok(["repair", "packs", "--read-data"]);
    assert.equal((await home.row(["check", "--read-data"], 4))["clean"], false);
    const made = await home.row(["snapshot", source]);
    // The chunk around the middle of the file, which is one chunk or two.
    assert.ok(Number(made["added_bytes"]) > 250_000, "what was lost is stored again");
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
    const target = home.path("healed");
    await home.ok(["restore", "latest~2", "--target", target]);
    assert.deepEqual(fs.readFileSync(`${target}${source}/folder/hurt`), noise(600_000, 3));
  });

  it("of a pack that is gone: 4 from check; repair drops paths by name", async () => {
    fs.writeFileSync(`${source}/folder/hurt`, noise(700_000, 4));
    await home.ok(["snapshot", source]);
    const [pack = ""] = packFiles().filter((path) => !packs.includes(path));
    fs.rmSync(pack);
    const row = await home.row(["check"], 4);
    assert.ok(Number(row["damage_count"]) >= 1);
    await home.ok(["repair", "packs", ...(await lostPacks(row))]);
    const repaired = await home.row(["repair", "snapshots", "--forget"]);
    const dropped = repaired["dropped"] as Json[];
    assert.ok(dropped.length >= 1);
    for (const { path } of dropped) assert.equal(path, `${source}/folder/hurt`);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
  });

  it("of a pack that is gone: a snapshot says so and heals what the source still has", async () => {
    const before = packFiles();
    fs.writeFileSync(`${source}/folder/mended`, noise(800_000, 5));
    await home.ok(["snapshot", source]);
    for (const path of packFiles().filter((each) => !before.includes(each))) fs.rmSync(path);
    const run = await home.ok(["snapshot", source]);
    assert.match(run.err, /missing from the repository.*stored again/);
    assert.ok(Number((await home.row(["snapshot", source]))["lost_packs"]) > 0, "and again");
    const target = home.path("mended");
    await home.ok(["restore", "latest", "--target", target]);
    assert.deepEqual(fs.readFileSync(`${target}${source}/folder/mended`), noise(800_000, 5));
    await home.ok(["repair", "packs"]);
    await home.ok(["repair", "snapshots", "--forget"]);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
  });

  async function lostPacks(row: Json): Promise<string[]> {
    return (row["damage"] as Json[])
      .map(({ object }) => String(object))
      .filter((object) => object.startsWith("packs/"))
      .map((object) => object.split("/").at(-1) ?? "");
  }

  it("of all index objects: rebuilt from the packs alone", async () => {
    for (const name of fs.readdirSync(home.path("repository/index"))) {
      fs.rmSync(home.path("repository/index", name));
    }
    await home.run(["check"]);
    const row = await home.row(["repair", "index"]);
    assert.ok(Number(row["added_packs"]) > 0);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
  });
});
