/** Forgetting by rule and by name, as a nightly job does it. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { E2eHome, type Json } from "../helpers/e2e-home.ts";

describe("retention", () => {
  const home = new E2eHome();
  const source = home.path("source");
  const other = home.path("other");
  /** Idle from the 3rd to the 9th: an idle week takes nothing from --keep-daily. */
  const times = [
    "2026-05-01 08:00",
    "2026-05-01 20:00",
    "2026-05-02 20:00",
    "2026-05-10 08:00",
    "2026-05-10 20:00",
  ];

  before(async () => {
    for (const folder of [source, other]) fs.mkdirSync(folder);
    await home.makeRepository();
    for (const [at, time] of times.entries()) {
      fs.writeFileSync(`${source}/file`, `version ${at}\n`.repeat(1000));
      const tags = at === 0 ? ["--tag", "first"] : [];
      await home.ok(["snapshot", "--time", time, ...tags, source]);
    }
    await home.ok(["snapshot", "--time", "2026-05-01 12:00", other]);
  });
  after(() => home.remove());

  const listed = async () =>
    (await home.rows(["snapshots"])).map(({ time, paths }) => {
      const [{ path = "" } = {}] = paths as { path?: string }[];
      return `${path.slice(home.folder.length + 1)} ${String(time).slice(0, 16)}`;
    });

  it("a dry run explains each decision, and does nothing", async () => {
    const before = await listed();
    const run = await home.ok(["prune", "--keep-daily", "3", "--keep-tag", "first", "--dry-run"]);
    assert.match(run.out, /^Series .*:.*source:$/m);
    assert.match(run.out, /^Series .*:.*other:$/m);
    const line = (time: string) =>
      run.out.split("\n").find((text) => text.includes(`${time}:00`)) ?? "";
    assert.match(line("2026-05-10 20:00"), /^ +keep .* daily \d of 3/);
    assert.match(line("2026-05-10 08:00"), /^ +forget/);
    assert.match(line("2026-05-02 20:00"), /^ +keep .* daily \d of 3/);
    assert.match(line("2026-05-01 20:00"), /^ +keep .* daily \d of 3/);
    assert.match(line("2026-05-01 08:00"), /^ +keep .*tag/);
    assert.match(run.out, /^Would forget 1 of 6 snapshots; would free /m);
    assert.deepEqual(await listed(), before);
    const row = await home.row(["prune", "--keep-daily", "3", "--dry-run"]);
    const series = row["series"] as Json[];
    assert.equal(series.length, 2);
    assert.equal(row["forgotten_count"], 2);
  });

  it("the days are those of the stated zone", async () => {
    // 20:00 in UTC is the next day in Tokyo.
    const args = ["prune", "--keep-daily", "9", "--path", source, "--dry-run"];
    const [utc, tokyo] = await Promise.all([
      home.row(args),
      home.row([...args, "--time-zone", "Asia/Tokyo"]),
    ]);
    assert.equal(utc["forgotten_count"], 2);
    assert.equal(tokyo["forgotten_count"], 0);
    await home.fails([...args, "--time-zone", "Moon/Tycho"], "usage", 2);
  });

  it("without a rule nothing is forgotten", async () => {
    const before = await listed();
    assert.equal((await home.row(["prune"]))["forgotten_count"], 0);
    assert.deepEqual(await listed(), before);
  });

  it("a rule that would empty a series is refused, and --force does it", async () => {
    const before = await listed();
    const args = ["prune", "--keep-tag", "first"];
    const error = await home.fails(args, "retention-refused", 1);
    assert.match(error.message, /other/);
    assert.match(error.hint ?? "", /--force/);
    assert.deepEqual(await listed(), before);
    await home.fails(["prune", "--keep-last", "0"], "retention-refused", 1);
    assert.equal((await home.row([...args, "--path", other, "--force"]))["forgotten_count"], 1);
    assert.equal((await listed()).length, 5);
  });

  it("a rule is applied, and its space comes back", async () => {
    const row = await home.row(["prune", "--keep-daily", "2"]);
    assert.equal(row["forgotten_count"], 3);
    assert.deepEqual(await listed(), ["source 2026-05-02T20:00", "source 2026-05-10T20:00"]);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
  });

  it("by name: all names are known, or nothing is removed", async () => {
    const ids = (await home.rows(["snapshots"])).map(({ id }) => String(id));
    await home.fails(["forget", ids[0] ?? "", "0123456789"], "snapshot-absent", 1);
    assert.equal((await listed()).length, 2);
    const dry = await home.row(["forget", "--dry-run", ids[0]?.slice(0, 10) ?? ""]);
    assert.deepEqual(dry["forgotten"], [ids[0]]);
    assert.equal((await listed()).length, 2);
    await home.ok(["forget", ids[0]?.slice(0, 10) ?? ""]);
    assert.deepEqual(await listed(), ["source 2026-05-10T20:00"]);
    await home.ok(["forget", "latest"]);
    assert.deepEqual(await listed(), []);
    await home.ok(["prune"]);
    const { packs } = await home.row(["check"]);
    assert.equal(packs, 0, "an empty repository holds no packs");
  });

  it("--quiet says nothing, in the whole night's job", async () => {
    const jobs = [
      ["--quiet", "snapshot", source],
      ["--quiet", "prune", "--keep-daily", "7", "--keep-weekly", "5"],
      ["--quiet", "check"],
    ];
    for (const job of jobs) {
      const { out, err } = await home.ok(job);
      assert.equal(out + err, "", job.join(" "));
    }
  });
});
