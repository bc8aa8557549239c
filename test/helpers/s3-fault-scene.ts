/**
 * A repository on an S3 server behind a proxy that does wrong, and what has to hold of it. Every
 * command is a process of its own in all but name: it opens the repository anew, and those before
 * it are gone.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { hasCode, VarveError } from "../../src/base/errors.ts";
import type { SnapshotId } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { prune } from "../../src/engine/prune.ts";
import { restoreSnapshot } from "../../src/engine/restore.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";
import { parseS3Url } from "../../src/repo/store/s3/s3-location.ts";
import { S3Store } from "../../src/repo/store/s3/s3-store.ts";
import { noise, removeTree } from "./file-fixtures.ts";
import { type FaultPlan, S3FaultProxy } from "./s3-fault-proxy.ts";
import { hostOf, Place, type ProcessOptions } from "./snapshot-place.ts";
import { assertClean, TestClock, takeSnapshot } from "./snapshot-runs.ts";
import { withFolder } from "./test-repository.ts";

/** What a command may end with, when it cannot finish. */
const codes = [
  "store-unreachable",
  "store-credentials",
  "store-denied",
  "object-damaged",
  "blob-damaged",
  "session-fenced",
] as const;

/** Names and hashes. */
type Content = ReadonlyMap<string, string>;
let scenes = 0;

export async function withFaultScene(
  endpoint: string,
  bucket: string,
  work: (scene: FaultScene) => Promise<void>,
): Promise<void> {
  const proxy = await S3FaultProxy.start(endpoint);
  try {
    await withFolder(async (folder) => {
      const where = `s3://${bucket}/scene-${process.pid}-${scenes++}`;
      const scene = new FaultScene(folder, `${where}?endpoint=${proxy.endpoint}`, proxy);
      await scene.make();
      await work(scene);
    });
  } finally {
    await proxy.stop();
  }
}

export class FaultScene {
  readonly proxy: S3FaultProxy;
  readonly #place: Place;
  readonly #url: string;
  readonly #folder: string;
  /** What the source was, by the tag of the snapshots that were taken of it. */
  readonly #versions = new Map<string, Content>();
  /** Snapshots that a command told of, and none was told to forget. */
  readonly #kept = new Set<SnapshotId>();
  readonly #forgotten = new Set<SnapshotId>();
  #version = 0;
  #pid = 1_000_000;

  constructor(folder: string, url: string, proxy: S3FaultProxy) {
    this.proxy = proxy;
    this.#folder = folder;
    this.#url = `${url}&stall-seconds=1&retry-seconds=300`;
    this.#place = new Place(folder, { packBytes: 1024 * 1024 });
  }

  async make(): Promise<void> {
    await (await this.#place.init(this.#process())).close();
    for (let at = 0; at < 20; at++) this.#place.write(`still/${at}`, `still ${at}`);
    for (let times = 0; times < 2; times++) await this.#snapshot();
  }

  /** All commands amid faults, then all that has to hold without. */
  async round(plan: FaultPlan, mustFinish: boolean): Promise<void> {
    const commands = [
      () => this.#snapshot(),
      () => this.#restore(),
      () => this.#prune(),
      () => this.#check(mustFinish),
    ];
    for (const [at, command] of commands.entries()) {
      this.proxy.plan({ ...plan, seed: plan.seed * 16 + at });
      try {
        await command();
      } catch (error) {
        const isClear = hasCode(error, ...codes) && error.message.length > 20;
        if (mustFinish || !isClear) throw told(error, at, plan);
      }
    }
    this.proxy.plan(undefined);
    await this.#requireWhole();
    await this.#snapshot();
    await this.#prune();
    await this.#run((repo) => assertClean(repo));
  }

  /** A host whose other processes are gone, with waits that take no time. */
  #process(cache?: string): ProcessOptions {
    const store = new S3Store(parseS3Url(this.#url), { clock: new TestClock() });
    const host = hostOf(this.#pid++, () => true);
    return { store, host, ...(cache === undefined ? {} : { cache }) };
  }

  async #run<T>(work: (repo: Repository) => Promise<T>, cache?: string): Promise<T> {
    const process = this.#process(cache);
    try {
      const repo = await this.#place.open(process);
      try {
        return await work(repo);
      } finally {
        await repo.close();
      }
    } finally {
      await process.store?.close();
    }
  }

  async #snapshot(): Promise<void> {
    const version = ++this.#version;
    const tag = `version-${version}`;
    this.#place.write("changing", noise(100_000, version));
    this.#place.write(`of/${version % 3}`, noise(600_000, 100 + version));
    this.#versions.set(tag, contentOf(this.#place.root));
    const { id } = await this.#run((repo) => takeSnapshot(repo, this.#place.root, { tags: [tag] }));
    assert.ok(id !== undefined);
    this.#kept.add(id);
  }

  async #restore(): Promise<void> {
    const target = join(this.#folder, "target");
    try {
      await this.#run(async (repo) => {
        await repo.loadIndex();
        const record = (await repo.snapshots()).find(({ id }) => this.#kept.has(id));
        assert.ok(record !== undefined, "a snapshot that was kept is there");
        await restoreSnapshot(repo, record, { target: target as RawPath, threads: 1 });
        this.#requireContent(join(target, this.#place.root), record);
      }, "restorer");
    } finally {
      removeTree(target);
    }
  }

  /** Forgets the oldest, while there are a few. */
  async #prune(): Promise<void> {
    const [oldest] = this.#kept;
    const forget = oldest !== undefined && this.#kept.size > 2 ? [oldest] : [];
    for (const id of forget) {
      this.#kept.delete(id);
      this.#forgotten.add(id);
    }
    await this.#run(async (repo) => {
      await prune(repo, { forget, maxUnused: { kind: "bytes", bytes: 0 } });
      const ids = (await repo.snapshots()).map(({ id }) => id);
      assert.ok(!forget.some((id) => ids.includes(id)), "what was to be forgotten is gone");
    });
  }

  async #check(mustFinish: boolean): Promise<void> {
    await this.#run(async (repo) => {
      const report = await checkRepository(repo, { readData: true, threads: 1 });
      if (mustFinish) assert.deepEqual(report.damage, []);
    });
  }

  /** For a host that knows nothing. */
  async #requireWhole(): Promise<void> {
    await this.#run(async (repo) => {
      await assertClean(repo);
      await repo.loadIndex();
      const records = await repo.snapshots();
      const ids = new Set(records.map(({ id }) => id));
      for (const id of this.#kept) assert.ok(ids.has(id), "a snapshot that was told of is there");
      for (const record of records) {
        const target = join(this.#folder, "whole");
        await restoreSnapshot(repo, record, { target: target as RawPath, threads: 1 });
        this.#requireContent(join(target, this.#place.root), record);
        removeTree(target);
      }
    }, `fresh-${this.#pid}`);
  }

  #requireContent(root: string, { snapshot }: SnapshotRecord): void {
    const expected = this.#versions.get(snapshot.tags[0] ?? "");
    assert.deepEqual(contentOf(root), expected, snapshot.tags[0]);
  }
}

function contentOf(root: string): Content {
  const names = fs.readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  const files = names.filter((name) => fs.statSync(join(root, name)).isFile());
  const hashOf = (name: string) =>
    createHash("sha256")
      .update(fs.readFileSync(join(root, name)))
      .digest("hex");
  return new Map(files.map((name) => [name, hashOf(name)]));
}

function told(error: unknown, command: number, plan: FaultPlan): Error {
  const name = ["snapshot", "restore", "prune", "check"][command];
  const code = error instanceof VarveError ? error.code : "no code";
  const what = `${name} with ${plan.names.length} faults, seed ${plan.seed}: ${code}: ${error}`;
  return new Error(what, { cause: error });
}
