/**
 * varve beside restic on one S3 server: the first snapshot of the Linux source, the same again, and
 * a full restore, without and with a round trip of 20 ms. They take turns, each round in new
 * buckets; the server is Ceph, as scripts/install-ceph.sh brings it, over TLS: what restic sends
 * over plain http it refuses.
 * usage: node dist/bench/s3/beside-restic.js [--runs N] [--varve PATH]
 * Work folder: VARVE_BENCH_DIR, or bench/work; restic as for `npm run bench`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Ceph, cephMissing, cephRoot, startCeph } from "../../test/helpers/s3-ceph.ts";
import { makeBucket } from "../../test/helpers/s3-place.ts";
import { compareTrees } from "../compare-trees.ts";
import { DataSet } from "../data-sets/data-set.ts";
import { makeLinux } from "../data-sets/linux.ts";
import { type Command, measure, output, warmData } from "../measure.ts";
import { findPeer } from "../programs/program.ts";
import { resticNames } from "../programs/restic.ts";
import { type Secrets, writeSecrets } from "../programs/secrets.ts";

const roundTripsMs = [0, 20];
const works = ["first", "again", "restore"] as const;
type Work = (typeof works)[number];
const ratioMax: Record<Work, number> = { first: 0.6, again: 0.4, restore: 0.8 };

/** Where a program's repository is, and how it is called there. */
interface Client {
  readonly name: "restic" | "varve";
  command(...args: string[]): Command;
  work(work: Work, source: string, target: string): Command;
}

function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

const top = checkout();
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "3" },
    varve: { type: "string", default: join(top, "dist/src/cli/main.js") },
  },
});
const folder = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));

interface Place {
  readonly endpoint: string;
  readonly bucket: string;
  /** Of the server's certificate, a file. */
  readonly authority: string;
  /** Of the cache and the settings. */
  readonly folder: string;
  readonly secrets: Secrets;
}

function resticAt({ endpoint, bucket, authority, folder: own, secrets }: Place): Client {
  const path = findPeer("RESTIC", resticNames);
  if (path === undefined) throw new Error("restic is not there: see bench/README.md, Peers");
  const command = (...args: string[]): Command => ({
    argv: [path, "--cacert", authority, ...args],
    env: {
      RESTIC_REPOSITORY: `s3:${endpoint}/${bucket}`,
      RESTIC_CACHE_DIR: join(own, "cache"),
      RESTIC_PASSWORD_FILE: secrets.passphraseFile,
    },
  });
  return {
    name: "restic",
    command,
    work: (work, source, target) =>
      work === "restore"
        ? command("restore", "latest", "--target", target)
        : command("backup", source),
  };
}

function varveAt({ endpoint, bucket, authority, folder: own, secrets }: Place): Client {
  const command = (...args: string[]): Command => ({
    argv: [process.execPath, resolve(values.varve), ...args],
    env: {
      VARVE_REPO: `s3://${bucket}/varve?endpoint=${endpoint}&ca=${authority}`,
      VARVE_CACHE_DIR: join(own, "cache"),
      VARVE_PASSWORD_FILE: secrets.keyFile,
      XDG_CONFIG_HOME: join(own, "config"),
      XDG_DATA_HOME: join(own, "data"),
    },
  });
  return {
    name: "varve",
    command,
    work: (work, source, target) =>
      work === "restore"
        ? command("restore", "--target", target, "latest")
        : command("snapshot", source),
  };
}

class Bench {
  readonly #walls = new Map<string, number[]>();
  readonly #ceph: Ceph;
  readonly #secrets: Secrets;
  readonly #source: string;
  #buckets = 0;

  constructor(ceph: Ceph, secrets: Secrets, source: string) {
    this.#ceph = ceph;
    this.#secrets = secrets;
    this.#source = source;
  }

  async round(endpoint: string, roundTripMs: number): Promise<void> {
    for (const clientAt of [resticAt, varveAt]) {
      // What was restored stays until the end: ext4 is slow for a minute after many deletions.
      const place = join(folder, "s3", String(this.#buckets));
      mkdirSync(place, { recursive: true });
      const bucket = `round-${this.#buckets++}`;
      await makeBucket(this.#ceph, bucket);
      const { ca: authority } = this.#ceph;
      const secrets = this.#secrets;
      const client = clientAt({ endpoint, bucket, authority, folder: place, secrets });
      output(client.command("init"));
      for (const work of works) this.#measure(client, work, place, roundTripMs);
      compareTrees(this.#source, join(place, "restored", this.#source));
    }
  }

  #measure(client: Client, work: Work, place: string, roundTripMs: number): void {
    warmData([this.#source]);
    const command = client.work(work, this.#source, join(place, "restored"));
    const cost = measure(command, top, join(place, "log"));
    const key = `${client.name} ${work} ${roundTripMs}`;
    this.#walls.set(key, [...(this.#walls.get(key) ?? []), cost.wallSeconds]);
    const [wall, cpu] = [cost.wallSeconds.toFixed(2), cost.cpuSeconds.toFixed(2)];
    const peak = (cost.peakBytes / 1e6).toFixed(0);
    console.log(`${roundTripMs} ms  ${client.name}  ${work}: ${wall} s, ${cpu} s CPU, ${peak} MB`);
  }

  report(): void {
    for (const ms of roundTripsMs) {
      for (const work of works) {
        const [peer, own] = ["restic", "varve"].map((name) => {
          const walls = (this.#walls.get(`${name} ${work} ${ms}`) ?? []).sort((a, b) => a - b);
          return walls[walls.length >> 1] ?? Number.NaN;
        }) as [number, number];
        const [ratio, most] = [own / peer, ratioMax[work]];
        const verdict = ratio <= most ? "reached" : "missed";
        const walls = `${peer.toFixed(2)} s, varve ${own.toFixed(2)} s`;
        console.log(
          `${ms} ms  ${work}: restic ${walls}: ${ratio.toFixed(2)} (≤ ${most}) ${verdict}`,
        );
      }
    }
  }
}

async function proxy(endpoint: string, roundTripMs: number): Promise<[string, ChildProcess]> {
  const script = join(import.meta.dirname, "latency-proxy.js");
  const args = [script, new URL(endpoint).port, String(roundTripMs)];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return [`https://127.0.0.1:${line.toString().trim()}`, child];
}

const root = cephRoot();
if (root === undefined) throw new Error(cephMissing);
mkdirSync(join(folder, "data"), { recursive: true });
rmSync(join(folder, "s3"), { recursive: true, force: true });
const set = new DataSet(join(folder, "data/tree"), 2, makeLinux);
set.use(1);
const ceph = await startCeph(root);
process.env["AWS_ACCESS_KEY_ID"] = ceph.accessKey;
process.env["AWS_SECRET_ACCESS_KEY"] = ceph.secretKey;
const bench = new Bench(ceph, await writeSecrets(folder), set.path);
const [farEndpoint, far] = await proxy(ceph.tlsEndpoint, roundTripsMs[1] ?? 0);
try {
  for (let run = 0; run < Number(values.runs); run++) {
    await bench.round(ceph.tlsEndpoint, 0);
    await bench.round(farEndpoint, roundTripsMs[1] ?? 0);
  }
  bench.report();
} finally {
  far.kill();
  await ceph.stop();
  rmSync(join(folder, "s3"), { recursive: true, force: true });
}
