/** Restores into folders that are not empty, some of them set up by somebody who means harm. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { after, before, beforeEach, describe, it } from "node:test";
import { E2eHome } from "../helpers/e2e-home.ts";
import { setTimes } from "../helpers/file-calls.ts";
import { removeTree } from "../helpers/file-fixtures.ts";

const second = 1_000_000_000n;
const oldNs = 1_600_000_000n * second;

describe("a target that is not empty", () => {
  const home = new E2eHome();
  const source = home.path("source");
  const target = home.path("target");
  const outside = home.path("outside");
  const stripped = String(source.split("/").length - 1);
  const into = ["restore", "--target", target, "--strip", stripped];
  const read = (name: string) => fs.readFileSync(`${target}/${name}`, "utf8");

  before(async () => {
    fs.mkdirSync(`${source}/folder`, { recursive: true });
    for (const name of ["one", "two", "folder/three"]) {
      fs.writeFileSync(`${source}/${name}`, `snapshot's ${name}`);
      setTimes(`${source}/${name}`, oldNs);
    }
    await home.makeRepository();
    await home.ok(["snapshot", source]);
  });
  after(() => home.remove());

  /** A target with a changed older file, a changed newer file, and one more. */
  beforeEach(() => {
    for (const folder of [target, outside]) {
      removeTree(folder);
      fs.mkdirSync(folder);
    }
    for (const [name, age] of [
      ["one", -second],
      ["two", second],
    ] as const) {
      fs.writeFileSync(`${target}/${name}`, `target's ${name}`);
      setTimes(`${target}/${name}`, oldNs + age);
    }
    fs.writeFileSync(`${target}/extra`, "target's extra");
    fs.writeFileSync(`${outside}/victim`, "untouched");
  });

  const cases = [
    ["always", "snapshot's one", "snapshot's two"],
    ["if-changed", "snapshot's one", "snapshot's two"],
    ["if-newer", "snapshot's one", "target's two"],
    ["never", "target's one", "target's two"],
  ] as const;
  for (const [overwrite, one, two] of cases) {
    it(`--overwrite ${overwrite}`, async () => {
      const row = await home.row([...into, "--overwrite", overwrite]);
      assert.equal(read("one"), one);
      assert.equal(read("two"), two);
      assert.equal(read("folder/three"), "snapshot's folder/three");
      assert.equal(read("extra"), "target's extra");
      assert.equal(row["deleted"], 0);
      const kept = [one, two].filter((text) => text.startsWith("target")).length;
      assert.equal(row["kept"], kept);
      assert.equal(row["files"], 3 - kept);
    });
  }

  it("a file of equal size and time is left alone by if-changed only", async () => {
    const text = "Snapshot's one";
    fs.writeFileSync(`${target}/one`, text);
    setTimes(`${target}/one`, oldNs);
    await home.ok([...into, "--overwrite", "if-changed"]);
    assert.equal(read("one"), text);
    await home.ok(into);
    assert.equal(read("one"), "snapshot's one");
  });

  it("--delete removes what the snapshot does not have; a dry run tells it", async () => {
    fs.mkdirSync(`${target}/extra-folder/deep`, { recursive: true });
    fs.writeFileSync(`${target}/extra-folder/deep/file`, "");
    const dry = await home.ok([...into, "--delete", "--dry-run"]);
    assert.match(dry.out, /^delete +.*\/target\/extra$/m);
    assert.ok(fs.existsSync(`${target}/extra-folder/deep/file`));
    const row = await home.row([...into, "--delete"]);
    assert.ok(Number(row["deleted"]) >= 2);
    assert.deepEqual(fs.readdirSync(target).sort(), ["folder", "one", "two"]);
  });

  it("a planted link to a folder outside is replaced, not followed", async () => {
    fs.symlinkSync(outside, `${target}/folder`);
    await home.ok([...into, "--delete"]);
    assert.equal(read("folder/three"), "snapshot's folder/three");
    assert.ok(fs.lstatSync(`${target}/folder`).isDirectory());
    assert.deepEqual(fs.readdirSync(outside), ["victim"]);
    assert.equal(fs.readFileSync(`${outside}/victim`, "utf8"), "untouched");
  });

  it("planted links on the way from the target's top are not followed", async () => {
    const top = source.split("/")[1] ?? "";
    fs.symlinkSync(outside, `${target}/${top}`);
    await home.ok(["restore", "--target", target]);
    assert.deepEqual(fs.readdirSync(outside), ["victim"]);
    assert.equal(fs.readFileSync(`${target}${source}/one`, "utf8"), "snapshot's one");
  });

  it("planted links in place of files, soft and hard, are not written through", async () => {
    fs.rmSync(`${target}/one`);
    fs.rmSync(`${target}/two`);
    fs.symlinkSync(`${outside}/victim`, `${target}/one`);
    fs.linkSync(`${outside}/victim`, `${target}/two`);
    const before = fs.statSync(`${outside}/victim`, { bigint: true });
    await home.ok(into);
    assert.equal(read("one"), "snapshot's one");
    assert.equal(read("two"), "snapshot's two");
    const now = fs.statSync(`${outside}/victim`, { bigint: true });
    assert.equal(fs.readFileSync(`${outside}/victim`, "utf8"), "untouched");
    assert.deepEqual([now.mode, now.mtimeNs], [before.mode, before.mtimeNs]);
  });

  it("--delete of a planted link leaves what it leads to", async () => {
    fs.symlinkSync(outside, `${target}/extra-link`);
    await home.ok([...into, "--delete"]);
    assert.equal(fs.lstatSync(`${target}/extra-link`, { throwIfNoEntry: false }), undefined);
    assert.deepEqual(fs.readdirSync(outside), ["victim"]);
  });

  it("a FIFO in place of a file does not make it wait", async () => {
    fs.rmSync(`${target}/one`);
    spawnSync("mkfifo", [`${target}/one`]);
    for (const overwrite of ["never", "if-changed"]) {
      await home.ok([...into, "--overwrite", overwrite, "--verify"]);
    }
    assert.equal(read("one"), "snapshot's one");
  });

  it("folders and files change places", async () => {
    fs.rmSync(`${target}/one`);
    fs.mkdirSync(`${target}/one/inside`, { recursive: true });
    fs.writeFileSync(`${target}/folder`, "a file");
    await home.ok([...into, "--delete"]);
    assert.equal(read("one"), "snapshot's one");
    assert.equal(read("folder/three"), "snapshot's folder/three");
  });

  it("a target that is a file, or cannot be made, is refused", async () => {
    const file = ["restore", "--target", `${outside}/victim`];
    await home.fails(file, "target-refused", 1);
    await home.fails(["restore", "--target", `${outside}/victim/below`], "target-refused", 1);
    assert.equal(fs.readFileSync(`${outside}/victim`, "utf8"), "untouched");
  });

  it("options that would delete what another part restores are refused", async () => {
    await home.ok(["snapshot", "--series", "both", `${source}/folder`, outside]);
    const args = ["restore", "--series", "both", "--target", target, "--delete"];
    await home.fails([...args, "--strip", stripped], "usage", 2);
    assert.ok(fs.existsSync(`${target}/extra`));
  });
});
