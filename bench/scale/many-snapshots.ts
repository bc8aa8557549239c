/**
 * What 10,000 snapshots in one repository cost by their number alone: listing them, a snapshot of
 * a small tree, a prune that finds nothing to do, and what only says what it would do. With a warm
 * cache each must take less than 2 s.
 * usage: node dist/bench/scale/many-snapshots.js [--snapshots N] [--entries N] [--fresh]
 * Work folder: VARVE_BENCH_DIR, or bench/work. Needs about 15 kB for each snapshot there.
 *
 * The repository is as one that was snapshotted each hour and pruned from time to time: a series
 * of snapshots of a tree, in each of which one more file has changed, in full packs.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import { streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import { formatKeyFile } from "../../src/repo/crypto/kek.ts";
import { initRepository } from "../../src/repo/repository.ts";
import { nodeFileOps } from "../../src/repo/store/file-ops.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { measure } from "../measure.ts";
import { addManySnapshots } from "./snapshot-series.ts";

const wallSecondsMax = 2;
const peakBytesMax = 400e6;
const built = resolve(import.meta.dirname, "../..");
const top = dirname(findUp("package.json"));

function findUp(name: string): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, name))) folder = dirname(folder);
  return join(folder, name);
}

const { values } = parseArgs({
  options: {
    snapshots: { type: "string", default: "10000" },
    entries: { type: "string", default: "1000" },
    fresh: { type: "boolean", default: false },
  },
});
const snapshots = Number(values.snapshots);
const bench = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));
const folder = join(bench, `snapshots-${snapshots}`);
const repository = join(folder, "repository");
const cache = join(folder, "cache");
const tree = join(folder, "tree");
const keyFile = join(folder, "key");

async function prepare(): Promise<void> {
  if (values.fresh) rmSync(folder, { recursive: true, force: true });
  if (existsSync(keyFile)) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  for (let i = 0; i < 200; i++) writeFileSync(join(tree, `${i}`), `file ${i}\n`.repeat(i + 1));
  const secret = systemRandom(32);
  const host = { hostname: "bench", user: "", pid: process.pid, bootId: "" };
  // Whether it survives a power cut is not measured, and would take minutes.
  const hasty = { ...nodeFileOps, sync: async () => {}, syncFolder: async () => {} };
  const repo = await initRepository({
    store: new LocalStore(repository, { create: true, ops: hasty }),
    cacheDir: join(folder, "cache of the maker"),
    clock: systemClock,
    random: systemRandom,
    host: { ...host, isProcessGone: () => false },
    secret: { kind: "key", bytes: secret },
    label: "bench",
    settings: {
      cipher: "aes-256-gcm",
      chunkers: { tree: treeProfile, stream: streamProfile },
      pack: { bytes: 16 << 20, padding: false },
    },
  });
  await addManySnapshots(repo, { snapshots, entries: Number(values.entries) });
  await repo.close();
  rmSync(join(folder, "cache of the maker"), { recursive: true });
  writeFileSync(keyFile, `${formatKeyFile(secret)}\n`);
}

interface Expectation {
  /** Seconds of wall time; of what is not a fixed cost there are none. */
  readonly secondsMax?: number;
}

function program(what: string, args: string[], { secondsMax }: Expectation = {}): void {
  const argv = [process.execPath, join(built, "src/cli/main.js"), ...args];
  const options = ["--repo", repository, "--cache-dir", cache, "--password-file", keyFile];
  const command = { argv: [...argv, ...options], env: {} };
  const cost = measure(command, top, join(folder, "log"));
  const megabytes = Math.round(cost.peakBytes / 1e6);
  const seconds = (value: number) => `${value.toFixed(2).padStart(6)} s`;
  const times = `${seconds(cost.wallSeconds)} wall ${seconds(cost.cpuSeconds)} CPU`;
  console.log(`${what.padEnd(38)} ${times} ${String(megabytes).padStart(4)} MB`);
  const isSlow = secondsMax !== undefined && cost.wallSeconds > secondsMax;
  if (!isSlow && cost.peakBytes <= peakBytesMax) return;
  console.log(`  above ${isSlow ? `${secondsMax} s` : `${peakBytesMax / 1e6} MB`}`);
  process.exitCode = 1;
}

await prepare();
rmSync(cache, { recursive: true, force: true });
const warm = { secondsMax: wallSecondsMax };
program("snapshots, from an empty cache", ["snapshots"]);
program("snapshots", ["snapshots"], warm);
program("snapshots --json", ["snapshots", "--json"], warm);
program("snapshot of 200 files", ["snapshot", tree], warm);
program("the same again", ["snapshot", tree], warm);
program("forget --dry-run", ["forget", "--dry-run", "latest~17"], warm);
program("prune --dry-run", ["prune", "--dry-run"], warm);
program("prune --keep-daily 30 --dry-run", ["prune", "--keep-daily", "30", "--dry-run"], warm);
program("prune, nothing to do", ["prune"], warm);
program("check", ["check"]);
