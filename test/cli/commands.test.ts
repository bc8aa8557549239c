/** Whole commands on real repositories, as a user meets them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { VarveError } from "../../src/base/errors.ts";
import { ExitCode } from "../../src/cli/exit-code.ts";
import { type CliHome, withCliHome } from "./cli-runner.ts";

function makeSource(home: CliHome, name = "source"): string {
  const folder = join(home.folder, name);
  mkdirSync(join(folder, "sub"), { recursive: true });
  writeFileSync(join(folder, "a"), "first\n");
  writeFileSync(join(folder, "sub/b"), "second\n");
  return folder;
}

/** Runs a command that must succeed. */
async function done(home: CliHome, ...argv: string[]): Promise<string> {
  const { code, out, err } = await home.run(argv);
  assert.equal(code, ExitCode.done, `${argv.join(" ")}: ${err}`);
  return out;
}

async function failure(home: CliHome, ...argv: string[]) {
  const { code, out, err } = await home.run([...argv, "--json"]);
  assert.notEqual(code, ExitCode.done, argv.join(" "));
  const { error } = JSON.parse(err.trimEnd().split("\n").at(-1) ?? "") as {
    error: { code: string; message: string; hint: string | null };
  };
  return { exit: code, out, ...error };
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

describe("the first minute", () => {
  it("makes a repository and a key, says so once, and needs nothing else", () =>
    withCliHome(async (home) => {
      const source = makeSource(home);
      const first = await home.run(["snapshot", source]);
      assert.equal(first.code, 0, first.err);
      assert.equal(lines(first.out).length, 1);
      const key = join(home.folder, ".config/varve/key");
      assert.ok(first.err.includes(join(home.folder, ".local/share/varve/repository")));
      assert.ok(first.err.includes(key));
      assert.equal(statSync(key).mode & 0o777, 0o600);
      const second = await home.run(["snapshot", source]);
      assert.equal(second.err, "");
      assert.equal(lines(await done(home, "snapshots", "--json")).length, 2);
      rmSync(key);
      const lost = await failure(home, "snapshots");
      assert.equal(lost.code, "password-missing");
      assert.ok(lost.message.includes(key), "the file that should be there");
    }));

  it("makes nothing for a path that is not there, or in a dry run", () =>
    withCliHome(async (home) => {
      const absent = await failure(home, "snapshot", join(home.folder, "none"));
      assert.equal(absent.code, "source-absent");
      const dry = await failure(home, "snapshot", "--dry-run", makeSource(home));
      assert.equal(dry.code, "repo-absent");
      assert.deepEqual(readdirSync(home.folder), ["source"]);
    }));

  it("leaves the repository itself out of a snapshot of what holds it", () =>
    withCliHome(async (home) => {
      makeSource(home);
      await done(home, "snapshot", home.folder);
      const paths = lines(await done(home, "ls", "--recursive", "latest"));
      assert.ok(paths.some((path) => path.endsWith("/source/a")));
      assert.ok(!paths.some((path) => /repository\/|\.cache\/varve\//.test(path)));
    }));
});

describe("init", () => {
  const password = { VARVE_PASSWORD: "correct horse" };

  it("takes a password, and a wrong one is told from no repository", () =>
    withCliHome(async (home) => {
      const place = join(home.folder, "repo");
      const made = await home.run(["init", "--repo", place], { env: password });
      assert.equal(made.code, 0, made.err);
      const wrong = await home.run(["snapshots", "--repo", place, "--json"], {
        env: { VARVE_PASSWORD: "wrong" },
      });
      assert.equal(wrong.code, ExitCode.passwordWrong);
      assert.match(wrong.err, /"password-wrong"/);
      assert.equal((await failure(home, "snapshots", "--repo", place)).code, "password-missing");
      const right = await home.run(["snapshots", "--repo", place], { env: password });
      assert.equal(right.code, 0);
      assert.equal(lines(right.out).length, 1);
    }));

  it("leaves a used place alone, before it asks for anything", () =>
    withCliHome(async (home) => {
      const place = join(home.folder, "repo");
      await done(home, "init", "--repo", place, "--new-key-file", join(home.folder, "key"));
      assert.equal((await failure(home, "init", "--repo", place)).code, "repo-exists");
      const source = makeSource(home);
      assert.equal((await failure(home, "init", "--repo", source)).code, "repo-exists");
      assert.equal((await failure(home, "init", "--repo", join(source, "a"))).code, "repo-exists");
      assert.deepEqual(readdirSync(source), ["a", "sub"]);
    }));

  it("made by a newer version is refused with what to do", () =>
    withCliHome(async (home) => {
      const source = makeSource(home);
      await done(home, "snapshot", source);
      const description = join(home.folder, ".local/share/varve/repository/varve.json");
      const text = readFileSync(description, "utf8").replace('"version":1', '"version":2');
      writeFileSync(description, text);
      const future = await failure(home, "snapshots");
      assert.equal(future.code, "repo-future");
      assert.match(String(future.hint), /newer/);
    }));
});

describe("snapshot and restore", () => {
  it("bring back a time, of the series that has the path", () =>
    withCliHome(async (home) => {
      const [one, two] = [makeSource(home, "one"), makeSource(home, "two")];
      await done(home, "snapshot", one, "--time", "2026-01-01 12:00");
      writeFileSync(join(one, "a"), "later\n");
      await done(home, "snapshot", one, "--time", "2026-02-01 12:00");
      await done(home, "snapshot", two, "--time", "2026-02-02 12:00");
      const target = (name: string) => join(home.folder, name);
      const content = (name: string) => readFileSync(join(target(name) + one, "a"), "utf8");
      await done(home, "restore", "--target", target("t1"), "--at", "2026-01-01", one);
      assert.equal(content("t1"), "first\n");
      await done(home, "restore", "--target", target("t2"), "--at", "2026-02-03", join(one, "a"));
      assert.equal(content("t2"), "later\n");
      assert.ok(!existsSync(join(target("t2") + one, "sub")));
      await done(home, "restore", "latest~2", "--target", target("t3"));
      assert.equal(content("t3"), "first\n");
      const early = await failure(home, "restore", "--at", "2025-12-31", "--target", target("t4"));
      assert.equal(early.code, "snapshot-absent");
      assert.equal(await done(home, "dump", "latest~2", join(one, "a")), "first\n");
    }));

  it("exit with 3 when some of the source cannot be read", (t) =>
    withCliHome(async (home) => {
      // Not even root may read it.
      const folder = "/proc/sys/net/ipv4/route";
      if (!existsSync(join(folder, "flush"))) {
        t.skip("this system has no file that nobody can read");
        return;
      }
      const run = await home.run(["snapshot", folder, "--json"]);
      assert.equal(run.code, ExitCode.incomplete);
      assert.equal(run.err, "");
      const { problems, problem_count } = JSON.parse(run.out);
      assert.ok(problem_count > 0);
      assert.ok(problems.some((one: { path: string }) => one.path === join(folder, "flush")));
      const told = await home.run(["--quiet", "snapshot", folder]);
      assert.match(told.err, /warning: .*flush/);
      assert.equal(told.out, "");
    }));

  it("print nothing with --quiet, and nothing but one line without a terminal", () =>
    withCliHome(async (home) => {
      const source = makeSource(home);
      await done(home, "snapshot", source);
      for (const argv of [
        ["snapshot", source],
        ["check"],
        ["check", "--read-data"],
        ["prune", "--keep-last", "5"],
      ]) {
        const loud = await home.run(argv);
        assert.equal(lines(loud.out).length, 1, loud.out);
        assert.equal(loud.err, "");
        assert.doesNotMatch(loud.out, /\r|\x1b/);
        const quiet = await home.run(["--quiet", ...argv]);
        assert.deepEqual([quiet.out, quiet.err], ["", ""]);
      }
    }));

  it("end with the signal's code when they are stopped, and leave a clean repository", () =>
    withCliHome(async (home) => {
      const source = makeSource(home);
      await done(home, "snapshot", source);
      for (const [signal, code] of [
        ["SIGINT", ExitCode.interrupted],
        ["SIGTERM", ExitCode.terminated],
        ["SIGHUP", ExitCode.hungUp],
      ] as const) {
        const context = { signal };
        const reason = new VarveError("interrupted", "Stopped by a signal.", { context });
        const run = await home.run(["snapshot", source, "--json"], {
          signal: AbortSignal.abort(reason),
        });
        assert.equal(run.code, code);
        assert.equal(JSON.parse(run.err).error.code, "interrupted");
      }
      assert.equal(lines(await done(home, "snapshots", "--json")).length, 1);
      await done(home, "check");
    }));

  it("honour excludes from the command line and from files", () =>
    withCliHome(async (home) => {
      const source = makeSource(home);
      for (const name of ["x.tmp", "keep.tmp", "y.log"]) writeFileSync(join(source, name), "1");
      writeFileSync(join(home.folder, "rules"), "# rules\n*.log\n*.tmp\n");
      await done(
        home,
        ...["snapshot", source, "--exclude-file", join(home.folder, "rules")],
        ...["--exclude", "!keep.tmp", "--exclude", "sub/"],
      );
      const names = lines(await done(home, "ls", "latest")).map((path) => path.split("/").at(-1));
      assert.deepEqual(names, ["a", "keep.tmp"]);
    }));
});

describe("names that are not UTF-8", () => {
  const main = join(import.meta.dirname, "../../src/cli/main.js");

  it("are exact in the JSON of problems, too", () =>
    withCliHome(async (home) => {
      const source = join(home.folder, "source");
      mkdirSync(source);
      const server = createServer().listen(join(source, "socket"));
      await once(server, "listening");
      const odd = Buffer.concat([Buffer.from(`${source}/caf`), Buffer.from([0xe9])]);
      renameSync(join(source, "socket"), odd);
      const { problems } = JSON.parse(await done(home, "snapshot", "--json", source));
      server.close();
      assert.equal(problems.length, 1);
      assert.deepEqual(Buffer.from(problems[0].path_base64, "base64"), odd);
    }));

  it("can be given, are shown escaped, and are exact in JSON", () =>
    withCliHome(async (home) => {
      const folder = Buffer.from(join(home.folder, "source/caf"), "utf8");
      mkdirSync(join(home.folder, "source"));
      writeFileSync(Buffer.concat([folder, Buffer.from([0xe9, 0x1b])]), "odd\n");
      await done(home, "snapshot", join(home.folder, "source"));
      assert.match(await done(home, "ls", "latest"), /\/caf\\xe9\\x1b\n$/);
      const row = JSON.parse(await done(home, "ls", "--json", "latest"));
      assert.deepEqual(
        Buffer.from(row.path_base64, "base64"),
        Buffer.concat([folder, Buffer.from([0xe9, 0x1b])]),
      );
      const shell = spawnSync(
        "sh",
        [
          "-c",
          `"$0" "$1" dump latest "$(printf '%s\\351\\033' "$2")"`,
          process.execPath,
          main,
        ].concat(folder.toString()),
        { env: home.env, encoding: "utf8" },
      );
      assert.equal(shell.stdout, "odd\n", shell.stderr);
    }));
});

describe("prune", () => {
  async function threeDays(home: CliHome): Promise<void> {
    const source = makeSource(home);
    for (const day of ["2026-11-01", "2026-11-02", "2026-11-09"]) {
      await done(home, "snapshot", source, "--time", `${day} 12:00`);
    }
  }
  const count = async (home: CliHome) => lines(await done(home, "snapshots", "--json")).length;

  it("without a keep option forgets nothing", () =>
    withCliHome(async (home) => {
      await threeDays(home);
      await done(home, "prune");
      assert.equal(await count(home), 3);
    }));

  it("says in a dry run which rule keeps what, and does nothing", () =>
    withCliHome(async (home) => {
      await threeDays(home);
      const rules = ["--keep-daily", "2", "--keep-last", "1", "--time-zone", "Asia/Tokyo"];
      const out = await done(home, "prune", ...rules, "--dry-run");
      assert.match(out, /^Hours and days are those of Asia\/Tokyo\.$/m);
      assert.match(out, / 2026-11-09 21:00:00 /, "12:00 in UTC");
      const rows = lines(out).slice(2, -1);
      assert.match(rows[0] ?? "", /keep .* last 1 of 1; daily 1 of 2: 2026-11-09/);
      assert.match(rows[1] ?? "", /keep .* daily 2 of 2: 2026-11-02/);
      assert.match(rows[2] ?? "", /forget .* 2026-11-01/);
      assert.match(out, /Would forget 1 of 3 snapshots/);
      assert.equal(await count(home), 3);
      await done(home, "prune", "--keep-daily", "2");
      assert.equal(await count(home), 2);
      await done(home, "check", "--read-data");
    }));

  it("refuses to empty a series without --force", () =>
    withCliHome(async (home) => {
      await threeDays(home);
      const refused = await failure(home, "prune", "--keep-tag", "none");
      assert.equal(refused.code, "retention-refused");
      assert.equal(await count(home), 3);
      await done(home, "prune", "--keep-tag", "none", "--force");
      assert.equal(await count(home), 0);
    }));

  it("judges two series by themselves, and only those that are chosen", () =>
    withCliHome(async (home) => {
      await threeDays(home);
      const other = makeSource(home, "other");
      await done(home, "snapshot", other, "--series", "mine");
      await done(home, "snapshot", other, "--series", "mine");
      await done(home, "prune", "--keep-last", "1", "--series", "mine");
      assert.equal(await count(home), 4);
      await done(home, "prune", "--keep-last", "1");
      assert.equal(await count(home), 2);
    }));
});

describe("names of snapshots", () => {
  it("are prefixes, latest and latest~N, and say what is wrong", () =>
    withCliHome(async (home) => {
      const source = makeSource(home);
      await done(home, "snapshot", source);
      await done(home, "snapshot", source);
      const ids = lines(await done(home, "snapshots", "--json")).map((row) => JSON.parse(row).id);
      const ls = (name: string) => done(home, "ls", name);
      assert.equal(await ls(ids[0].slice(0, 6)), await ls("latest~1"));
      assert.equal((await failure(home, "ls", "latest~2")).code, "snapshot-absent");
      assert.equal((await failure(home, "ls", "abc")).code, "usage");
      assert.equal((await failure(home, "ls", "yesterday")).code, "usage");
      const twice = await failure(home, "forget", "latest", "latest~7");
      assert.equal(twice.code, "snapshot-absent");
      assert.equal(lines(await done(home, "snapshots", "--json")).length, 2);
    }));
});

describe("damage", () => {
  it("is found with exit code 4, named by snapshot and path, and can be repaired", () =>
    withCliHome(async (home) => {
      const source = makeSource(home);
      await done(home, "snapshot", source);
      const packs = join(home.folder, ".local/share/varve/repository/packs");
      rmSync(packs, { recursive: true });
      mkdirSync(packs);
      const found = await failure(home, "check");
      assert.equal(found.exit, ExitCode.damage);
      assert.equal(found.code, "damage-found");
      const report = JSON.parse(found.out);
      assert.equal(report.clean, false);
      assert.equal(report.hurt_snapshots.length, 1);
      await done(home, "repair", "index");
      await done(home, "repair", "packs");
      await done(home, "snapshot", source);
      await done(home, "repair", "snapshots", "--forget");
      await done(home, "check", "--read-data");
      assert.equal(await done(home, "dump", "latest", join(source, "a")), "first\n");
    }));
});

describe("a full disk", () => {
  it("is told, loses nothing, and work goes on once there is room", (t) =>
    withCliHome(async (home) => {
      const disk = join(home.folder, "disk");
      mkdirSync(disk);
      const mount = (...options: string[]) =>
        spawnSync("mount", ["-t", "tmpfs", ...options, "tmpfs", disk]).status === 0;
      if (!mount("-o", "size=4m")) {
        t.skip("a small file system cannot be mounted here");
        return;
      }
      try {
        const source = makeSource(home);
        const keyFile = join(home.folder, "key");
        const place = ["--repo", join(disk, "repo")];
        await done(home, "init", ...place, "--new-key-file", keyFile);
        const open = [...place, "--password-file", keyFile];
        await done(home, "snapshot", source, ...open);
        writeFileSync(join(source, "large"), randomBytes(8 << 20));
        const full = await failure(home, "snapshot", source, ...open);
        assert.equal(full.code, "store-full");
        assert.notEqual(full.hint, null);
        await done(home, "check", "--read-data", ...open);
        assert.ok(mount("-o", "remount,size=64m"));
        await done(home, "snapshot", source, ...open);
        await done(home, "check", "--read-data", ...open);
        assert.equal(lines(await done(home, "snapshots", "--json", ...open)).length, 2);
      } finally {
        spawnSync("umount", [disk]);
      }
    }));
});
