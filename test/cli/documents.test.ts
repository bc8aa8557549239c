import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { errorCodes } from "../../src/base/errors.ts";
import { commandList } from "../../src/cli/command-list.ts";
import { ExitCode, exitCodeMeanings, exitCodeOfErrorCode } from "../../src/cli/exit-code.ts";
import { checkout } from "../tidy/source-text.ts";
import { withCliHome } from "./cli-runner.ts";

const page = (path: string) => readFileSync(join(checkout(), path), "utf8");

describe("docs/errors.md", () => {
  const text = page("docs/errors.md");

  it("lists the codes of src/base/errors.ts with their meaning and exit code", () => {
    const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (\d+) \| (.*) \|$/gm)];
    const listed = rows.map(([, code, exit, meaning]) => [code, Number(exit), meaning]);
    const expected = (Object.keys(errorCodes) as (keyof typeof errorCodes)[]).map((code) => [
      code,
      exitCodeOfErrorCode(code),
      errorCodes[code],
    ]);
    assert.deepEqual(listed, expected);
  });

  it("lists the exit codes", () => {
    const rows = [...text.matchAll(/^\| (\d+) \| (.*) \|$/gm)];
    const listed = rows.map(([, code, meaning]) => [Number(code), meaning]);
    const expected = Object.values(ExitCode).map((code) => [code, exitCodeMeanings[code]]);
    assert.deepEqual(listed, expected);
  });
});

describe("generated documents", () => {
  const pages = [
    ["docs/cli.md", ["man", "--format", "markdown"]],
    ["docs/man/varve.1", ["man"]],
  ] as const;
  for (const [path, args] of pages) {
    it(`${path} is what varve ${args.join(" ")} prints`, () =>
      withCliHome(async (home) => {
        const { out } = await home.run(args);
        assert.ok(out === page(path), `run: varve ${args.join(" ")} > ${path}`);
      }));
  }
});

describe("help", () => {
  it("of each command names every option, and its page is in the manual", () =>
    withCliHome(async (home) => {
      const manual = page("docs/cli.md");
      for (const { name, summary } of commandList) {
        const { code, out } = await home.run([name, "--help"]);
        assert.equal(code, 0);
        assert.equal((await home.run(["help", name])).out, out);
        const flags = [...out.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag);
        assert.ok(flags.includes("--help") && flags.includes("--repo"), name);
        for (const flag of flags) assert.ok(manual.includes(`${flag}`) || flag === "--help", flag);
        assert.ok(manual.includes(`\n## ${name}\n`), name);
        assert.ok((await home.run(["--help"])).out.includes(summary));
      }
    }));

  it("knows topics, and says so when it does not", () =>
    withCliHome(async (home) => {
      const overview = (await home.run(["help"])).out;
      for (const { name } of commandList) assert.ok(overview.includes(`\n  ${name} `), name);
      const topics = ["patterns", "time", "retention", "repository", "json", "exit-codes"];
      for (const topic of topics) {
        assert.ok(overview.includes(`\n  ${topic} `), topic);
        const { out } = await home.run(["help", topic]);
        assert.ok(out.length > 200, topic);
        const [, gap, first] = out.split("\n");
        assert.equal(gap, "");
        assert.match(first ?? "", topic === "exit-codes" ? /^ {4}0 {2}Done/ : /^\S/);
      }
      const unknown = await home.run(["help", "nonsense"]);
      assert.equal(unknown.code, ExitCode.usage);
      assert.match(unknown.err, /hint: /);
    }));

  it("fits a terminal of 110 columns", () =>
    withCliHome(async (home) => {
      const names = ["patterns", "time", "retention", "repository", "json", "exit-codes"];
      const runs = [[], ...names.map((name) => [name]), ...commandList.map(({ name }) => [name])];
      for (const args of runs) {
        const { out } = await home.run(["help", ...args]);
        const longest = out.split("\n").reduce((a, b) => (a.length > b.length ? a : b));
        assert.ok(longest.length <= 110, longest);
      }
    }));
});
