/** A named path that is not there today, such as a disk that is not mounted, among others. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, it } from "node:test";
import { E2eHome, type Json } from "../helpers/e2e-home.ts";

const home = new E2eHome();
const letters = home.path("letters");
const mount = home.path("mount");
const disk = `${mount}/disk`;
const pattern = home.path("no-*-such");
let whole: Json = {};
let partial: Json = {};

const snapshot = (code: number, ...more: string[]) =>
  home.row(["snapshot", letters, disk, ...more], code);
const rowOf = async (made: Json) => {
  const rows = await home.rows(["snapshots"]);
  return rows.find(({ id }) => id === made["snapshot_id"]) ?? {};
};
const told = (made: Json) =>
  (made["problems"] as Json[]).map(({ path, code, severity }) => [path, code, severity]);

before(async () => {
  for (const folder of [letters, disk]) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(`${folder}/file`, `of ${folder}`);
  }
  await home.makeRepository();
  whole = await snapshot(0);
  fs.renameSync(mount, `${mount}-away`);
});
after(() => home.remove());

it("the others are snapshotted, it is named, and the exit code is 3", async () => {
  fs.appendFileSync(`${letters}/file`, "!");
  partial = await snapshot(3);
  assert.deepEqual(told(partial), [[disk, "ENOENT", "error"]]);
  assert.equal(partial["series"], whole["series"], "what was named is the series");
  assert.equal(partial["files"], 1);
  const cron = await home.run(["--quiet", "snapshot", letters, disk]);
  assert.equal(cron.code, 3);
  assert.match(cron.err, /^warning: .*\/disk: .*does not exist$/m);
  const dry = await snapshot(3, "--dry-run");
  assert.deepEqual(told(dry), [[disk, "ENOENT", "error"]]);
});

it("the snapshot says that it was absent, so that it does not look deleted", async () => {
  const listed = await rowOf(partial);
  assert.deepEqual(listed["absent_paths"], [{ path: disk }]);
  assert.deepEqual(listed["paths"], [{ path: letters }]);
  assert.equal(listed["problems"], 1);
  // The table shortens long paths, and how long these are depends on where tests are run.
  assert.match((await home.ok(["snapshots"])).out, /\(absent: \//);
  const ids = [whole, partial].map((made) => String(made["snapshot_id"]));
  const diff = await home.ok(["diff", ...ids]);
  assert.match(diff.err, /^warning: .*\/disk was absent when snapshot/m);
});

it("a restore of it takes the newest snapshot that has it", async () => {
  const target = home.path("target");
  await home.ok(["restore", "--target", target, disk]);
  assert.equal(fs.readFileSync(`${target}${disk}/file`, "utf8"), `of ${disk}`);
});

it("while it stays absent, nothing else has changed", async () => {
  const again = await snapshot(3, "--skip-if-unchanged");
  assert.equal(again["snapshot_id"], null);
  assert.equal(again["unchanged"], true);
});

it("when it is back, it is compared with what was there before", async () => {
  const last = (await home.rows(["snapshots"])).at(-1);
  fs.renameSync(`${mount}-away`, mount);
  const back = await snapshot(0, "--skip-if-unchanged");
  assert.equal(back["parent_id"], whole["snapshot_id"]);
  assert.equal(back["new_files"], 0, "known from before");
  const listed = await rowOf(back);
  assert.equal(listed["previous"], last?.["id"], "it follows the newest");
  assert.deepEqual(listed["absent_paths"], []);
});

it("is in the snapshot again even if all is as it was before it went", async () => {
  const first = await snapshot(0);
  fs.renameSync(mount, `${mount}-away`);
  await snapshot(3);
  fs.renameSync(`${mount}-away`, mount);
  const made = await snapshot(0, "--skip-if-unchanged");
  assert.equal(made["parent_id"], first["snapshot_id"]);
  assert.notEqual(made["snapshot_id"], null, "the newest must show the path");
});

it("a pattern that matches nothing is told like it", async () => {
  const made = await home.row(["snapshot", letters, pattern], 3);
  assert.deepEqual(told(made), [[pattern, "ENOENT", "error"]]);
});

it("when all are absent there is no snapshot", async () => {
  const count = (await home.rows(["snapshots"])).length;
  const args = ["snapshot", home.path("absent"), pattern];
  const { message } = await home.fails(args, "source-absent", 1);
  assert.ok(message.includes(home.path("absent")), message);
  assert.equal((await home.rows(["snapshots"])).length, count);
});
