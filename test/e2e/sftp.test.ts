/** The program on a repository behind SSH, and what users meet when something is wrong. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { E2eHome, told } from "../helpers/e2e-home.ts";
import { homeAt, lifeOf, makeArgs, noise } from "../helpers/e2e-life.ts";
import { Sshd } from "../helpers/sftp-server.ts";

async function withSftp(
  work: (home: E2eHome, sshd: Sshd) => Promise<void>,
  parameters = "",
): Promise<void> {
  const sshd = await Sshd.start();
  const home = homeAt(`sftp://${sshd.user}@127.0.0.1:${sshd.port}${sshd.path("data/repo")}`);
  home.env["VARVE_REPO"] += parameters;
  // As a user's home has it.
  fs.mkdirSync(home.path(".ssh"));
  fs.copyFileSync(sshd.path("id"), home.path(".ssh/id_ed25519"));
  fs.copyFileSync(sshd.path("known_hosts"), home.path(".ssh/known_hosts"));
  try {
    await work(home, sshd);
  } finally {
    home.remove();
    await sshd.stop();
  }
}

test("a repository's life behind SSH", () =>
  withSftp(async (home, sshd) => {
    await lifeOf(home);
    const names = fs.readdirSync(sshd.path("data/repo"), { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      names.filter((name) => name.includes(".tmp-")),
      [],
    );
    // The same bytes as in a folder.
    const there = ["--repo", sshd.path("data/repo"), "check", "--read-data"];
    assert.match((await home.ok(there)).out, /No damage/);
    const { mode } = fs.statSync(sshd.path("data/repo/varve.json"));
    assert.equal(mode & 0o777, 0o600);
  }));

test("a host that is another than before gets nothing", () =>
  withSftp(async (home, sshd) => {
    await home.ok(makeArgs(home));
    const other = fs.readFileSync(`${sshd.makeKey("other")}.pub`, "utf8");
    fs.writeFileSync(home.path(".ssh/known_hosts"), `[127.0.0.1]:${sshd.port} ${other}`);
    await home.fails(["snapshots"], "store-untrusted", 1);
    fs.rmSync(home.path(".ssh/known_hosts"));
    const error = await home.fails(["snapshot", home.path("source")], "store-untrusted", 1);
    assert.match(error.hint ?? "", /ssh-keyscan -p \d+ -t ed25519 127\.0\.0\.1 >> /);
    fs.copyFileSync(sshd.path("known_hosts"), home.path(".ssh/known_hosts"));
    fs.rmSync(home.path(".ssh/id_ed25519"));
    await home.fails(["snapshots"], "store-credentials", 1);
  }));

test("a server that dies in the middle is told, and the next run goes on", () =>
  withSftp(async (home, sshd) => {
    await home.ok([...makeArgs(home), "--pack-size", "1M"]);
    fs.writeFileSync(home.path("source/large"), noise(24_000_000, 3));
    const packs = sshd.path("data/repo/packs");
    fs.mkdirSync(packs, { recursive: true });
    const killed = new Promise<void>((resolve) => {
      const watcher = fs.watch(packs, () => {
        watcher.close();
        sshd.killAll();
        resolve();
      });
    });
    const args = ["--json", "snapshot", home.path("source")];
    const began = performance.now();
    const run = await home.run(args);
    await killed;
    assert.equal(run.code, 1, told(args, run));
    const last = run.err.trim().split("\n").at(-1) ?? "";
    assert.equal(JSON.parse(last).error.code, "store-unreachable", told(args, run));
    assert.ok(performance.now() - began < 60_000);
    await sshd.end();
    await sshd.run();
    await home.ok(["snapshot", home.path("source")]);
    assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
  }, "?retry-seconds=3"));

test("an interruption does not wait for a server that stands still", () =>
  withSftp(async (home, sshd) => {
    await home.ok(makeArgs(home));
    fs.writeFileSync(home.path("source/large"), noise(24_000_000, 3));
    const packs = sshd.path("data/repo/packs");
    fs.mkdirSync(packs, { recursive: true });
    const run = home.start(["snapshot", home.path("source")]);
    const watcher = fs.watch(packs, () => {
      watcher.close();
      sshd.killSessions("SIGSTOP");
      run.child.kill("SIGINT");
    });
    const began = performance.now();
    const { code, err } = await run.done;
    assert.equal(code, 130, err);
    assert.ok(performance.now() - began < 40_000);
  }));

test("a repository in a folder does not pay for stores behind SSH or rclone", async () => {
  const home = new E2eHome();
  try {
    await home.makeRepository();
    const hook =
      "export async function resolve(name, context, next) {" +
      ' if (/ssh2|sftp-store|rclone-store/.test(name)) throw new Error("loads " + name);' +
      " return next(name, context); }";
    const url = `data:text/javascript,${encodeURIComponent(hook)}`;
    const trace = home.path("trace.mjs");
    fs.writeFileSync(trace, `import { register } from "node:module"; register("${url}");`);
    const options = { env: { NODE_OPTIONS: `--import=${trace}` } };
    await home.ok(["snapshots"], options);
    for (const place of ["sftp://me@127.0.0.1:1/a", "rclone:remote:a"]) {
      assert.match((await home.run(["--repo", place, "snapshots"], options)).err, /loads /, place);
    }
  } finally {
    home.remove();
  }
});
