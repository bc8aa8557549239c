// Kills real snapshots and real prunes at random moments and looks what is left of the repository.
// usage: node scripts/kill-runs.mjs [--kills 30] [--seed 1] [--program dist/src/cli/main.js] TREE
//   TREE   a folder to take snapshots of; it is copied first, and only the copy is changed
// After every kill `varve check` must be clean. Then the same command is run to its end, and the
// newest snapshot is restored and compared with the copy. Needs room for three trees in TMPDIR.
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: {
    kills: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    program: { type: "string", default: join(import.meta.dirname, "../dist/src/cli/main.js") },
  },
  allowPositionals: true,
});
const [tree] = positionals;
if (tree === undefined) {
  console.error("usage: node scripts/kill-runs.mjs [--kills N] [--seed N] [--program FILE] TREE");
  process.exit(2);
}
const kills = Number(values.kills);

/** mulberry32: the same moments and changes for the same seed. */
let state = Number(values.seed) | 0;
function fraction() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
const below = (count) => Math.floor(fraction() * count);

const work = mkdtempSync(join(tmpdir(), "varve-kill-"));
const source = join(work, "source");
const target = join(work, "restored");
const env = {
  ...process.env,
  XDG_DATA_HOME: join(work, "data"),
  XDG_CONFIG_HOME: join(work, "config"),
  XDG_CACHE_HOME: join(work, "cache"),
};

function fail(message) {
  console.error(`FAILED: ${message}\nLeft for inspection: ${work}`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 28, ...options });
  if (result.status !== 0) {
    fail(`${command} ${args.join(" ")}: ${result.status}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

const varve = (...args) => run(process.execPath, [resolve(values.program), ...args], { env });

/** Runs varve to its end; milliseconds. */
function timed(...args) {
  const start = performance.now();
  varve(...args);
  return performance.now() - start;
}

/** Starts varve and kills it after so many milliseconds; false when it was done before. */
function killed(afterMs, ...args) {
  return new Promise((resolve_) => {
    const child = spawn(process.execPath, [resolve(values.program), ...args], {
      env,
      stdio: "ignore",
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (signal === null && code !== 0) fail(`varve ${args.join(" ")} ended with ${code}`);
      resolve_(signal === "SIGKILL");
    });
  });
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** Changes about one file in a hundred: longer, gone, renamed, new. */
function changeSource() {
  const files = filesBelow(source);
  for (let left = Math.max(3, files.length / 100); left > 0; left--) {
    const path = files[below(files.length)];
    const kind = below(6);
    try {
      if (statSync(path).size > 2 ** 20) continue;
      if (kind < 3) appendFileSync(path, `changed ${below(1e9)}\n`);
      else if (kind === 3) unlinkSync(path);
      else if (kind === 4) renameSync(path, `${path}.renamed`);
      else writeFileSync(`${path}.new`, Buffer.alloc(1 + below(100_000), below(256)));
    } catch (error) {
      // Chosen twice, and gone the first time.
      if (error.code !== "ENOENT") throw error;
    }
  }
}

const hasRsync = spawnSync("rsync", ["--version"]).status === 0;

function compareRestored() {
  rmSync(target, { recursive: true, force: true });
  varve("restore", "--quiet", "--target", target);
  const restored = join(target, source);
  const out = hasRsync
    ? run("rsync", [
        "-aHAXn",
        "--delete",
        "--checksum",
        "--itemize-changes",
        `${source}/`,
        `${restored}/`,
      ])
    : run("diff", ["-r", "--no-dereference", source, restored]);
  if (out.trim() !== "") fail(`the restored tree differs:\n${out.slice(0, 2000)}`);
}

const summary = { kills: 0, finished: 0, checks: 0, restores: 0 };

async function killOnce(durationMs, ...args) {
  const afterMs = fraction() * durationMs;
  const wasKilled = await killed(afterMs, ...args);
  summary[wasKilled ? "kills" : "finished"]++;
  varve("check", "--quiet");
  summary.checks++;
  console.log(`${args[0]} ${wasKilled ? "killed" : "done"} after ${Math.round(afterMs)} ms: clean`);
  return wasKilled;
}

/** Kills until so many were in time; `again(i)` makes new work and returns how long it may take. */
async function killMany(count, args, again) {
  for (let i = 0, killedCount = 0; killedCount < count && i < 4 * count; i++) {
    if (await killOnce(again(i), ...args)) killedCount++;
  }
}

function compareNow() {
  compareRestored();
  summary.restores++;
}

const snapshot = ["snapshot", "--quiet", source];
const prune = ["prune", "--quiet", "--max-unused", "0"];

async function firstSnapshot() {
  varve("init");
  // What a whole one takes, in a repository that is thrown away.
  const data = env.XDG_DATA_HOME;
  env.XDG_DATA_HOME = join(work, "trial");
  varve("init");
  const durationMs = timed(...snapshot);
  env.XDG_DATA_HOME = data;
  rmSync(join(work, "trial"), { recursive: true });
  console.log(`a first snapshot takes ${Math.round(durationMs)} ms`);
  // No new work: each goes on where the one before was killed.
  await killMany(Math.ceil(kills / 3), snapshot, () => durationMs);
  varve(...snapshot);
  compareNow();
}

async function laterSnapshots() {
  await killMany(kills - Math.ceil(kills / 3), snapshot, (i) => {
    const durationMs = timed(...snapshot);
    if (i % 5 === 4) compareNow();
    changeSource();
    return durationMs;
  });
  varve(...snapshot);
  compareNow();
}

function makePruneWork() {
  for (let i = 0; i < 2; i++) {
    changeSource();
    varve(...snapshot);
  }
  varve("forget", "--quiet", "latest~1");
}

async function prunes() {
  await killMany(kills, prune, (i) => {
    if (i % 5 === 4) compareNow();
    // What is left of the last, and as much again: its time is that of the next.
    makePruneWork();
    const durationMs = timed(...prune);
    makePruneWork();
    return durationMs;
  });
  varve(...prune);
  compareNow();
}

mkdirSync(source);
run("cp", ["-a", `${resolve(tree)}/.`, source]);
await firstSnapshot();
await laterSnapshots();
await prunes();
varve("check", "--quiet", "--read-data");
console.log(
  JSON.stringify({
    seed: Number(values.seed),
    comparedBy: hasRsync ? "rsync" : "diff",
    ...summary,
  }),
);
rmSync(work, { recursive: true });
