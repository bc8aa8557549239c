/**
 * One step in a process of its own, so that its peak memory is its own: opens a repository, brings
 * the index into the cache, and prints what that took as a line of JSON.
 * usage: node load-step.js REPOSITORY CACHE KEY-FILE
 */
import { readFileSync, statSync } from "node:fs";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import { parseSecret } from "../../src/repo/crypto/kek.ts";
import { openRepository } from "../../src/repo/repository.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { peakMemory } from "./peak-memory.ts";

export interface LoadCost {
  readonly seconds: number;
  /** User and system time. */
  readonly cpuSeconds: number;
  readonly blobs: number;
  /** Largest resident set before loading, and at the end. */
  readonly startBytes: number;
  readonly peakBytes: number;
  /** Size of SQLite's log at the end. */
  readonly walBytes: number;
}

const [repository = "", cacheDir = "", keyFile = ""] = process.argv.slice(2);

const repo = await openRepository({
  store: new LocalStore(repository),
  cacheDir,
  clock: systemClock,
  random: systemRandom,
  host: { hostname: "bench", user: "", pid: process.pid, bootId: "", isProcessGone: () => false },
  secret: parseSecret(readFileSync(keyFile, "utf8")),
});
const startBytes = peakMemory();
const start = performance.now();
const cpuBefore = process.cpuUsage();
await repo.loadIndex();
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const peakBytes = peakMemory();
let blobs = 0;
for (const { blobCount } of repo.index.livingPacks()) blobs += blobCount;
const { size } = statSync(`${repo.cache.folder}/cache.db-wal`);
const cpuSeconds = (user + system) / 1e6;
const cost: LoadCost = { seconds, cpuSeconds, blobs, startBytes, peakBytes, walBytes: size };
console.log(JSON.stringify(cost));
await repo.close();
