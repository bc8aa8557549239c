/** Which snapshot is meant: by time, id, the beginning of an id, or counted from the newest. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import { systemHost } from "../../src/cli/system-host.ts";
import { parseSecret } from "../../src/repo/crypto/kek.ts";
import { sealSnapshot } from "../../src/repo/objects.ts";
import { openRepository } from "../../src/repo/repository.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { E2eHome } from "../helpers/e2e-home.ts";

/** Seals a snapshot anew until two names of it begin alike; stores both, and tells how. */
async function sealTwins(home: E2eHome): Promise<string> {
  const store = new LocalStore(home.path("repository"));
  const repo = await openRepository({
    store,
    secret: parseSecret(fs.readFileSync(home.path("repository.key"), "utf8").trim()),
    cacheDir: home.path("other-cache"),
    clock: systemClock,
    random: systemRandom,
    host: systemHost(),
  });
  try {
    const [record] = await repo.snapshots();
    assert.ok(record !== undefined);
    const sealed = new Map<string, { id: string; bytes: Uint8Array }>();
    for (;;) {
      const twin = sealSnapshot(repo.keys, record.snapshot, systemRandom);
      const prefix = twin.id.slice(0, 4);
      const other = sealed.get(prefix);
      if (other === undefined) {
        sealed.set(prefix, twin);
        continue;
      }
      for (const { id, bytes } of [twin, other]) await store.put(`snapshots/${id}`, bytes);
      return prefix;
    }
  } finally {
    await repo.close();
  }
}

describe("three snapshots", () => {
  const home = new E2eHome();
  const source = home.path("source");
  const file = `${source}/file`;
  const times = ["2026-03-01 08:00", "2026-03-02 08:00", "2026-03-02 20:00"];
  const ids: string[] = [];
  let targets = 0;

  before(async () => {
    fs.mkdirSync(source);
    await home.makeRepository();
    for (const [at, time] of times.entries()) {
      fs.writeFileSync(file, `version ${at}`);
      ids.push(String((await home.row(["snapshot", "--time", time, source]))["snapshot_id"]));
    }
  });
  after(() => home.remove());

  async function restored(args: readonly string[], env = {}): Promise<string> {
    const target = home.path(`target-${targets++}`);
    await home.ok(["restore", "--target", target, ...args], { env });
    return fs.readFileSync(target + file, "utf8");
  }

  it("restores the newest that is not after a time", async () => {
    const choices: [string, number][] = [
      ["2026-03-01 08:00", 0],
      ["2026-03-02 07:59:59.999999999", 0],
      ["2026-03-02 08:00", 1],
      // A day means its end.
      ["2026-03-01", 0],
      ["2026-03-02", 2],
      ["2026-03-02T19:00:00-02:00", 2],
      ["2026-03-02T19:00:00Z", 1],
      ["now", 2],
    ];
    for (const [time, version] of choices) {
      assert.equal(await restored(["--at", time]), `version ${version}`, time);
    }
  });

  it("a time without a zone is the user's own", async () => {
    const env = { TZ: "Asia/Tokyo" };
    assert.equal(await restored(["--at", "2026-03-02 17:00"], env), "version 1");
    assert.equal(await restored(["--at", "2026-03-02 16:59"], env), "version 0");
  });

  it("one from before the first does not exist, and says when the first is of", async () => {
    const args = ["restore", "--at", "2026-03-01 07:59", "--target", home.path("none")];
    const error = await home.fails(args, "snapshot-absent", 1);
    assert.match(error.message, /2026-03-01 08:00/);
    assert.ok(!fs.existsSync(home.path("none")));
    await home.fails(["restore", "--at", "noon", "--target", home.path("none")], "usage", 2);
  });

  it("by id, beginning of an id, and count from the newest", async () => {
    const [first = "", second = ""] = ids;
    assert.equal(await restored([first]), "version 0");
    assert.equal(await restored([second.slice(0, 8), source]), "version 1");
    assert.equal(await restored(["latest"]), "version 2");
    assert.equal(await restored(["latest~2"]), "version 0");
    assert.equal(await restored([file]), "version 2");
    assert.equal(await restored(["--at", times[0] ?? "", file]), "version 0");
  });

  it("names that name none", async () => {
    const names: [string, string, number][] = [
      ["latest~3", "snapshot-absent", 1],
      ["0000000000", "snapshot-absent", 1],
      ["abc", "usage", 2],
      ["newest", "usage", 2],
    ];
    for (const [name, code, exit] of names) {
      await home.fails(["ls", name], code, exit);
      await home.fails(["restore", name, "--target", home.path("none")], code, exit);
    }
    const both = ["restore", "latest", "--at", "now", "--target", home.path("none")];
    assert.notEqual((await home.run(both)).code, 0);
    assert.ok(!fs.existsSync(home.path("none")));
  });

  it("a beginning that fits two is ambiguous", async () => {
    const prefix = await sealTwins(home);
    const error = await home.fails(["ls", prefix], "snapshot-ambiguous", 1);
    assert.ok(error.message.includes(prefix));
  });

  it("of several series by what is wanted, or as told", async () => {
    const other = home.path("other");
    fs.mkdirSync(other);
    fs.writeFileSync(`${other}/file`, "of the other");
    await home.ok(["snapshot", "--tag", "odd", "--host", "elsewhere", other]);
    assert.equal(await restored([file]), "version 2");
    assert.equal(await restored(["--path", source]), "version 2");
    const target = home.path("other-target");
    for (const choice of [
      ["--tag", "odd"],
      ["--host", "elsewhere"],
      ["--path", other],
    ]) {
      await home.ok(["restore", "--target", target, ...choice]);
      assert.equal(fs.readFileSync(`${target}${other}/file`, "utf8"), "of the other");
      fs.rmSync(target, { recursive: true });
    }
    await home.fails(["restore", "--host", "nowhere", "--target", target], "snapshot-absent", 1);
  });
});
