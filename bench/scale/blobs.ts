/**
 * What a repository with ten million blobs costs: bringing its index into an empty cache, a
 * snapshot of a small tree, the same again, and a restore. Each runs in a process of its own; each
 * must stay below 400 MB.
 * usage: node dist/bench/scale/blobs.js [--blobs N] [--fresh]
 * Work folder: VARVE_BENCH_DIR, or bench/work; N blobs take 45 bytes each there, and the cache 80.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import { streamProfile, treeProfile } from "../../src/chunker/profiles.ts";
import { formatKeyFile } from "../../src/repo/crypto/kek.ts";
import { initRepository } from "../../src/repo/repository.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { measure } from "../measure.ts";
import type { LoadCost } from "./load-step.ts";
import { addManyBlobs } from "./many-blobs.ts";

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
    blobs: { type: "string", default: "10000000" },
    fresh: { type: "boolean", default: false },
  },
});
const blobs = Number(values.blobs);
const bench = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));
const folder = join(bench, `scale-${blobs}`);
const repository = join(folder, "repository");
const cache = join(folder, "cache");
const tree = join(folder, "tree");
const keyFile = join(folder, "key");

async function prepare(): Promise<void> {
  if (values.fresh) rmSync(folder, { recursive: true, force: true });
  if (existsSync(keyFile)) return;
  mkdirSync(tree, { recursive: true });
  for (let i = 0; i < 200; i++) writeFileSync(join(tree, `${i}`), `file ${i}\n`.repeat(i + 1));
  const secret = systemRandom(32);
  const host = { hostname: "bench", user: "", pid: process.pid, bootId: "" };
  const repo = await initRepository({
    store: new LocalStore(repository, { create: true }),
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
  await addManyBlobs(repo, { blobs });
  await repo.close();
  writeFileSync(keyFile, `${formatKeyFile(secret)}\n`);
}

function say(what: string, seconds: number, peakBytes: number, more = ""): void {
  const megabytes = Math.round(peakBytes / 1e6);
  console.log(`${what.padEnd(34)} ${seconds.toFixed(1).padStart(7)} s ${megabytes} MB ${more}`);
  if (peakBytes > peakBytesMax) {
    console.log(`  above ${peakBytesMax / 1e6} MB`);
    process.exitCode = 1;
  }
}

/** The index into an empty cache. */
function load(): void {
  rmSync(cache, { recursive: true, force: true });
  const script = join(built, "bench/scale/load-step.js");
  const run = spawnSync(process.execPath, [script, repository, cache, keyFile], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const cost = JSON.parse(run.stdout) as LoadCost;
  const rate = Math.round(cost.blobs / cost.seconds / 1000);
  const cpu = `${cost.cpuSeconds.toFixed(1)} s of CPU`;
  const log = Math.round(cost.walBytes / 1e6);
  const more = `${cpu}, ${cost.blobs} blobs, ${rate},000 a second, log ${log} MB`;
  say("index into an empty cache", cost.seconds, cost.peakBytes, more);
}

function program(what: string, ...args: string[]): void {
  const program = [process.execPath, join(built, "src/cli/main.js")];
  const options = ["--repo", repository, "--cache-dir", cache, "--password-file", keyFile];
  const command = { argv: [...program, ...args, ...options], env: {} };
  const cost = measure(command, top, join(folder, "log"));
  say(what, cost.wallSeconds, cost.peakBytes);
}

await prepare();
load();
program("snapshot of 200 files", "snapshot", tree);
program("the same again", "snapshot", tree);
const target = join(folder, "target");
rmSync(target, { recursive: true, force: true });
program("restore of it", "restore", "latest", "--target", target);
rmSync(cache, { recursive: true, force: true });
program("restore of it, from an empty cache", "restore", "latest", "--target", `${target}2`);
rmSync(target, { recursive: true, force: true });
rmSync(`${target}2`, { recursive: true, force: true });
