// Builds varve and runs its tests.
// usage: node scripts/test.mjs [--long] [--built] [--concurrency=N] [AREA…]
//   AREA             only files below test/ whose path starts so: `repo`, `engine/prune`
//   --long           the long forms (VARVE_TEST_LONG=1): more seeds, larger trees, hours allowed
//   --built          take dist as it is
//   --concurrency=N  so many files at a time; otherwise one for each core, at least two
//
// Every file works in a temporary folder of its own (test/helpers/own-folder.ts), below TMPDIR or
// /tmp. All of them are made before the first test starts: a snapshot has the folders above its
// tree as entries, and what one test makes must not change what another has above it.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, constants, tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

const top = join(import.meta.dirname, "..");
const args = process.argv.slice(2);
const long = args.includes("--long");
const concurrencyGiven = args.find((arg) => arg.startsWith("--concurrency="))?.split("=")[1];
const concurrency = Number(concurrencyGiven ?? Math.max(2, availableParallelism()));
const areas = args.filter((arg) => !arg.startsWith("--")).map((arg) => arg.replace(/^test\//, ""));

if (!args.includes("--built")) {
  const options = { cwd: top, stdio: "inherit" };
  const { status } = spawnSync(process.execPath, ["scripts/build.mjs"], options);
  if (status !== 0) process.exit(status ?? 1);
}

const built = join(top, "dist/test");
const files = readdirSync(built, { recursive: true })
  .filter((name) => name.endsWith(".test.js"))
  .filter((name) => areas.length === 0 || areas.some((area) => name.startsWith(area)))
  .sort();
if (files.length === 0) {
  console.error(`No test file fits ${areas.join(" ")}.`);
  process.exit(1);
}

// Tests that miss a program fail, and name it too.
if (files.some((name) => /sftp|known-hosts|rclone/.test(name))) {
  spawnSync(join(top, "scripts/install-test-tools.sh"), { stdio: "inherit" });
}

const { ownFolderName } = await import(join(built, "helpers/own-folder.js"));
const folders = mkdtempSync(join(resolve(tmpdir()), "varve-"));
// Some tests run programs as nobody, who must get through to their files.
chmodSync(folders, 0o755);
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
let stoppedBy;
// Whoever stops this wants the folders gone as well; the tests' end comes first.
for (const signal of signals) {
  process.on(signal, () => {
    stoppedBy = signal;
    running?.kill(signal);
  });
}
let running;
try {
  for (const name of files) {
    const folder = join(folders, ownFolderName(name));
    mkdirSync(folder);
    chmodSync(folder, 0o755);
  }
  process.exitCode = await runTests();
  for (const path of leftIn(folders)) console.error(`Left behind: ${path}`);
} finally {
  removeFolders();
}

/** Resolves to the exit code. */
function runTests() {
  // Against what hangs, for a whole file: on a busy machine the slowest take many minutes.
  const timeoutMs = long ? 7_200_000 : 1_800_000;
  const nodeArgs = [
    "--import",
    join(built, "helpers/own-folder.js"),
    "--test",
    "--test-reporter=spec",
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${timeoutMs}`,
    ...files.map((name) => relative(top, join(built, name))),
  ];
  const env = { ...process.env, VARVE_TEST_FOLDERS: folders };
  if (long) env.VARVE_TEST_LONG = "1";
  running = spawn(process.execPath, nodeArgs, { cwd: top, stdio: "inherit", env });
  return new Promise((resolve, reject) => {
    running.once("error", reject);
    running.once("exit", (code, signal) =>
      resolve(code ?? 128 + constants.signals[stoppedBy ?? signal]),
    );
  });
}

/** What the tests should have removed, each with the file that made it. */
function leftIn(folder) {
  return files.flatMap((file) =>
    readdirSync(join(folder, ownFolderName(file))).map((name) => `${name} of ${file}`),
  );
}

function removeFolders() {
  // Others than root cannot empty folders that a test took their rights from.
  spawnSync("chmod", ["-R", "u+rwX", folders], { stdio: "ignore" });
  rmSync(folders, { recursive: true, force: true });
}
