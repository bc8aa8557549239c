/** Copies to a second repository, as people make them: other passwords, kills, cron. */
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { compareTrees } from "../helpers/compare-trees.ts";
import { E2eHome, type Json, keyOf } from "../helpers/e2e-home.ts";

const mebi = 1 << 20;
const fileBytes = 3 * mebi;
const files = 16;

describe("copy", () => {
  const home = new E2eHome();
  const source = home.path("source");
  let repository: string;
  let targets = 0;

  before(async () => {
    fs.mkdirSync(`${source}/folder`, { recursive: true });
    const block = Buffer.alloc(fileBytes);
    for (let at = 0; at < files; at++) {
      fs.writeFileSync(`${source}/folder/${at}`, randomFillSync(block));
    }
    fs.symlinkSync("folder/1", `${source}/link`);
    fs.linkSync(`${source}/folder/2`, `${source}/second name`);
    fs.writeFileSync(`${source}/empty`, "");
    repository = await home.makeRepository("near", ["--pack-size", "2M"]);
    await home.ok(["snapshot", source]);
    fs.appendFileSync(`${source}/folder/3`, "more");
    await home.ok(["snapshot", source]);
  });
  after(() => home.remove());

  /** Its folder; the key file lies beside it. */
  async function makeTarget(...options: string[]): Promise<string> {
    const folder = home.path(`far-${++targets}`);
    const init = ["--repo", folder, "init", "--new-key-file", `${folder}.key`];
    await home.ok([...init, "--pack-size", "2M", ...options]);
    home.secrets.push(keyOf(`${folder}.key`));
    return folder;
  }

  const likeNear = () => ["--copy-chunker-from", repository, "--from-password-file", nearKey()];
  const nearKey = () => home.path("near.key");
  const copyTo = (folder: string) => [
    "copy",
    "--to",
    folder,
    "--to-password-file",
    `${folder}.key`,
  ];
  const openedBy = (folder: string) => ["--repo", folder, "--password-file", `${folder}.key`];

  async function requireEqual(folder: string): Promise<void> {
    await home.ok([...openedBy(folder), "check", "--read-data"]);
    const restored = home.path("restored");
    await home.ok([...openedBy(folder), "restore", "--target", restored, source]);
    assert.deepEqual(compareTrees(source, `${restored}${source}`), []);
    fs.rmSync(restored, { recursive: true });
  }

  it("to a repository that shares, and the hosts that snapshot into it store nothing", async () => {
    const folder = await makeTarget(...likeNear());
    const first = await home.row(copyTo(folder));
    assert.equal(first["copied_count"], 2);
    await requireEqual(folder);
    const elsewhere = await home.row([...openedBy(folder), "snapshot", source]);
    assert.equal(elsewhere["new_files"], 0);
    const more = [...openedBy(folder), "snapshot", "--series", "own", "--force", source];
    assert.equal((await home.row(more))["added_raw_bytes"], 0);
    const again = await home.row(copyTo(folder));
    assert.deepEqual([again["copied_count"], again["present_count"]], [0, 2]);
  });

  it("to one that shares nothing", async () => {
    const folder = await makeTarget();
    await home.ok(copyTo(folder));
    await requireEqual(folder);
  });

  it("chosen by name and filter, without a word to cron", async () => {
    const folder = await makeTarget(...likeNear());
    const { out, err } = await home.ok(["--quiet", ...copyTo(folder), "latest"]);
    assert.equal(out + err, "");
    const rows = await home.rows([...openedBy(folder), "snapshots"]);
    assert.equal(rows.length, 1);
    const none = await home.row([...copyTo(folder), "--host", "nobody"]);
    assert.deepEqual([none["copied_count"], none["present_count"]], [0, 0]);
    const all = await home.row([...copyTo(folder), "--latest", "5"]);
    assert.deepEqual([all["copied_count"], all["present_count"]], [1, 1]);
  });

  const stops = [
    { shares: true, by: "SIGKILL" },
    { shares: false, by: "SIGKILL" },
    { shares: true, by: "SIGINT" },
  ] as const;
  for (const { shares, by } of stops) {
    const how = shares ? "shares" : "shares nothing";
    it(`stopped by ${by}, and taken up again, to one that ${how}`, async () => {
      const folder = await makeTarget(...(shares ? likeNear() : []));
      const packs = () =>
        fs.existsSync(`${folder}/packs`)
          ? fs.readdirSync(`${folder}/packs`, { recursive: true }).filter(isPack).length
          : 0;
      const started = home.start(copyTo(folder), { before: ["nice", "-n", "10"] });
      const watcher = fs.watch(folder, { recursive: true }, () => {
        // Once: a second signal would not let it finish what it is at.
        if (packs() >= 10 && !started.child.killed) started.child.kill(by);
      });
      const { code, signal } = await started.done;
      watcher.close();
      const ended = by === "SIGINT" ? [130, null] : [null, by];
      assert.deepEqual([code, signal], ended, "it was stopped in time");
      const sessions = await home.rows([...openedBy(folder), "sessions"]);
      assert.equal(sessions.length, by === "SIGINT" ? 0 : 1);
      const stored = packs() * 2 * mebi;
      const { read_bytes: read } = await home.row(copyTo(folder));
      assert.ok(Number(read) <= files * fileBytes - stored + 12 * mebi, `${read} after ${stored}`);
      await requireEqual(folder);
    });
  }

  it("says what is wrong", async () => {
    const folder = await makeTarget();
    await home.fails(["copy", "--to", folder], "password-missing", 1);
    await home.fails(
      ["copy", "--to", folder, "--to-password-file", nearKey()],
      "password-wrong",
      12,
    );
    await home.fails(["copy", "--to", repository, "--to-password-file", nearKey()], "usage", 2);
    const absent = home.path("absent");
    await home.fails(["copy", "--to", absent, "--to-password-file", nearKey()], "repo-absent", 10);
    await home.fails([...copyTo(folder), "abcdef"], "snapshot-absent", 1);
  });

  it("names damage, copies the rest, and ends with 4", async () => {
    const folder = await makeTarget(...likeNear());
    const hurt = home.path("hurt");
    fs.cpSync(repository, hurt, { recursive: true });
    const small = home.path("small");
    fs.mkdirSync(small);
    fs.writeFileSync(`${small}/file`, "sound");
    const of = ["--repo", hurt];
    const listed = packsOf(hurt);
    await home.ok([...of, "snapshot", small]);
    for (const pack of listed.slice(0, 3)) fs.truncateSync(pack, 1000);
    const row: Json = await home.row([...of, ...copyTo(folder)], 4);
    assert.equal(row["copied_count"], 1);
    assert.equal((row["failed"] as Json[]).length, 2);
    const { err } = await home.run([...of, ...copyTo(folder)]);
    assert.match(err, /warning: snapshot [0-9a-f]{8} was not copied: .*blob [0-9a-f]{12}/);
  });

  const isPack = (name: string | Buffer) => String(name).length > 60;
  const packsOf = (folder: string) =>
    fs
      .readdirSync(`${folder}/packs`, { recursive: true, encoding: "utf8" })
      .filter(isPack)
      .map((name) => `${folder}/packs/${name}`);
});
