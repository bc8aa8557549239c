/**
 * Repository, cache and target on file systems that run full: told clearly, and nothing is
 * lost.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { type SmallDisk, smallDisk } from "../helpers/e2e-disk.ts";
import { E2eHome, told } from "../helpers/e2e-home.ts";
import { compareTrees } from "../helpers/file-fixtures.ts";

const mebi = 1 << 20;

describe("a full disk", () => {
  const home = new E2eHome();
  const source = home.path("source");
  let disk: SmallDisk | undefined;

  before(async () => {
    fs.mkdirSync(source);
    fs.writeFileSync(`${source}/small`, randomBytes(2 * mebi));
    await home.makeRepository();
    await home.ok(["snapshot", source]);
  });
  afterEach(() => disk?.remove());
  after(() => home.remove());

  const temporaryFiles = (folder: string) =>
    fs
      .readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => /(^|\/)\.tmp-/.test(name));

  it("of the repository", async () => {
    disk = smallDisk(home.path("disk"), 8 * mebi, 3 * mebi);
    const repo = ["--repo", `${disk.folder}/repository`];
    const key = home.path("disk.key");
    await home.ok([...repo, "init", "--new-key-file", key, "--pack-size", "4M"]);
    const on = [...repo, "--password-file", key];
    const kept = await home.row([...on, "snapshot", source]);
    const small = home.path("small");
    fs.cpSync(source, small, { recursive: true, preserveTimestamps: true });
    fs.writeFileSync(`${source}/large`, randomBytes(20 * mebi));
    const snapshot = [...on, "snapshot", source];
    const error = await home.fails(
      snapshot,
      disk.isMounted ? "store-full" : "store-unreachable",
      1,
      { before: disk.before },
    );
    assert.ok(error.message.includes(disk.folder), error.message);
    assert.deepEqual(temporaryFiles(disk.folder), [], "no half-written file keeps the room");
    assert.equal((await home.rows([...on, "snapshots"])).length, 1);
    assert.equal((await home.row([...on, "check", "--read-data"]))["clean"], true);
    const target = home.path("from-full-disk");
    await home.ok([...on, "restore", String(kept["snapshot_id"]), "--target", target]);
    assert.deepEqual(
      fs.readFileSync(`${target}${source}/small`),
      fs.readFileSync(`${small}/small`),
    );
    // What prune frees, the hint says, no snapshot needs; it must work where there is little room.
    assert.equal((await home.row([...on, "prune"]))["forgotten_count"], 0);
    disk.grow(64 * mebi);
    await home.ok(snapshot);
    assert.equal((await home.row([...on, "check", "--read-data"]))["clean"], true);
    await home.ok([...on, "restore", "--target", target, "--delete"]);
    assert.deepEqual(compareTrees(source, target + source), []);
    fs.rmSync(`${source}/large`);
  });

  it("of the cache", async () => {
    disk = smallDisk(home.path("cache-disk"), 256 * 1024, 64 * 1024);
    const on = ["--cache-dir", `${disk.folder}/cache`];
    fs.mkdirSync(`${source}/many`);
    for (let i = 0; i < 3000; i++) fs.writeFileSync(`${source}/many/${i}`, `content ${i}`);
    const args = [...on, "snapshot", source];
    const failed = await home.fails(args, "cache-failed", 1, { before: disk.before });
    assert.ok(failed.message.includes(disk.folder), failed.message);
    assert.match(failed.hint ?? "", /--cache-dir/);
    // Another cache has room; what was stored is no damage.
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
    disk.grow(64 * mebi);
    const run = await home.run(args);
    assert.equal(run.code, 0, told(args, run));
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
    fs.rmSync(`${source}/many`, { recursive: true });
  });

  it("of the target", async () => {
    fs.writeFileSync(`${source}/large`, randomBytes(6 * mebi));
    await home.ok(["snapshot", source]);
    disk = smallDisk(home.path("target-disk"), 4 * mebi, 3 * mebi);
    const args = ["restore", "--target", disk.folder];
    const code = disk.isMounted ? "target-full" : "restore-incomplete";
    await home.fails(args, code, 1, { before: disk.before });
    disk.grow(32 * mebi);
    await home.ok([...args, "--overwrite", "if-changed", "--delete"]);
    assert.deepEqual(compareTrees(source, disk.folder + source), []);
  });
});
