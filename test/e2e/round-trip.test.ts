/**
 * A tree with one of everything, through snapshot and restore, and into targets that are not
 * empty.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { E2eHome, nobody } from "../helpers/e2e-home.ts";
import { readableProgram } from "../helpers/e2e-program.ts";
import { compareTrees, makeRichTree, type RichTree } from "../helpers/file-fixtures.ts";
import { needsRoot } from "../helpers/needs-root.ts";

describe("one of everything", { skip: needsRoot }, () => {
  const home = new E2eHome();
  const source = home.path("source");
  const target = home.path("target");
  const stripped = String(source.split("/").length - 1);
  let tree: RichTree;

  before(async () => {
    fs.mkdirSync(source);
    tree = await makeRichTree(source);
    await home.makeRepository();
  });
  after(() => home.remove());

  it("goes into a snapshot; sockets are named and no error", async () => {
    const made = await home.row(["snapshot", source]);
    assert.equal(made["problem_count"], 0);
    assert.equal(made["note_count"], tree.sockets.length);
    const again = await home.row(["snapshot", source]);
    assert.equal(again["unchanged"], true);
    assert.equal(again["read_bytes"], 0);
  });

  it("comes back whole, and read back equal", async () => {
    const row = await home.row(["restore", "--target", target, "--verify"]);
    assert.equal(row["failed"], 0);
    const names = Number(row["files"]) + Number(row["hard_links"]);
    // Of hard-linked files every name is read back; links that are no files are counted among them.
    assert.ok(Number(row["verified"]) > Number(row["files"]), "verified");
    assert.ok(Number(row["verified"]) <= names, "verified");
    assert.deepEqual(compareTrees(source, target + source), []);
  });

  it("nothing is left to do a second time", async () => {
    const row = await home.row(["restore", "--target", target, "--overwrite", "if-changed"]);
    assert.equal(row["files"], 0);
    assert.equal(row["bytes"], 0);
    assert.deepEqual(compareTrees(source, target + source), []);
  });

  it("a dry run says what a changed target needs, and touches nothing", async () => {
    const top = target + source;
    fs.writeFileSync(`${top}/files/text`, "spoilt");
    fs.rmSync(`${top}/files/one-byte`);
    fs.writeFileSync(`${top}/files/extra`, "of the target");
    fs.rmSync(`${top}/links/to-file`);
    fs.mkdirSync(`${top}/links/to-file`);
    fs.writeFileSync(`${top}/links/to-file/inside`, "in the way");
    fs.chmodSync(`${top}/modes/owned`, 0o777);
    const spoilt = compareTrees(source, top);
    const args = ["restore", "--target", target, "--overwrite", "if-changed", "--delete"];
    const dry = await home.ok([...args, "--dry-run"]);
    assert.match(dry.out, /^delete +.*files\/extra$/m);
    assert.match(dry.out, /files\/one-byte$/m);
    assert.match(dry.out, /^Would restore 2 files/m);
    assert.deepEqual(compareTrees(source, top), spoilt);
    const row = await home.row(args);
    assert.equal(row["files"], 2);
    assert.ok(Number(row["deleted"]) >= 1);
    assert.deepEqual(compareTrees(source, top), []);
  });

  it("some paths only, without the folders above them", async () => {
    const some = home.path("some");
    const paths = [`${source}/links`, `${source}/files/noise`];
    await home.ok(["restore", "latest", "--target", some, "--strip", stripped, ...paths]);
    assert.deepEqual(fs.readdirSync(some).sort(), ["files", "links"]);
    assert.deepEqual(fs.readdirSync(`${some}/files`), ["noise"]);
    assert.deepEqual(compareTrees(`${source}/links`, `${some}/links`), []);
    await home.fails(["restore", "latest", "--target", some, `${source}/absent`], "path-absent", 1);
  });

  it("lists names that are not UTF-8 with their bytes", async () => {
    const rows = await home.rows(["ls", "latest", `${source}/names`]);
    const odd = rows.find((row) => String(row["path"]).includes("not-utf8"));
    const bytes = Buffer.from(String(odd?.["path_base64"]), "base64");
    assert.deepEqual(bytes, Buffer.from(`${source}/names/not-utf8-\xff\xfe\x80`, "latin1"));
    const shown = (await home.ok(["ls", "--recursive", "latest"])).bytes;
    // Control characters of names never reach a terminal raw.
    for (const byte of shown) assert.ok(byte >= 0x20 || byte === 0x0a, `byte ${byte}`);
  });

  it("a user who is not root restores what he may, and is told the rest", async () => {
    const other = new E2eHome(nobody);
    try {
      spawnSync("cp", ["-a", home.path("repository"), home.path("repository.key"), other.folder]);
      spawnSync("chown", ["-R", `${nobody}:${nobody}`, other.folder]);
      other.env["VARVE_REPO"] = other.path("repository");
      other.env["VARVE_PASSWORD_FILE"] = other.path("repository.key");
      const args = ["restore", "--target", other.path("target"), "--strip", stripped];
      const row = await other.row(args, 1, { program: readableProgram() });
      assert.ok(Number(row["owners_not_given"]) > 50, "owners");
      const problems = row["problems"] as { path: string; operation: string; code: string }[];
      const named = new Set(problems.map(({ path }) => path));
      for (const name of ["nodes/null", "nodes/loop", "attributes/capable"]) {
        assert.ok(named.has(`${source}/${name}`), `${name} is named as a problem`);
      }
      const differences = compareTrees(source, other.path("target"));
      // Devices need root; so do owners and capabilities. --strip leaves the top folder out.
      const expected =
        /^"": mtime: |^"[^"]*": (uid|gid|mode|xattrs): |^"\/(nodes|attributes)\/[a-z-]+": presence/;
      const others = differences.filter((text) => !expected.test(text));
      assert.deepEqual(others, []);
      const modes = differences.filter((text) => /: mode: /.test(text));
      // Set-id bits are not given to the wrong owner.
      for (const text of modes) assert.match(text, /^"(\/modes\/.*)?": /);
    } finally {
      other.remove();
    }
  });
});
