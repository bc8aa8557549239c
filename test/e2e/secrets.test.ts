/** Passwords and keys: where they come from, and that they are seen nowhere else. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { E2eHome, keyOf, program, type Run, type RunOptions } from "../helpers/e2e-home.ts";

const password = "correct horse äöü battery";
const second = "second password, also secret";

/** The command lines of all processes, as everybody on the machine can see them. */
function commandLines(): string[] {
  return fs.readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return [fs.readFileSync(`/proc/${name}/cmdline`, "utf8")];
    } catch {
      return [];
    }
  });
}

describe("secrets", () => {
  const home = new E2eHome();
  const source = home.path("source");
  const file = home.path("password");
  const secondFile = home.path("second");

  before(() => {
    // The usual one: what is only the user's must be so by the program's own doing.
    process.umask(0o022);
    fs.mkdirSync(source);
    fs.writeFileSync(`${source}/file`, "content");
    fs.writeFileSync(file, `${password}\n`, { mode: 0o600 });
    fs.writeFileSync(secondFile, second, { mode: 0o600 });
    home.secrets.push(password, second);
    home.env["VARVE_REPO"] = home.path("repository");
  });
  after(() => home.remove());

  /** Runs varve and looks at all command lines meanwhile. */
  async function watched(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const { child, done } = home.start(args, options);
    let isSeen = false;
    const look = () => {
      for (const line of commandLines()) {
        // The first look already: `start` returns once the program runs.
        isSeen ||= line.includes(program);
        for (const secret of home.secrets) assert.ok(!line.includes(secret), "a command line");
      }
    };
    while (child.exitCode === null && child.signalCode === null) {
      look();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(isSeen, "it was looked at");
    const run = await done;
    assert.equal(run.code, 0, run.err);
    return run;
  }

  it("init by file; then by file, command and environment", async () => {
    await watched(["--password-file", file, "init"]);
    await watched(["--password-file", file, "--verbose", "snapshot", source]);
    await watched(["--password-command", `cat ${file}`, "--verbose", "snapshots"]);
    const ways = [
      { VARVE_PASSWORD: password },
      { VARVE_PASSWORD_FILE: file },
      { VARVE_PASSWORD_COMMAND: `cat ${file}` },
    ];
    for (const env of ways) {
      const run = await watched(["snapshots"], { env });
      assert.match(run.out, /^1 snapshot$/m);
    }
  });

  it("a wrong password is not repeated, not even by --verbose", async () => {
    const wrong = "wrong password, secret all the same";
    home.secrets.push(wrong);
    const env = { VARVE_PASSWORD: wrong };
    const run = await home.run(["--verbose", "snapshots"], { env });
    assert.equal(run.code, 12);
    const json = await home.run(["--verbose", "--json", "snapshots"], { env });
    assert.equal(json.code, 12);
  });

  it("--password-file wins over the environment, and two flags exclude each other", async () => {
    const env = { VARVE_PASSWORD: "another" };
    await home.ok(["--password-file", file, "snapshots"], { env });
    const both = ["--password-file", file, "--password-command", "true", "snapshots"];
    await home.fails(both, "usage", 2);
  });

  it("a password file that others can read is warned of", async () => {
    fs.chmodSync(file, 0o644);
    const run = await home.ok(["--password-file", file, "snapshots"]);
    assert.match(run.err, /^warning: .*chmod 600/m);
    fs.chmodSync(file, 0o600);
    assert.equal((await home.ok(["--password-file", file, "snapshots"])).err, "");
  });

  it("keys are added, listed, changed and removed", async () => {
    const by = (path: string) => ["--password-file", path];
    const keyFile = home.path("key");
    const added = await watched([...by(file), "key", "add", "--new-key-file", keyFile, "--json"]);
    home.secrets.push(keyOf(keyFile));
    const { key_id: keyId } = JSON.parse(added.out) as { key_id: string };
    await watched([...by(keyFile), "key", "add", "--new-password-file", secondFile]);
    await home.ok([...by(secondFile), "snapshots"]);
    const rows = await home.rows([...by(keyFile), "key", "list"]);
    assert.deepEqual(rows.map(({ kind }) => kind).sort(), ["key-file", "password", "password"]);
    assert.deepEqual(
      rows.filter((row) => row["in_use"]).map(({ id }) => id),
      [keyId],
    );
    // passwd takes the place of the one given, and only of it.
    const third = home.path("third");
    fs.writeFileSync(third, "third password", { mode: 0o600 });
    home.secrets.push("third password");
    await watched([...by(secondFile), "key", "passwd", "--new-password-command", `cat ${third}`]);
    assert.equal((await home.run([...by(secondFile), "snapshots"])).code, 12);
    await home.ok([...by(third), "snapshots"]);
    await home.fails([...by(keyFile), "key", "remove", "0123456789"], "key-absent", 1);
    const left = await home.rows([...by(keyFile), "key", "list"]);
    assert.equal(left.length, 3);
    for (const { id } of left.filter((row) => row["kind"] === "password")) {
      await home.ok([...by(keyFile), "key", "remove", String(id).slice(0, 8)]);
    }
    await home.fails([...by(third), "snapshots"], "password-wrong", 12);
    await home.fails([...by(keyFile), "key", "remove", keyId], "key-last", 1);
    assert.equal((await home.row([...by(keyFile), "check", "--read-data"]))["clean"], true);
  });

  it("the repository and the cache hold none of it, nor names or content of files", () => {
    const sought = [...home.secrets, "content", source, "file\0"].map((text) => Buffer.from(text));
    for (const folder of ["repository", "cache"]) {
      const names = fs.readdirSync(home.path(folder), { recursive: true, encoding: "utf8" });
      for (const name of names) {
        const path = home.path(folder, name);
        if (!fs.statSync(path).isFile()) continue;
        const bytes = fs.readFileSync(path);
        for (const secret of sought) assert.ok(!bytes.includes(secret), `${name}: ${secret}`);
        assert.equal(fs.statSync(path).mode & 0o077, name.endsWith(".db") ? 0o044 : 0, name);
      }
    }
  });
});
