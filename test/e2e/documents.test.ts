/** README's tour and the tarball, tried by the scripts that also try them from a fresh clone. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { isLong, program } from "../helpers/e2e-home.ts";
import { checkout } from "../tidy/source-text.ts";

function script(name: string, ...args: readonly string[]): string {
  const path = join(checkout(), "scripts", name);
  const run = spawnSync(process.execPath, [path, ...args], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stdout + run.stderr);
  return run.stdout;
}

it("README's five minutes", () => {
  assert.match(script("try-readme.mjs", "--program", program), /do what README says/);
});

it("npm's tarball holds the program and what it needs, and nothing else", () => {
  const built = dirname(dirname(dirname(program)));
  assert.match(script("try-pack.mjs", "--out", built), /it snapshots and restores/);
});

const skip = isLong ? false : "it asks npm's registry and compiles for minutes: npm run test:long";
it("npm installs the tarball elsewhere, without a compiler of TypeScript", { skip }, () => {
  const built = dirname(dirname(dirname(program)));
  assert.match(script("try-pack.mjs", "--install", "--out", built), /it snapshots and restores/);
});
