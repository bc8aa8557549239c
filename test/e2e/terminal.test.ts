/**
 * What is shown where: progress on a terminal only, nothing to cron, no noise into a closed
 * pipe.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { E2eHome, program } from "../helpers/e2e-home.ts";
import { onTerminal } from "../helpers/e2e-terminal.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { checkout } from "../tidy/source-text.ts";

describe("a terminal", () => {
  const home = new E2eHome();
  const source = home.path("source");
  const csi = "\x1b[";

  before(async () => {
    fs.mkdirSync(source);
    fs.writeFileSync(`${source}/noise`, noise(20_000_000));
    for (let n = 0; n < 4000; n++) fs.writeFileSync(`${source}/file-${n}`, `content ${n}`);
    await home.makeRepository();
  });
  after(() => home.remove());

  it("shows progress, takes it away, and keeps the summary", async () => {
    const { code, shown } = await onTerminal(["snapshot", source], { env: home.session() });
    assert.equal(code, 0, shown);
    assert.match(shown, /snapshot {2}\d\.\d s {2}/);
    assert.ok(shown.includes(csi), "it is drawn anew in its place");
    const last = shown.trimEnd().split(/\r?\n/).at(-1) ?? "";
    assert.match(last, /Snapshot [0-9a-f]{8}: 4,001 files/);
    const [, after = ""] = shown.split(/stored [^\n]*\n/);
    assert.equal(after.replace(/\x1b\[[0-9?;]*[a-zA-Z]/g, "").trim(), "", "nothing comes after");
  });

  it("is left as it was when Ctrl-C comes once, and twice", async () => {
    const args = ["snapshot", "--force", source];
    for (const answers of [
      [[/snapshot {2}\d/, "\x03"]],
      [
        [/snapshot {2}\d/, "\x03"],
        [/Stopping; once more/, "\x03"],
      ],
    ] as const) {
      const { code, shown } = await onTerminal(args, { env: home.session(), answers });
      assert.equal(code, 130, shown);
      // Neither the wrapping of lines nor the cursor is switched off and then left so.
      assert.doesNotMatch(shown, /\x1b\[\?\d+l/);
      assert.match(shown, /\n$/, "a prompt begins on a line of its own");
    }
    assert.equal((await home.row(["check"]))["clean"], true);
  });

  it("shows none with --no-progress, --quiet, --json, or without a terminal", async () => {
    for (const option of ["--no-progress", "--quiet", "--json"]) {
      const args = ["snapshot", option, "--force", source];
      const { code, shown } = await onTerminal(args, { env: home.session() });
      assert.equal(code, 0, shown);
      assert.ok(!shown.includes(csi), option);
      if (option === "--quiet") assert.equal(shown, "");
    }
    const { out, err } = await home.ok(["snapshot", "--force", source]);
    assert.ok(!(out + err).includes("\x1b"), "piped");
    assert.equal(out.trimEnd().split("\n").length, 1);
    assert.equal(err, "");
  });

  it("asks for a password, twice for a new one, and never shows it", async () => {
    const env = { ...home.session(), VARVE_REPO: home.path("asked") };
    Reflect.deleteProperty(env, "VARVE_PASSWORD_FILE");
    const made = await onTerminal(["init"], {
      env,
      answers: [
        [/password for .*: $/i, "typed sEcret\r"],
        [/Once more: $/, "typed sEcret\r"],
      ],
    });
    assert.equal(made.code, 0, made.shown);
    assert.ok(!made.shown.includes("sEcret"), "it is not echoed");
    const opened = await onTerminal(["snapshots"], {
      env,
      answers: [[/Password of .*: $/, "typed sEcreX\x7ft\r"]],
    });
    assert.equal(opened.code, 0, opened.shown);
    const wrong = await onTerminal(["snapshots"], { env, answers: [[/: $/, "other\r"]] });
    assert.equal(wrong.code, 12, wrong.shown);
    const stopped = await onTerminal(["snapshots"], { env, answers: [[/: $/, "typ\x03"]] });
    assert.equal(stopped.code, 130, stopped.shown);
    const odd = await onTerminal(["key", "add"], {
      env,
      answers: [
        [/Password of .*: $/, "typed sEcret\r"],
        [/New password.*: $/, "one\r"],
        [/Once more: $/, "two\r"],
      ],
    });
    assert.equal(odd.code, 2, odd.shown);
  });

  it("gets no archive", async () => {
    const args = ["dump", "latest", source, "--archive", "tar"];
    const { code, shown } = await onTerminal(args, { env: home.session() });
    assert.equal(code, 2, shown);
  });

  it("a reader that goes away ends it quietly", () => {
    const node = `"${process.execPath}" "${program}"`;
    const commands = [
      ["ls latest -R", "head -1"],
      ["ls latest -R --json", "head -1"],
      ["find '*'", "head -2"],
      [`dump latest '${source}/noise'`, "head -c 10"],
      [`dump latest '${source}' --archive tar`, "head -c 10"],
      ["help", "true"],
    ];
    for (const [args, reader] of commands) {
      const line = `${node} ${args} | ${reader}; echo "code \${PIPESTATUS[0]}" >&2`;
      const run = spawnSync("bash", ["-c", line], { env: home.session(), encoding: "utf8" });
      assert.match(run.stderr, /^code (0|141)\n$/, `${args} | ${reader}: ${run.stderr}`);
    }
  });

  it("a full disk behind a redirection is told", () => {
    const line = `"${process.execPath}" "${program}" ls latest -R > /dev/full`;
    const run = spawnSync("bash", ["-c", line], { env: home.session(), encoding: "utf8" });
    assert.notEqual(run.status, 0);
    assert.match(run.stderr, /ENOSPC|no space/);
  });

  it("a closed standard output or error is no crash", () => {
    const node = `"${process.execPath}" "${program}"`;
    for (const closed of [">&-", "2>&-", ">&- 2>&-"]) {
      const line = `${node} snapshot "${source}" ${closed} < /dev/null`;
      const run = spawnSync("bash", ["-c", line], { env: home.session(), encoding: "utf8" });
      assert.equal(run.status, 0, `${closed}: ${run.stderr}`);
    }
  });
});

describe("what a shell and man need", () => {
  const home = new E2eHome();
  after(() => home.remove());

  const shells = [
    ["bash", ["-n"]],
    ["zsh", ["-n"]],
    ["fish", ["--no-execute"]],
  ] as const;
  for (const [shell, args] of shells) {
    const isThere = spawnSync(shell, ["--version"]).status === 0;
    const skip = isThere || shell === "bash" ? false : `${shell} is not installed here`;
    it(`completion for ${shell} is well-formed`, { skip }, async () => {
      const script = home.path(`completion.${shell}`);
      const { out, err } = await home.ok(["completion", shell]);
      assert.equal(err, "");
      assert.ok(out.includes("snapshot"));
      fs.writeFileSync(script, out);
      const run = spawnSync(shell, [...args, script], { encoding: "utf8" });
      assert.equal(run.stderr + run.stdout, "");
      assert.equal(run.status, 0);
    });
  }

  it("bash completes commands and options", async () => {
    const script = home.path("varve-completion");
    fs.writeFileSync(script, (await home.ok(["completion", "bash"])).out);
    const complete = (words: readonly string[]) => {
      const line = `
        source "${script}"
        COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
        COMP_LINE="\${COMP_WORDS[*]}"; COMP_POINT=\${#COMP_LINE}
        $(complete -p varve | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      const run = spawnSync("bash", ["-c", line], { env: home.session(), encoding: "utf8" });
      return run.stdout.split("\n").map((word) => word.trim());
    };
    assert.deepEqual(complete(["varve", "snapsh"]).slice(0, 2), ["snapshot", "snapshots"]);
    assert.ok(complete(["varve", "prune", "--keep-w"]).includes("--keep-within"));
    assert.ok(complete(["varve", "key", ""]).includes("passwd"));
  });

  it("the manual page in docs is the one that the program prints", async () => {
    const { out } = await home.ok(["man"]);
    assert.match(out, /^\.TH VARVE 1/m);
    const kept = fs.readFileSync(join(checkout(), "docs/man/varve.1"), "utf8");
    assert.equal(out.trimEnd(), kept.trimEnd());
  });
});
