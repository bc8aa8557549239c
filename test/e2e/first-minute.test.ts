/** The first minute of a new user: nothing is set up, and no repository is named. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { E2eHome, jsonLines, keyOf, withHome } from "../helpers/e2e-home.ts";

const modeOf = (path: string) => fs.statSync(path).mode & 0o777;

describe("without --repo", () => {
  const home = new E2eHome();
  const source = home.path("letters");
  const repository = home.path("data/varve/repository");
  const keyFile = home.path("config/varve/key");
  let between = "";

  before(() => {
    fs.mkdirSync(source);
    fs.writeFileSync(`${source}/letter`, "first draft\n");
  });
  after(() => home.remove());

  it("a command that only reads makes nothing, and says what does", async () => {
    const error = await home.fails(["snapshots"], "repo-absent", 10);
    assert.match(error.hint ?? "", /varve snapshot FOLDER/);
    assert.deepEqual(fs.readdirSync(home.folder).sort(), ["elsewhere", "letters"]);
  });

  it("a mistyped source makes nothing", async () => {
    await home.fails(["snapshot", home.path("leters")], "source-absent", 1);
    assert.deepEqual(fs.readdirSync(home.folder).sort(), ["elsewhere", "letters"]);
  });

  it("the first snapshot makes repository and key file, and says so", async () => {
    const run = await home.ok(["snapshot", "letters"], { cwd: home.folder });
    home.secrets.push(keyOf(keyFile));
    assert.match(run.out, /^Snapshot [0-9a-f]{8}: 1 file \(1 new, 0 changed\), 12 B; stored .+\n$/);
    assert.ok(run.err.includes(repository), run.err);
    assert.ok(run.err.includes(keyFile), run.err);
    assert.match(run.err, /Copy it to a safe place/);
    assert.equal(modeOf(keyFile), 0o600);
    for (const folder of ["config/varve", "data/varve/repository", "cache/varve"]) {
      assert.equal(modeOf(home.path(folder)), 0o700, folder);
    }
    assert.match(fs.readFileSync(keyFile, "utf8"), /^varve-key-v1:[0-9a-f]{64}:[0-9a-f]{8}\n$/);
  });

  it("the second is silent about both", async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    between = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 20));
    fs.writeFileSync(`${source}/letter`, "second draft\n");
    const run = await home.ok(["snapshot", source]);
    assert.equal(run.err, "");
    assert.match(run.out, /\(0 new, 1 changed\)/);
  });

  it("all commands find them again", async () => {
    const path = `${source}/letter`;
    assert.equal((await home.rows(["snapshots"])).length, 2);
    assert.equal((await home.ok(["dump", "latest", path])).out, "second draft\n");
    assert.equal((await home.ok(["ls", "-R", "latest"])).out.trim().split("\n").length, 1);
    assert.equal((await home.rows(["find", "letter"])).length, 2);
    assert.match((await home.ok(["diff", "latest~1", "latest"])).out, /^M {2}.*letter$/m);
    const target = home.path("then");
    await home.ok(["restore", "--at", between, "--target", target, source]);
    assert.equal(fs.readFileSync(`${target}${path}`, "utf8"), "first draft\n");
    assert.equal((await home.row(["prune", "--keep-last", "1"]))["forgotten_count"], 1);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
    assert.equal((await home.rows(["key", "list"])).length, 1);
    assert.equal((await home.row(["stats"]))["logical_bytes"], 13);
    assert.deepEqual(await home.rows(["sessions"]), []);
  });

  it("the cache may be deleted at any time", async () => {
    fs.rmSync(home.path("cache"), { recursive: true });
    assert.equal((await home.row(["snapshot", source]))["unchanged"], true);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
  });
});

it("a folder that holds repository and cache does not back itself up", async () => {
  await withHome(async (home) => {
    fs.writeFileSync(home.path("note"), "keep me\n");
    await home.ok(["snapshot", home.folder]);
    const listed = await home.rows(["ls", "--recursive", "latest"]);
    const paths = listed.map((row) => String(row["path"]));
    assert.ok(paths.includes(home.path("note")));
    assert.ok(paths.includes(home.path("config/varve/key")), "the key file is a file as any other");
    for (const own of ["data/varve/repository/", "cache/varve/"]) {
      assert.deepEqual(
        paths.filter((path) => path.startsWith(home.path(own))),
        [],
      );
    }
    const again = await home.row(["snapshot", home.folder]);
    assert.equal(again["new_files"], 0);
    assert.equal(again["files"], 2);
  });
});

it("two first snapshots at the same time both succeed", async () => {
  await withHome(async (home) => {
    for (const name of ["a", "b"]) {
      fs.mkdirSync(home.path(name));
      fs.writeFileSync(home.path(name, "file"), name);
    }
    const runs = await Promise.all(
      ["a", "b"].map((name) => home.ok(["snapshot", "--json", home.path(name)])),
    );
    const made = runs
      .flatMap(({ out }) => jsonLines(out))
      .filter((row) => row["created_repository"]);
    assert.equal(made.length, 1, "one of them made the repository");
    assert.equal((await home.rows(["snapshots"])).length, 2);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
  });
});

it("a dry run makes no repository", async () => {
  await withHome(async (home) => {
    await home.fails(["snapshot", "--dry-run", home.path("elsewhere")], "repo-absent", 10);
    assert.deepEqual(fs.readdirSync(home.folder), ["elsewhere"]);
  });
});

it("relative XDG folders do not count, as their specification says", async () => {
  await withHome(async (home) => {
    const env = { XDG_DATA_HOME: "data", XDG_CONFIG_HOME: "config", XDG_CACHE_HOME: "cache" };
    const made = await home.row(["snapshot", home.path("elsewhere")], 0, { env });
    assert.equal(made["created_repository"], home.path(".local/share/varve/repository"));
    assert.equal(made["created_key_file"], home.path(".config/varve/key"));
    assert.deepEqual(fs.readdirSync(home.path(".cache")), ["varve"]);
    assert.deepEqual(fs.readdirSync(home.path("elsewhere")), []);
  });
});
