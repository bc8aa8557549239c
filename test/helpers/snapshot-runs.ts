/** Short forms of what tests of snapshots and prunes do again and again. */
import assert from "node:assert/strict";
import type { Clock } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import { hasCode } from "../../src/base/errors.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import type { Walk, Walks } from "../../src/engine/snapshot/walk-thread.ts";
import { createSnapshot, type SnapshotOptions } from "../../src/engine/snapshot.ts";
import { walkInBatches } from "../../src/engine/workers/walk-batches.ts";
import { walkSlotBytes } from "../../src/engine/workers/walk-protocol.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";
import type { FaultPlan, OperationKind } from "../../src/repo/store/fault-store.ts";
import type { ObjectInfo, Store } from "../../src/repo/store/store.ts";
import { OwnerNames } from "../../src/sources/owners.ts";
import { TreeWalker, type TreeWalkerOptions } from "../../src/sources/tree-walker.ts";
import { WalkRecords } from "../../src/sources/walk-records.ts";
import { type Shown, shownBySnapshot } from "./snapshot-shown.ts";

export const runsLong = process.env["VARVE_TEST_LONG"] === "1";

/** One worker thread: starting it is most of what a small snapshot costs. */
export function takeSnapshot(repo: Repository, root: string, more: Partial<SnapshotOptions> = {}) {
  const roots = [root as RawPath];
  return createSnapshot(repo, { roots, walk: {}, host: "testhost", tags: [], threads: 1, ...more });
}

/**
 * A clock that goes on with the system's and can be put forward. It starts an hour ahead, so that
 * files which a test has just made are old enough to be believed unchanged.
 */
export class TestClock implements Clock {
  #aheadMs = 3600_000;

  pass(ms: number): void {
    this.#aheadMs += ms;
  }

  nowNs(): bigint {
    return systemClock.nowNs() + BigInt(this.#aheadMs) * 1_000_000n;
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#aheadMs;
  }

  async sleep(ms: number): Promise<void> {
    this.pass(Math.ceil(ms));
  }
}

/**
 * Walks in this thread that tell of every entry below the roots: when `visit` is called the walk
 * has looked at the entry's metadata, and nobody has opened it yet.
 */
export function watchWalk(visit: (path: string) => void): Walks {
  const excludes = (names: readonly string[], count: number) => {
    visit(`/${names.slice(0, count).join("/")}`);
    return false;
  };
  return {
    begin: (options) => walkHere({ ...options, excludes: { rules: [], excludes } as never }),
  };
}

/** All of a walk at once, without a thread. */
function walkHere(options: TreeWalkerOptions): Walk {
  const slot = new ArrayBuffer(walkSlotBytes);
  const batches: ArrayBuffer[] = [];
  walkInBatches(new TreeWalker(options), slot, {
    slot: () => 0,
    isHungry: () => false,
    isStopped: () => false,
    give: (length, own) => batches.push(own ?? slot.slice(0, length)),
  });
  const records = new WalkRecords(new OwnerNames());
  return {
    records,
    nextBatch: async () => {
      const batch = batches.shift();
      if (batch !== undefined) records.begin(batch, 0, batch.byteLength);
      return batch !== undefined;
    },
    end: async () => undefined,
  };
}

/** A plan for a FaultStore that writes down what was asked, as "put sessions". */
export function recording(log: string[]): FaultPlan {
  return {
    beforeOperation: (kind: OperationKind, name: string) => {
      log.push(`${kind} ${name.split("/")[0]}`);
    },
  };
}

export async function namesIn(store: Store, folder: string): Promise<string[]> {
  return (await objectsIn(store, folder)).map(({ name }) => name);
}

export async function objectsIn(store: Store, folder: string): Promise<ObjectInfo[]> {
  const objects: ObjectInfo[] = [];
  for await (const object of store.list(folder)) objects.push(object);
  return objects;
}

export async function bytesIn(store: Store, folder: string): Promise<number> {
  return (await objectsIn(store, folder)).reduce((sum, { size }) => sum + size, 0);
}

export async function newest(repo: Repository): Promise<SnapshotRecord> {
  const record = (await repo.snapshots()).at(-1);
  assert.ok(record !== undefined, "there is a snapshot");
  return record;
}

/** The newest snapshot shows exactly this. */
export async function assertNewestShows(repo: Repository, root: string, expected: Shown) {
  await repo.loadIndex();
  assert.deepEqual(await shownBySnapshot(repo, await newest(repo), root), expected);
}

/** Every object is in order and every blob of every pack can be read. */
export async function assertClean(repo: Repository): Promise<void> {
  const report = await checkRepository(repo, { readData: true, threads: 1 });
  assert.deepEqual(report.damage, []);
  assert.deepEqual(report.hurtSnapshots, []);
  assert.ok(report.isClean);
}

/** What the call threw, which must be one of ours with this code. */
export async function failsWith(code: Parameters<typeof hasCode>[1], call: () => Promise<unknown>) {
  await assert.rejects(call, (error: unknown) => hasCode(error, code));
}
