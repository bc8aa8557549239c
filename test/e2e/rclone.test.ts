/** The program on a remote of rclone. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf } from "../helpers/child-processes.ts";
import type { E2eHome } from "../helpers/e2e-home.ts";
import { homeAt, lifeOf, makeArgs, noise } from "../helpers/e2e-life.ts";
import { requireRclone } from "../helpers/rclone-place.ts";

async function withRemote(work: (home: E2eHome) => Promise<void>): Promise<void> {
  requireRclone();
  const home = homeAt("rclone:away:repo");
  fs.mkdirSync(home.path("away"));
  const config = `[away]\ntype = alias\nremote = ${home.path("away")}\n`;
  fs.writeFileSync(home.path("rclone.conf"), config);
  home.env["RCLONE_CONFIG"] = home.path("rclone.conf");
  // What a killed run leaves there goes with the home.
  home.env["TMPDIR"] = home.path("elsewhere");
  try {
    await work(home);
  } finally {
    home.remove();
  }
}

test("a repository's life on a remote of rclone", () =>
  withRemote(async (home) => {
    await lifeOf(home);
    // The same bytes as in a folder.
    const there = ["--repo", home.path("away/repo"), "check", "--read-data"];
    assert.match((await home.ok(there)).out, /No damage/);
  }));

test("rclone ends with varve, also when that is killed", () =>
  withRemote(async (home) => {
    await home.ok([...makeArgs(home), "--pack-size", "1M"]);
    fs.writeFileSync(home.path("source/large"), noise(24_000_000, 3));
    const packs = home.path("away/repo/packs");
    fs.mkdirSync(packs, { recursive: true });
    const run = home.start(["snapshot", home.path("source")]);
    const seen: number[] = [];
    const watcher = fs.watch(packs, () => {
      watcher.close();
      seen.push(...childrenOf(run.child.pid ?? 0).map(({ pid }) => pid));
      run.child.kill("SIGKILL");
    });
    await run.done;
    assert.ok(seen.length >= 2, "a shell and rclone");
    for (let tries = 0; seen.some((pid) => fs.existsSync(`/proc/${pid}`)); tries++) {
      assert.ok(tries < 200, "rclone still runs");
      await sleep(50);
    }
    await home.ok(["snapshot", home.path("source")]);
    assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
  }));

test("a remote that nobody has set up is told", () =>
  withRemote(async (home) => {
    await home.ok(makeArgs(home));
    const error = await home.fails(
      ["--repo", "rclone:elsewhere:repo", "snapshots"],
      "store-unreachable",
      1,
    );
    assert.match(error.hint ?? "", /rclone listremotes/);
  }));
