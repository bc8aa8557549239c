import assert from "node:assert/strict";
import fs, {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, describe, it } from "node:test";
import { systemRandom } from "../../src/base/clock.ts";
import { hasCode } from "../../src/base/errors.ts";
import { writeNewKeyFile } from "../../src/cli/key-file.ts";
import {
  askPassword,
  givenPassword,
  type PasswordContext,
  readPassword,
} from "../../src/cli/password.ts";
import { parseSecret } from "../../src/repo/crypto/kek.ts";
import { KeptStream } from "./cli-runner.ts";

const folder = mkdtempSync(join(tmpdir(), "varve-password-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface TestContext extends PasswordContext {
  readonly warnings: string[];
  readonly output: KeptStream;
  readonly input: PassThrough & { isTTY?: boolean; raw?: boolean[] };
}

function testContext(isTTY = false): TestContext {
  const raw: boolean[] = [];
  const setRawMode = (on: boolean) => raw.push(on);
  const input = Object.assign(new PassThrough(), { isTTY, raw, setRawMode });
  const output = new KeptStream(isTTY);
  const warnings: string[] = [];
  return {
    terminal: { input, output },
    signal: new AbortController().signal,
    warn: (text) => warnings.push(text),
    warnings,
    output,
    input,
  };
}

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  return path;
}

const isMissing = (error: unknown) =>
  hasCode(error, "password-missing") && error.hint !== undefined;

describe("sources of a password", () => {
  it("are looked at in one order: flags, then the environment", () => {
    const env = {
      VARVE_PASSWORD_FILE: "env-file",
      VARVE_PASSWORD_COMMAND: "env-command",
      VARVE_PASSWORD: "env-text",
    };
    const given = (flags: object, some: Record<string, string>) => givenPassword(flags, some);
    assert.deepEqual(given({ passwordFile: "f" }, env), { kind: "file", path: "f" });
    assert.deepEqual(given({ passwordCommand: "c" }, env), { kind: "command", command: "c" });
    assert.deepEqual(given({}, env), { kind: "file", path: "env-file" });
    const { VARVE_PASSWORD_COMMAND, VARVE_PASSWORD } = env;
    assert.deepEqual(given({}, { VARVE_PASSWORD_COMMAND, VARVE_PASSWORD }), {
      kind: "command",
      command: "env-command",
    });
    assert.deepEqual(given({}, { VARVE_PASSWORD_FILE: "", VARVE_PASSWORD }), {
      kind: "text",
      text: "env-text",
    });
    assert.equal(given({}, {}), undefined);
    assert.throws(
      () => given({ passwordFile: "f", passwordCommand: "c" }, {}),
      (error) => hasCode(error, "usage"),
    );
  });

  it("lose one line end, and nothing else", async () => {
    const cases = [
      ["secret", "secret"],
      ["secret\n", "secret"],
      ["secret\r\n", "secret"],
      ["secret\n\n", "secret\n"],
      [" spaced out \n", " spaced out "],
    ] as const;
    for (const [content, password] of cases) {
      const path = file("password", content);
      assert.equal(await readPassword({ kind: "file", path }, testContext()), password);
    }
  });

  it("may be a command, run without a shell", async () => {
    const run = (command: string) => readPassword({ kind: "command", command }, testContext());
    assert.equal(await run("printf '%s\\n' 'se cret $HOME'"), "se cret $HOME");
    assert.equal(await run("sh -c 'echo $((40 + 2))'"), "42");
    await assert.rejects(run("sh -c 'exit 3'"), (error) => {
      assert.ok(isMissing(error));
      assert.match(String(error), /exit code 3/);
      return true;
    });
    await assert.rejects(run("no-such-program-anywhere"), isMissing);
    await assert.rejects(run("true"), isMissing);
    await assert.rejects(run("sh -c 'kill -9 $$'"), isMissing);
  });

  it("that are absent, empty or too large are named", async () => {
    const read = (path: string) => readPassword({ kind: "file", path }, testContext());
    await assert.rejects(read(join(folder, "none")), isMissing);
    await assert.rejects(read(folder), isMissing);
    await assert.rejects(read(file("empty", "\n")), isMissing);
    await assert.rejects(read(file("large", "x".repeat(100_000))), (error) =>
      hasCode(error, "usage"),
    );
    await assert.rejects(readPassword({ kind: "text", text: "" }, testContext()), isMissing);
  });

  it("warn when others can read the file", async () => {
    const [open, closed] = [testContext(), testContext()];
    await readPassword({ kind: "file", path: file("open", "x", 0o644) }, open);
    await readPassword({ kind: "file", path: file("closed", "x") }, closed);
    assert.match(open.warnings.join(), /chmod 600/);
    assert.deepEqual(closed.warnings, []);
  });
});

describe("the prompt", () => {
  it("asks without showing, and takes corrections", async () => {
    const context = testContext(true);
    const asked = askPassword(context, "Password", false);
    context.input.write("wrong\x15sü");
    context.input.write("ssx\x7f\r");
    assert.equal(await asked, "süss");
    assert.equal(context.output.text, "Password: \n");
    assert.deepEqual(context.input.raw, [true, false]);
  });

  it("asks twice where a slip would lock out", async () => {
    const context = testContext(true);
    const answers = ["one\n", "two\n"];
    context.output.write = (text) => {
      if (String(text).endsWith(": ")) setImmediate(() => context.input.write(answers.shift()));
      return true;
    };
    await assert.rejects(askPassword(context, "New password", true), (error) =>
      hasCode(error, "usage"),
    );
    answers.push("same\n", "same\n");
    assert.equal(await askPassword(context, "New password", true), "same");
  });

  it("ends with Ctrl-C as interrupted, and gives the terminal back", async () => {
    const context = testContext(true);
    const asked = askPassword(context, "Password", false);
    context.input.write("abc\x03");
    await assert.rejects(asked, (error) => hasCode(error, "interrupted"));
    assert.deepEqual(context.input.raw, [true, false]);
  });

  it("does not exist without a terminal", async () => {
    await assert.rejects(askPassword(testContext(false), "Password", false), isMissing);
  });
});

describe("key files", () => {
  it("are random, private, recognised, and never written over", async () => {
    const path = join(folder, "deep/er/key");
    const text = await writeNewKeyFile(path, systemRandom);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const read = await readPassword({ kind: "file", path }, testContext());
    assert.equal(read, text);
    assert.equal(parseSecret(read).kind, "key");
    await assert.rejects(writeNewKeyFile(path, systemRandom), (error) => hasCode(error, "usage"));
    assert.equal(await readPassword({ kind: "file", path }, testContext()), text);
    assert.notEqual(await writeNewKeyFile(join(folder, "other"), systemRandom), text);
  });

  it("have their name once they are whole, as others may look for it at any moment", async (t) => {
    const path = join(folder, "first/key");
    const calls: string[] = [];
    for (const name of ["writeSync", "fsyncSync"] as const) {
      const call = fs[name] as (...args: unknown[]) => unknown;
      const look = (...args: unknown[]) => {
        const text = existsSync(path) ? readFileSync(path, "utf8") : undefined;
        calls.push(`${name}: ${text}`);
        return call(...args);
      };
      t.mock.method(fs, name, look as never);
    }
    syncBuiltinESMExports();
    const text = await writeNewKeyFile(path, systemRandom);
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual(calls, [
      "writeSync: undefined",
      "fsyncSync: undefined",
      `fsyncSync: ${text}\n`,
    ]);
    await assert.rejects(writeNewKeyFile(path, systemRandom), (error) => hasCode(error, "usage"));
    assert.deepEqual(readdirSync(join(folder, "first")), ["key"]);
  });
});
