// Builds varve and runs its tests.
// usage: node scripts/test.mjs [--long] [--built] [AREA…]
//   AREA     only files below test/ whose path starts so: `repo`, `engine/prune`
//   --long   the long forms (VARVE_TEST_LONG=1): more seeds, larger trees, hours allowed
//   --built  take dist as it is
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";

const top = join(import.meta.dirname, "..");
const args = process.argv.slice(2);
const long = args.includes("--long");
const areas = args.filter((arg) => !arg.startsWith("--")).map((arg) => arg.replace(/^test\//, ""));

function node(nodeArgs, env = {}) {
  const options = { cwd: top, stdio: "inherit", env: { ...process.env, ...env } };
  const status = spawnSync(process.execPath, nodeArgs, options).status;
  if (status !== 0) process.exit(status ?? 1);
}

if (!args.includes("--built")) node(["scripts/build.mjs"]);

const folder = join(top, "dist/test");
const files = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith(".test.js"))
  .filter((name) => areas.length === 0 || areas.some((area) => name.startsWith(area)))
  .map((name) => relative(top, join(folder, name)))
  .sort();
if (files.length === 0) {
  console.error(`No test file fits ${areas.join(" ")}.`);
  process.exit(1);
}
const timeoutMs = long ? 7_200_000 : 300_000;
node(
  [
    "--test",
    "--test-reporter=spec",
    `--test-concurrency=${Math.max(2, availableParallelism())}`,
    `--test-timeout=${timeoutMs}`,
    ...files,
  ],
  long ? { VARVE_TEST_LONG: "1" } : {},
);
