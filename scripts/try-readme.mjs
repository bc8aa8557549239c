// Does what README.md tells a new user to do, with a home of its own, and checks what comes out.
// usage: node scripts/try-readme.mjs [--program MAIN]
//   --program MAIN   take this main.js for `npx varve`; otherwise: a fresh clone of this checkout,
//                    `npm ci`, `npx varve`, as README says (needs npm's registry, and minutes)
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";

const top = join(import.meta.dirname, "..");
const programAt = process.argv.indexOf("--program");
const program = programAt < 0 ? undefined : resolve(process.argv[programAt + 1] ?? "");
const folder = fs.mkdtempSync(join(tmpdir(), "varve-readme-"));
const home = join(folder, "home");
const readme = fs.readFileSync(join(top, "README.md"), "utf8");

function blockAfter(heading) {
  const [, rest = ""] = readme.split(`\n## ${heading}\n`);
  const block = /```sh\n([\s\S]*?)```/.exec(rest)?.[1];
  assert.ok(block, `README.md has commands below "${heading}"`);
  return block;
}

function bash(script, cwd) {
  const env = { PATH: process.env.PATH, HOME: home, LANG: "C.UTF-8" };
  // npm's own cache and settings are those of whoever runs this.
  env.npm_config_userconfig = join(homedir(), ".npmrc");
  env.npm_config_cache = join(homedir(), ".npm");
  for (const [name, value] of Object.entries(process.env)) {
    if (/^npm_config_/i.test(name)) env[name] = value;
  }
  // An alias means nothing to a shell that nobody types into.
  const text = `set -euo pipefail\nshopt -s expand_aliases\n${script}`;
  const result = spawnSync("bash", ["-c", text], { cwd, env, encoding: "utf8" });
  assert.equal(result.status, 0, `${script}\n${result.stdout}${result.stderr}`);
  return result.stdout + result.stderr;
}

/** README's first two lines, in a clone. */
function firstMinute() {
  const clone = join(folder, "clone");
  bash(`git clone -q "${top}" "${clone}"`, folder);
  const lines = readme.split("\n").filter((line) => /^ {4}npm ci && /.test(line));
  assert.equal(lines.length, 2);
  const [first = ""] = lines;
  const command = first.replace(/#.*/, "").replace("DIR", `"${join(home, "data")}"`);
  const shown = bash(command, clone);
  assert.match(shown, /Created a repository at .*\.local\/share\/varve\/repository/);
  assert.match(shown, /Snapshot [0-9a-f]{8}: 1 file /);
  return clone;
}

try {
  fs.mkdirSync(join(home, "data"), { recursive: true });
  fs.writeFileSync(join(home, "data/file"), "content");
  const cwd = program === undefined ? firstMinute() : folder;
  const tour = blockAfter("Five minutes");
  assert.match(tour, /^alias varve='npx varve'$/m);
  const alias = program && `alias varve='"${process.execPath}" "${program}"'`;
  const shown = bash(alias ? tour.replace(/^alias .*$/m, () => alias) : tour, cwd);
  for (const text of [
    /^Snapshot [0-9a-f]{8}: 2 files \(2 new, 0 changed\)/m,
    /^Snapshot [0-9a-f]{8}: 1 file \(0 new, 1 changed\)/m,
    /^M {2}.*\/tour\/letter$/m,
    /^- {2}.*\/tour\/list$/m,
    /^first draft$/m,
    /^second draft$/m,
    /^Would forget \d of \d snapshots; would free /m,
    /^No damage; .* read and verified/m,
  ]) {
    assert.match(shown, text);
  }
  console.log("README's commands do what README says.");
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
