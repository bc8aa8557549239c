import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { VarveError } from "../../src/base/errors.ts";
import { programVersion } from "../../src/base/program.ts";
import { ExitCode, exitCodeOf } from "../../src/cli/exit-code.ts";
import { Output } from "../../src/cli/output.ts";
import { KeptStream, withCliHome } from "./cli-runner.ts";

describe("usage", () => {
  it("that is wrong exits with 2, names the fault, and hints at help", () =>
    withCliHome(async (home) => {
      const cases = [
        [["frobnicate"], /Unknown command 'frobnicate'/],
        [["snapshto"], /did you mean snapshot/],
        [["snapshot"], /[Mm]issing required argument/],
        [["restore"], /--target/],
        [["prune", "--keep-daily", "many"], /"many" is not a whole number/],
        [["prune", "--keep-within", "3x"], /not a duration/],
        [["prune", "--time-zone", "Mars"], /not a time zone/],
        [["check", "--read-data-subset", "9/7"], /not a part/],
        [["check", "--read-data", "--read-data-subset", "5%"], /not both/],
        [["restore", "--overwrite", "maybe", "--target", "x"], /maybe/],
        [["snapshots", "--unknown"], /--unknown/],
        [["stats", "--threads", "0"], /"0" is not a whole number/],
        [["key"], /Name a command/],
        [["snapshots", "extra"], /too many arguments/i],
      ] as const;
      for (const [argv, message] of cases) {
        const run = await home.run(argv);
        assert.equal(run.code, ExitCode.usage, argv.join(" "));
        assert.match(run.err, message);
        assert.match(run.err, /hint: /, argv.join(" "));
        assert.equal(run.out, "");
      }
    }));

  it("with --json gives one error object on stderr and nothing on stdout", () =>
    withCliHome(async (home) => {
      const runs = [
        await home.run(["--json", "frobnicate"]),
        await home.run(["prune", "--keep-daily", "x", "--json"]),
        await home.run(["snapshots", "--json"]),
      ];
      for (const { out, err } of runs) {
        assert.equal(out, "");
        assert.equal(err.split("\n").length, 2);
        const { error } = JSON.parse(err) as { error: Record<string, unknown> };
        assert.deepEqual(Object.keys(error), ["code", "message", "hint"]);
      }
      assert.equal(runs[2]?.code, ExitCode.repoAbsent);
    }));

  it("without arguments, --help and --version are no errors", () =>
    withCliHome(async (home) => {
      for (const argv of [[], ["--help"], ["snapshot", "--help"], ["help"]]) {
        const run = await home.run(argv);
        assert.equal(run.code, 0);
        assert.equal(run.err, "");
        assert.match(run.out, /varve/);
      }
      assert.equal((await home.run(["--version"])).out.trim(), programVersion);
      const version = await home.run(["version", "--json"]);
      assert.equal(JSON.parse(version.out).version, programVersion);
    }));

  it("takes global options before and after the command", () =>
    withCliHome(async (home) => {
      const place = join(home.folder, "nowhere");
      for (const argv of [
        ["--repo", place, "snapshots"],
        ["snapshots", "--repo", place],
        ["snapshots", "-r", place],
      ]) {
        const run = await home.run(argv, { env: { VARVE_PASSWORD: "x" } });
        assert.equal(run.code, ExitCode.repoAbsent);
        assert.ok(run.err.includes(place));
      }
      const fromEnv = await home.run(["snapshots"], {
        env: { VARVE_REPO: place, VARVE_PASSWORD: "x" },
      });
      assert.ok(fromEnv.err.includes(place));
    }));
});

describe("absent repositories", () => {
  it("are named before a password is asked for, with exit code 10", () =>
    withCliHome(async (home) => {
      const named = await home.run(["snapshots", "--repo", join(home.folder, "none")]);
      assert.equal(named.code, ExitCode.repoAbsent);
      assert.match(named.err, /varve init/);
      const byDefault = await home.run(["snapshots"]);
      assert.equal(byDefault.code, ExitCode.repoAbsent);
      assert.match(byDefault.err, /varve snapshot/);
    }));
});

describe("errors", () => {
  it("have one exit code each", () => {
    const cases = [
      ["usage", 2],
      ["repo-absent", 10],
      ["password-wrong", 12],
      ["damage-found", 4],
      ["interrupted", 130],
      ["store-full", 1],
      ["internal", 1],
    ] as const;
    for (const [code, exit] of cases) assert.equal(exitCodeOf(new VarveError(code, "x")), exit);
    assert.equal(exitCodeOf(new TypeError("x")), 1);
  });

  it("show message and hint, causes only with --verbose, and no raw control characters", () => {
    const error = new VarveError("store-full", "No room for \x1b[2J.", {
      hint: "Make room.",
      cause: new VarveError("store-denied", "deeper", { context: { name: "a" } }),
    });
    const show = (json: boolean, verbose: boolean, shown: unknown = error) => {
      const stderr = new KeptStream();
      new Output(new KeptStream(), stderr, { json, quiet: false, verbose }).error(shown);
      return stderr.text;
    };
    assert.equal(show(false, false), "varve: No room for \\x1b[2J.\nhint: Make room.\n");
    assert.match(show(false, true), /store-denied: deeper \(name=a\)/);
    assert.deepEqual(JSON.parse(show(true, true)), {
      error: { code: "store-full", message: "No room for \x1b[2J.", hint: "Make room." },
    });
    const bug = show(false, false, new TypeError("x is not a function"));
    assert.match(bug, /bug in varve/);
    assert.match(bug, /run-cli\.test/);
    assert.equal(JSON.parse(show(true, false, new TypeError("x"))).error.code, "internal");
  });
});

/** A reader that goes away at the first piece, as `head` does. */
class BrokenPipe extends EventEmitter {
  written = 0;
  write(): boolean {
    this.written++;
    const error = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    setImmediate(() => this.emit("error", error));
    return true;
  }
}

describe("output", () => {
  it("drops the rest when its reader has gone", async () => {
    const stdout = new BrokenPipe();
    const stderr = new KeptStream();
    const output = new Output(stdout, stderr, { json: false, quiet: false, verbose: false });
    let told = 0;
    output.onReaderGone = () => told++;
    output.line("a");
    output.flush();
    await new Promise((resolve) => setImmediate(resolve));
    output.line("b");
    output.flush();
    assert.deepEqual([stdout.written, told, stderr.text], [1, 1, ""]);
  });

  it("knows no colour and no cursor without a terminal", () =>
    withCliHome(async (home) => {
      for (const argv of [["--help"], ["help"], ["version"], ["snapshots"], ["man"]]) {
        const { out, err } = await home.run(argv);
        assert.doesNotMatch(out + err, /\x1b/);
      }
    }));

  it("says only what the result is with --quiet and --json", () => {
    const say = (json: boolean, quiet: boolean) => {
      const [stdout, stderr] = [new KeptStream(), new KeptStream()];
      const output = new Output(stdout, stderr, { json, quiet, verbose: true });
      output.line("line");
      output.summary("summary");
      output.detail("detail");
      output.note("note");
      output.warn("warn");
      output.row({ row: 1 });
      output.flush();
      return [stdout.text, stderr.text];
    };
    assert.deepEqual(say(false, false), ["line\nsummary\ndetail\n", "note\nwarning: warn\n"]);
    assert.deepEqual(say(false, true), ["line\n", "warning: warn\n"]);
    assert.deepEqual(say(true, false), ['{"row":1}\n', ""]);
  });
});

describe("the program", () => {
  const main = join(import.meta.dirname, "../../src/cli/main.js");

  it("runs as a process and exits with the code", () =>
    withCliHome(async (home) => {
      const run = (args: readonly string[]) =>
        spawnSync(process.execPath, [main, ...args], { env: home.env, encoding: "utf8" });
      assert.equal(run(["version"]).status, 0);
      const absent = run(["snapshots"]);
      assert.equal(absent.status, ExitCode.repoAbsent);
      assert.equal(absent.stdout, "");
      assert.equal(run(["nonsense"]).status, ExitCode.usage);
    }));

  it("makes completion scripts that bash understands and that complete", () =>
    withCliHome(async (home) => {
      const { out } = await home.run(["completion", "bash"]);
      const script = join(home.folder, "varve.bash");
      writeFileSync(script, out);
      assert.equal(spawnSync("bash", ["-n", script]).status, 0);
      const complete = (...words: string[]) => {
        const line = `source ${script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _varve
          printf '%s\\n' "\${COMPREPLY[@]}"`;
        const run = spawnSync("bash", ["-c", line, "bash", "varve", ...words], {
          encoding: "utf8",
          cwd: home.folder,
        });
        return run.stdout.split("\n").filter((word) => word !== "");
      };
      assert.deepEqual(complete("snapsh"), ["snapshot", "snapshots"]);
      assert.deepEqual(complete("key", "").sort(), ["add", "list", "passwd", "remove"]);
      assert.deepEqual(complete("--repo", "snapshots", "che"), ["check"]);
      assert.ok(complete("prune", "--keep-w").includes("--keep-within-daily"));
      assert.ok(complete("key", "add", "--new").includes("--new-key-file"));
      assert.ok(complete("key", "add", "--re").includes("--repo"));
      assert.deepEqual(complete("restore", "--overwrite", "if-c"), ["if-changed"]);
      assert.deepEqual(complete("dump", "--archive", ""), ["tar", "zip"]);
      assert.deepEqual(complete("snapshot", "varve.b"), ["varve.bash"]);
      assert.deepEqual(complete("prune", "--keep-daily", ""), []);
      assert.deepEqual(complete("completion", "z"), ["zsh"]);
      assert.deepEqual(complete("help", "re"), ["restore", "repair", "retention", "repository"]);
    }));

  it("names every command and option in the zsh and fish scripts", () =>
    withCliHome(async (home) => {
      const zsh = (await home.run(["completion", "zsh"])).out;
      const fish = (await home.run(["completion", "fish"])).out;
      for (const name of ["snapshot", "prune", "passwd", "version"]) {
        assert.ok(zsh.includes(`'${name}:`), name);
        assert.ok(fish.includes(` -a ${name} -d`), name);
      }
      for (const option of ["keep-within-daily", "password-command", "overwrite"]) {
        assert.ok(zsh.includes(`'*--${option}[`), option);
        assert.ok(fish.includes(` -l ${option} -r`), option);
      }
    }));
});
