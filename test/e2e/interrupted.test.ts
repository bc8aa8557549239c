/**
 * Snapshots that are stopped, politely or not: what was stored stays, and the next run takes
 * it up.
 */
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { E2eHome, isLong, type Json, type Started, told } from "../helpers/e2e-home.ts";
import { compareTrees } from "../helpers/file-fixtures.ts";

const mebi = 1 << 20;
const treeBytes = (isLong ? 1000 : 160) * mebi;
const kills = isLong ? 30 : 5;
const pruneKills = isLong ? 30 : 3;

/** Files of many sizes that do not compress, about `bytes` in all. */
function makeTree(folder: string, bytes: number): void {
  const sizes = [100, 3000, 40_000, 200_000, 1_500_000, 9_000_000];
  const block = Buffer.alloc(9_000_000);
  let made = 0;
  for (let n = 0; made < bytes; n++) {
    const inside = `${folder}/${n % 50}`;
    if (n < 50) fs.mkdirSync(inside, { recursive: true });
    const size = sizes[n % sizes.length] ?? 0;
    fs.writeFileSync(`${inside}/${n}`, randomFillSync(block, 0, size).subarray(0, size));
    made += size;
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("a larger snapshot", () => {
  const home = new E2eHome();
  const source = home.path("source");
  const target = home.path("target");
  let repository: string;
  let repositories = 0;

  /** In a new one all of the tree is still to be stored, which takes long enough to stop it. */
  async function makeRepository(): Promise<void> {
    const name = `repository-${++repositories}`;
    repository = await home.makeRepository(name, ["--pack-size", "2M"]);
  }

  before(() => makeTree(source, treeBytes));
  after(() => home.remove());

  const countPacks = () =>
    fs
      .readdirSync(`${repository}/packs`, { recursive: true, encoding: "utf8" })
      .filter((name) => name.length > 60).length;

  /**
   * Starts a snapshot and waits until it has stored so many packs more. Where processors are short
   * this process comes first, or the snapshot would be made before it is stopped.
   */
  async function startedWith(packs: number): Promise<Started> {
    const enough = (fs.existsSync(`${repository}/packs`) ? countPacks() : 0) + packs;
    const started = home.start(["snapshot", "--json", source], { before: ["nice", "-n", "10"] });
    const { child } = started;
    while (child.exitCode === null && child.signalCode === null) {
      if (fs.existsSync(`${repository}/packs`) && countPacks() >= enough) break;
      await sleep(3);
    }
    return started;
  }

  async function requireClean(): Promise<Json> {
    const row = await home.row(["check"]);
    assert.equal(row["clean"], true);
    return row;
  }

  const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  const signals = Object.keys(exitCodes) as (keyof typeof exitCodes)[];

  for (const signal of signals) {
    it(`${signal}: its exit code, a clean repository, no snapshot`, async () => {
      await makeRepository();
      const { child, done } = await startedWith(3);
      child.kill(signal);
      const run = await done;
      assert.equal(run.code, exitCodes[signal], told(["snapshot"], run));
      const { error } = JSON.parse(run.err) as { error: Json };
      assert.equal(error["code"], "interrupted");
      assert.equal(run.out, "");
      await requireClean();
      assert.deepEqual(await home.rows(["snapshots"]), []);
      assert.deepEqual(await home.rows(["sessions"]), [], "it took its lease away");
    });
  }

  it("a second signal ends it at once, which is safe too", async () => {
    for (const [n, signal] of signals.entries()) {
      await makeRepository();
      const { child, done } = await startedWith(3);
      child.kill(signal);
      // Before it stops by itself, while it does, or when it has.
      await sleep(n * 15);
      child.kill(signal);
      const run = await done;
      // Once node has let go of its signals the system ends it, which a shell tells as the same.
      const code = run.signal === signal ? exitCodes[signal] : run.code;
      assert.equal(code, exitCodes[signal], told(["snapshot"], run));
      await requireClean();
    }
  });

  it(`SIGKILL at ${kills} moments: clean each time, and nothing is stored twice`, async () => {
    const seed = Number(process.env["VARVE_TEST_SEED"] ?? Date.now() % 1e6);
    let state = seed;
    const random = () => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state / 2 ** 31;
    };
    await makeRepository();
    for (let kill = 0; kill < kills; kill++) {
      const { child, done } = await startedWith(1 + Math.floor(random() * 4));
      await sleep(random() * 150);
      child.kill("SIGKILL");
      const run = await done;
      assert.ok(run.signal === "SIGKILL" || run.code === 0, `seed ${seed}: it was killed`);
      if (run.code === 0) break;
      await requireClean();
    }
    const made = await home.row(["snapshot", source]);
    const bytes = Number(made["bytes"]);
    assert.ok(Number(made["added_bytes"]) < bytes, `seed ${seed}: packs were found again`);
    const row = await requireClean();
    const stored = Number(row["pack_bytes"]);
    assert.ok(stored < bytes * 1.01 + 4 * mebi, `seed ${seed}: ${stored} B stored for ${bytes}`);
    // A kill may catch packs between their store and the note of it.
    const orphans = Number(row["orphan_packs"]);
    assert.ok(orphans <= (kills + 6) * 5, `seed ${seed}: ${orphans} packs were lost sight of`);
    await home.ok(["restore", "--target", target]);
    assert.deepEqual(compareTrees(source, target + source), []);
  });

  it("what kills left over goes with a prune", async () => {
    await home.ok(["prune"]);
    await home.ok(["prune"]);
    assert.equal((await requireClean())["orphan_packs"], 0);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
  });

  it(`prune, SIGKILL at ${pruneKills} moments: clean, and what is kept comes back`, async () => {
    for (let n = 0; n < 50; n += 2) fs.rmSync(`${source}/${n}`, { recursive: true });
    await home.ok(["snapshot", source]);
    await home.ok(["forget", "latest~1"]);
    for (let kill = 0; kill < pruneKills; kill++) {
      const { child, done } = home.start(["prune", "--max-unused", "0"]);
      await sleep(250 + Math.random() * 500);
      child.kill("SIGKILL");
      await done;
      await requireClean();
    }
    await home.ok(["prune", "--max-unused", "0"]);
    assert.equal((await home.row(["check", "--read-data"]))["clean"], true);
    await home.ok(["restore", "--target", target, "--overwrite", "if-changed", "--delete"]);
    assert.deepEqual(compareTrees(source, target + source), []);
    const again = await home.row(["snapshot", source]);
    assert.equal(again["unchanged"], true);
    assert.equal(again["read_bytes"], 0);
    assert.ok(Number(again["added_bytes"]) < 50_000, "at most the folders above are new");
  });

  it("a restore that was stopped leaves whole files and goes on", async () => {
    fs.rmSync(target, { recursive: true });
    const { child, done } = home.start(["restore", "--target", target]);
    while (!fs.existsSync(target + source) && child.exitCode === null) await sleep(2);
    child.kill("SIGINT");
    const run = await done;
    assert.ok(run.code === 130 || run.code === 0, told(["restore"], run));
    const left = fs.readdirSync(target + source, { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      left.filter((name) => name.includes(".varve-restore")),
      [],
    );
    await home.ok(["restore", "--target", target, "--overwrite", "if-changed"]);
    assert.deepEqual(compareTrees(source, target + source), []);
  });
});
