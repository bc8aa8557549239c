/**
 * Writers, prunes and a forgetter at once on one store, their operations in an order drawn from a
 * seed; some sleep so long that they are taken for dead. Whatever happens, every snapshot that is
 * listed has all its blobs and shows its tree.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import type { SnapshotId } from "../../src/base/ids.ts";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import { markSnapshots } from "../../src/engine/mark.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { Seeded } from "../../src/repo/store/seeded.ts";
import { Gate, GatedStore } from "../helpers/crash-gate.ts";
import {
  lightRoot,
  shownByLight,
  takeLight as takeLightSnapshot,
} from "../helpers/crash-light-writer.ts";
import { assertTidy } from "../helpers/crash-recovery.ts";
import { pruneAll } from "../helpers/crash-scenes.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { hostOf, type Place, withPlace } from "../helpers/snapshot-place.ts";
import { runsLong, takeSnapshot } from "../helpers/snapshot-runs.ts";
import { type Shown, shownBySnapshot, shownOnDisk } from "../helpers/snapshot-shown.ts";
import { countStanding } from "../helpers/standing-blobs.ts";

interface Mix {
  readonly name: string;
  readonly writers: number;
  readonly prunes: number;
  readonly sleep: number;
  /** Of a live process being taken for dead when somebody looks. */
  readonly takenForDead: number;
  readonly lostReply: number;
  readonly failure: number;
  /** Processes share one cache, as on one machine. */
  readonly sharedCache: boolean;
}

const calm: Mix = {
  name: "awake",
  writers: 3,
  prunes: 2,
  sleep: 0,
  takenForDead: 0,
  lostReply: 0,
  failure: 0,
  sharedCache: false,
};
const mixes: readonly Mix[] = [
  calm,
  { ...calm, name: "on one machine", sharedCache: true },
  { ...calm, name: "sleepers", sleep: 0.01 },
  { ...calm, name: "sleepers taken for dead", sleep: 0.01, takenForDead: 0.3 },
  { ...calm, name: "sleepers on one machine", sleep: 0.01, takenForDead: 0.2, sharedCache: true },
  { ...calm, name: "lost replies", sleep: 0.005, lostReply: 0.03, failure: 0.005 },
];

const kinds = 2;
const versions = 12;
/** Versions of a kind are nearly the same: where one takes another's place, it stands on it. */
const contents = Array.from({ length: kinds * versions }, (_, i) => {
  const content = noise(6000, (i % kinds) + 1);
  const at = 400 * Math.floor(i / kinds);
  return content.fill(7, at, at + 40);
});

interface Made {
  readonly id: SnapshotId;
  readonly root: string;
  readonly shown: Shown;
}

type Take = (
  repo: Repository,
  series: string,
  tree: ReadonlyMap<string, Buffer>,
  place: Place,
) => Promise<Made>;

const takeLight: Take = async (repo, series, tree) => {
  const id = await takeLightSnapshot(repo, series, tree);
  return { id, root: lightRoot(series), shown: shownByLight(series, tree) };
};

/** The same from a folder, with everything that belongs to it. */
const takeReal: Take = async (repo, series, tree, place) => {
  const root = join(place.root, series);
  fs.mkdirSync(root, { recursive: true });
  for (const name of fs.readdirSync(root)) fs.rmSync(join(root, name));
  for (const [name, bytes] of tree) fs.writeFileSync(join(root, name), bytes);
  const { id } = await takeSnapshot(repo, root, { host: series });
  assert.ok(id !== undefined);
  return { id, root, shown: shownOnDisk(root) };
};

/** What the writers say they have made, and what was forgotten. */
class Ledger {
  readonly made = new Map<SnapshotId, Made>();
  readonly forgotten = new Set<SnapshotId>();
  readonly sums = {
    made: 0,
    gaveUp: 0,
    failed: 0,
    fences: 0,
    copied: 0,
    waited: 0,
    deleted: 0,
    /** Blobs of each depth that were left at the end. */
    standing: [0, 0, 0, 0, 0],
  };
}

class Run {
  readonly place: Place;
  readonly mix: Mix;
  readonly seeded: Seeded;
  readonly gate: Gate;
  readonly ledger = new Ledger();
  readonly isReal: boolean;
  readonly #rounds: number;

  constructor(place: Place, mix: Mix, seed: number, isReal: boolean) {
    this.place = place;
    this.mix = mix;
    this.isReal = isReal;
    this.#rounds = isReal ? 3 : 6;
    this.seeded = new Seeded(seed ^ 0x5eed);
    this.gate = new Gate({ seed, sleep: mix.sleep, sleepSteps: 400 });
  }

  async all(): Promise<void> {
    const { writers, prunes } = this.mix;
    const work = [
      ...Array.from({ length: writers }, (_, i) => this.#writer(`writer-${i}`, i)),
      ...Array.from({ length: prunes }, (_, i) => this.#pruner(`prune-${i}`)),
      this.#forgetter(),
    ];
    const outcomes = await this.gate.run(Promise.allSettled(work));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async #as<T>(process: string, pid: number, use: (repo: Repository) => Promise<T>): Promise<T> {
    const { lostReply, failure, takenForDead, sharedCache } = this.mix;
    const faults = { seed: this.seeded.below(2 ** 31), lostReply, failure };
    const store = new GatedStore(this.place.store, this.gate, process, faults);
    const repo = await this.place.open({
      store,
      cache: sharedCache ? "shared" : process,
      host: hostOf(pid, () => this.seeded.chance(takenForDead)),
    });
    try {
      return await use(repo);
    } finally {
      await repo.close();
    }
  }

  /** What may go wrong by design; everything else fails the test. */
  async #tolerating(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (hasCode(error, "session-fenced")) this.ledger.sums.gaveUp++;
      else if (hasCode(error, "store-unreachable") && this.mix.failure > 0)
        this.ledger.sums.failed++;
      else throw error;
    }
  }

  async #writer(process: string, number: number): Promise<void> {
    const tree = new Map<string, Buffer>();
    for (let round = 0; round < this.#rounds; round++) {
      this.#changeTree(tree);
      const take = this.isReal ? takeReal : takeLight;
      await this.#tolerating(() =>
        this.#as(process, 100 + number, async (repo) => {
          const made = await take(repo, process, tree, this.place);
          this.ledger.made.set(made.id, made);
          this.ledger.sums.made++;
        }),
      );
    }
  }

  /** Few contents, so that what one lost another still has, and what was gone comes back. */
  #changeTree(tree: Map<string, Buffer>): void {
    for (let i = 0; i < 4; i++) {
      const before = contents.indexOf(tree.get(`file-${i}`) ?? Buffer.alloc(0));
      const version = this.seeded.below(versions);
      const kind = before < 0 ? this.seeded.below(kinds) : before % kinds;
      const content = contents[version * kinds + kind];
      if (content === undefined || this.seeded.chance(0.4)) tree.delete(`file-${i}`);
      else tree.set(`file-${i}`, content);
    }
  }

  async #pruner(process: string): Promise<void> {
    for (let round = 0; round <= this.#rounds; round++) {
      await this.#tolerating(() =>
        this.#as(process, 200, async (repo) => {
          const { sweep } = await pruneAll(repo);
          const { sums } = this.ledger;
          sums.fences += sweep?.fencedSessions ?? 0;
          sums.copied += sweep?.copiedBlobs ?? 0;
          sums.waited += sweep?.waitingPacks ?? 0;
          sums.deleted += sweep?.deletedPacks ?? 0;
        }),
      );
      this.place.clock.pass(4 * 60_000);
    }
  }

  async #forgetter(): Promise<void> {
    for (let round = 0; round < 10; round++) {
      await this.#tolerating(() =>
        this.#as("forgetter", 300, async (repo) => {
          const records = await repo.snapshots();
          const chosen = records[this.seeded.below(records.length)];
          if (chosen === undefined) return;
          this.ledger.forgotten.add(chosen.id);
          await forgetSnapshots(repo, [chosen.id]);
        }),
      );
    }
  }

  /** Everybody has stopped; the living count and nothing else does. */
  async verify(): Promise<void> {
    // A writer whose store failed may have died between its commit and its rescue.
    if (this.mix.failure === 0) await this.#verifyShown("before a last prune");
    this.place.clock.pass(3600_000);
    const repo = await this.place.open({ cache: "last", host: hostOf(400, () => true) });
    await this.#forgetOlder(repo);
    await pruneAll(repo);
    await pruneAll(repo);
    await assertTidy(repo);
    this.ledger.sums.standing = await countStanding(repo);
    await repo.close();
    await this.#verifyShown("after a last prune");
  }

  /** Leaves the newest snapshot of each writer, whose bases the others brought. */
  async #forgetOlder(repo: Repository): Promise<void> {
    const records = await repo.snapshots();
    const newest = new Set(new Map(records.map((r) => [r.snapshot.series, r.id])).values());
    const older = records.map(({ id }) => id).filter((id) => !newest.has(id));
    for (const id of older) this.ledger.forgotten.add(id);
    await forgetSnapshots(repo, older);
  }

  async #verifyShown(when: string): Promise<void> {
    const repo = await this.place.open({ freshCache: true });
    const records = await repo.snapshots();
    await repo.loadIndex();
    await markSnapshots(repo, records, {
      onAbsent: (kind, id, record) =>
        assert.fail(
          `${when}: ${record.id.slice(0, 8)} lacks ${kind} ${Buffer.from(id).toString("hex")}`,
        ),
    });
    const listed = new Set(records.map(({ id }) => id));
    for (const [id] of this.ledger.made) {
      assert.ok(listed.has(id) || this.ledger.forgotten.has(id), `${when}: a snapshot is gone`);
    }
    for (const record of records) {
      const made = this.ledger.made.get(record.id);
      const root = made?.root ?? (record.snapshot.paths[0] as string);
      const shown = await shownBySnapshot(repo, record, root);
      if (made !== undefined) assert.deepEqual(shown, made.shown, when);
    }
    await repo.close();
  }
}

/** VARVE_SEED=n tries one seed, VARVE_SEEDS=n the first n. */
const given = process.env["VARVE_SEED"];
const seedCount = (short: number, long: number) =>
  Number(process.env["VARVE_SEEDS"] ?? (runsLong ? long : short));

/** Blobs of each depth that were left at the end of all runs. */
const standingInAll = [0, 0, 0, 0, 0];

async function runSeeds(mix: Mix, isReal: boolean, count: number): Promise<string> {
  const first = Number(given ?? 1);
  const last = given === undefined ? count : first;
  const sums: Record<string, number> = {};
  const add = (counts: Record<string, number>) => {
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  };
  for (let seed = first; seed <= last; seed++) {
    await withPlace(
      async (place) => {
        await (await place.init({ cache: "init" })).close();
        const run = new Run(place, mix, seed, isReal);
        try {
          await run.all();
          await run.verify();
        } catch (error) {
          // The test runner shows no causes.
          throw new Error(`VARVE_SEED=${seed}: ${(error as Error).stack}`, { cause: error });
        }
        const { steps, sleeps } = run.gate;
        const { standing, ...counts } = run.ledger.sums;
        add({ steps, sleeps, ...counts });
        for (const [depth, count] of standing.entries()) {
          standingInAll[depth] = (standingInAll[depth] ?? 0) + count;
        }
      },
      { store: new MemoryStore(), packBytes: 64 * 1024 },
    );
  }
  return `seeds ${first} to ${last}: ${JSON.stringify(sums)}`;
}

for (const mix of mixes) {
  test(`writers, prunes and a forgetter at once: ${mix.name}`, async (t) => {
    t.diagnostic(await runSeeds(mix, false, seedCount(4, 2000)));
  });
}

for (const mix of mixes) {
  test(`the same with worker threads and real folders: ${mix.name}`, async (t) => {
    t.diagnostic(await runSeeds(mix, true, seedCount(1, 100)));
  });
}

test("blobs stood on bases in it, and these on others", (t) => {
  t.diagnostic(`blobs of each depth: ${standingInAll}`);
  // One seed alone may have none.
  assert.ok((standingInAll[1] ?? 0) > 0 || given !== undefined);
  assert.ok((standingInAll[2] ?? 0) > 0 || given !== undefined);
});
