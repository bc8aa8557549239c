/**
 * The traps that many writers and prunes without a lock have (docs/concurrency.md), each by itself:
 * sleepers at every step, the reader, the twin, the lost reply, the stale cache, the late rescue.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore, SimulatedCrash } from "../../src/repo/store/fault-store.ts";
import type { ObjectInfo, Store } from "../../src/repo/store/store.ts";
import {
  type LightTree,
  lightRoot,
  shownByLight,
  takeLight,
} from "../helpers/crash-light-writer.ts";
import { assertTidy } from "../helpers/crash-recovery.ts";
import { pruneAll } from "../helpers/crash-scenes.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { hostOf, type Place, withPlace, withRepository } from "../helpers/snapshot-place.ts";
import {
  assertNewestShows,
  failsWith,
  namesIn,
  newest,
  takeSnapshot,
} from "../helpers/snapshot-runs.ts";
import { shownBySnapshot, shownOnDisk } from "../helpers/snapshot-shown.ts";

const treeOf = (...numbers: number[]): LightTree =>
  new Map(numbers.map((n) => [`file-${n}`, noise(4000, n)]));

async function as<T>(
  place: Place,
  cache: string,
  use: (repo: Repository) => Promise<T>,
  store: Store = place.store,
): Promise<T> {
  const repo = await place.open({ store, cache });
  try {
    return await use(repo);
  } finally {
    await repo.close();
  }
}

/** Opens a repository without a cache: what is in the store has to do. */
async function assertShows(place: Place, trees: Record<string, LightTree>): Promise<void> {
  const repo = await place.open({ freshCache: true });
  await repo.loadIndex();
  const records = await repo.snapshots();
  for (const [series, tree] of Object.entries(trees)) {
    const record = records.filter(({ snapshot }) => snapshot.series === series).at(-1);
    assert.ok(record !== undefined, `there is a snapshot of ${series}`);
    const shown = await shownBySnapshot(repo, record, lightRoot(series));
    assert.deepEqual(shown, shownByLight(series, tree));
  }
  await repo.close();
}

async function settle(place: Place): Promise<void> {
  await as(place, "last", async (repo) => {
    for (let i = 0; i < 3; i++) {
      await pruneAll(repo);
      place.clock.pass(10 * 60_000);
    }
    await assertTidy(repo);
  });
}

/** Somebody who falls asleep before operation `at` on the store, until woken. */
class Sleeper {
  readonly store: Store;
  readonly asleep: Promise<void>;
  wake: () => void = () => undefined;

  constructor(inner: Store, at: number) {
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    let fallAsleep: () => void = () => undefined;
    this.asleep = new Promise((resolve) => {
      fallAsleep = resolve;
    });
    let operations = 0;
    const beforeOperation = async () => {
      if (++operations !== at) return;
      fallAsleep();
      await woken;
    };
    this.store = new FaultStore(inner, { beforeOperation });
  }
}

/** Runs `work` on a sleeper's store, and `meanwhile` while it sleeps; false when it never slept. */
async function asleepAt(
  place: Place,
  at: number,
  work: (store: Store) => Promise<unknown>,
  meanwhile: () => Promise<void>,
): Promise<boolean> {
  const sleeper = new Sleeper(place.store, at);
  const working = work(sleeper.store);
  const slept = await Promise.race([sleeper.asleep.then(() => true), working.then(() => false)]);
  if (slept) await meanwhile();
  sleeper.wake();
  await working;
  return slept;
}

/** The content that the sleeper relies on is in a pack that nobody else needs any more. */
async function makeAbandoned(place: Place): Promise<void> {
  await (await place.init({ cache: "sleeper" })).close();
  await as(place, "sleeper", async (repo) => {
    await takeLight(repo, "steady", treeOf(1));
    const old = await takeLight(repo, "old", treeOf(2, 3));
    await forgetSnapshots(repo, [old]);
  });
}

for (const takesForDead of [true, false]) {
  const title = takesForDead ? "is taken for dead" : "is waited for";
  test(`a writer that sleeps at any step of a snapshot and ${title}`, async (t) => {
    let sleeps = 0;
    for (let at = 1, isOver = false; !isOver; at++) {
      await withPlace(async (place) => {
        await makeAbandoned(place);
        const write = (store: Store) =>
          as(place, "sleeper", (repo) => takeLight(repo, "new", treeOf(2, 4)), store);
        const meanwhile = async () => {
          for (let i = 0; i < 3; i++) {
            await as(place, "pruner", (repo) => pruneAll(repo));
            if (takesForDead) place.clock.pass(6 * 60_000);
          }
        };
        if (await asleepAt(place, at, write, meanwhile)) sleeps++;
        else isOver = true;
        await assertShows(place, { new: treeOf(2, 4), steady: treeOf(1) });
        await settle(place);
        await assertShows(place, { new: treeOf(2, 4), steady: treeOf(1) });
      });
    }
    assert.ok(sleeps > 12, `${sleeps} sleeps`);
    t.diagnostic(`${sleeps} sleeps`);
  });

  test(`a prune that sleeps at any step and ${title}`, async (t) => {
    let sleeps = 0;
    for (let at = 1, isOver = false; !isOver; at++) {
      await withPlace(async (place) => {
        await makeAbandoned(place);
        const meanwhile = async () => {
          await as(place, "writer", async (repo) => {
            await takeLight(repo, "new", treeOf(2, 4));
            const brief = await takeLight(repo, "brief", treeOf(1, 5));
            await forgetSnapshots(repo, [brief]);
          });
          for (let i = 0; i < 3; i++) {
            await as(place, "pruner", (repo) => pruneAll(repo));
            if (takesForDead) place.clock.pass(6 * 60_000);
          }
        };
        const prune = (store: Store) => as(place, "sleeper", (repo) => pruneAll(repo), store);
        if (await asleepAt(place, at, prune, meanwhile)) {
          sleeps++;
          await assertShows(place, { new: treeOf(2, 4), steady: treeOf(1) });
        } else {
          isOver = true;
        }
        await settle(place);
        if (!isOver) await assertShows(place, { new: treeOf(2, 4), steady: treeOf(1) });
      });
    }
    assert.ok(sleeps > 15, `${sleeps} sleeps`);
    t.diagnostic(`${sleeps} sleeps`);
  });
}

/** Makes packs of two snapshots, the first of which is forgotten: a prune rewrites what is left. */
async function makeWaste(place: Place): Promise<void> {
  await as(place, "writer", async (repo) => {
    const first = await takeLight(repo, "a", treeOf(1, 2, 3));
    await takeLight(repo, "a", treeOf(2, 3));
    await forgetSnapshots(repo, [first]);
  });
}

test("the reader: an index from before a prune is loaded again", async () => {
  for (const cache of ["reader", "pruner"]) {
    await withPlace(async (place) => {
      await (await place.init({ cache: "writer" })).close();
      await makeWaste(place);
      const reader = await place.open({ cache });
      await reader.loadIndex();
      const record = await newest(reader);
      await as(place, "pruner", async (repo) => {
        const { sweep } = await pruneAll(repo);
        assert.ok((sweep?.deletedPacks ?? 0) >= 1);
        await pruneAll(repo);
      });
      const shown = await shownBySnapshot(reader, record, lightRoot("a"));
      assert.deepEqual(shown, shownByLight("a", treeOf(2, 3)), `cache ${cache}`);
      // What is really gone is told, and told so.
      await as(place, "pruner", async (repo) => {
        await forgetSnapshots(repo, [record.id]);
        await pruneAll(repo);
      });
      await failsWith("blob-absent", () => shownBySnapshot(reader, record, lightRoot("a")));
      await reader.close();
    });
  }
});

test("the sibling: what one process drops from a shared cache, another has in mind", async () => {
  for (const use of ["read", "prune", "snapshot"] as const) {
    await withPlace(async (place) => {
      await (await place.init({ cache: "shared" })).close();
      await as(place, "shared", async (repo) => {
        for (let i = 0; i < 4; i++) {
          const id = await takeLight(repo, `s${i}`, treeOf(i, i + 1, 10));
          if (i < 3) await forgetSnapshots(repo, [id]);
        }
      });
      const first = await place.open({ cache: "shared" });
      await first.loadIndex();
      const record = await newest(first);
      const rows = () => first.cache.db.prepare("SELECT count(*) FROM pack").pluck().get();
      assert.equal(rows(), 4);
      await as(place, "elsewhere", (repo) => pruneAll(repo));
      await as(place, "shared", (repo) => repo.loadIndex());
      assert.equal(rows(), 2, "rows of dead packs were dropped");
      if (use === "prune") await pruneAll(first);
      if (use === "snapshot") await takeLight(first, "s3", treeOf(3, 4, 10));
      const shown = await shownBySnapshot(first, record, lightRoot("s3"));
      assert.deepEqual(shown, shownByLight("s3", treeOf(3, 4, 10)));
      await first.close();
      await assertShows(place, { s3: treeOf(3, 4, 10) });
    });
  }
});

/** A store that holds its user up: `pause(call)` is awaited after each name of a list. */
class Pausing extends FaultStore {
  readonly #pause: (folder: string) => Promise<void> | undefined;

  constructor(inner: Store, pause: (folder: string) => Promise<void> | undefined) {
    super(inner);
    this.#pause = pause;
  }

  override async *list(folder: string): AsyncGenerator<ObjectInfo> {
    for await (const object of super.list(folder)) {
      yield object;
      await this.#pause(folder);
    }
  }
}

test("the sibling: an older listing takes no snapshot out of a younger one", async () => {
  await withPlace(async (place) => {
    await (await place.init({ cache: "shared" })).close();
    await as(place, "shared", (repo) => takeLight(repo, "a", treeOf(1)));
    let wakeOld: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      wakeOld = resolve;
    });
    const older = await place.open({
      cache: "shared",
      store: new Pausing(place.store, (folder) => (folder === "snapshots" ? held : undefined)),
    });
    // It has begun its listing, and sleeps in it.
    const oldListing = older.snapshots();
    await new Promise((resolve) => setImmediate(resolve));
    await as(place, "elsewhere", (repo) => takeLight(repo, "b", treeOf(2)));
    let isHeld = false;
    const store = new FaultStore(place.store, {
      beforeOperation: async (kind, name) => {
        if (isHeld || kind !== "list" || name !== "fences") return;
        isHeld = true;
        wakeOld();
        await oldListing;
      },
    });
    const younger = await place.open({ cache: "shared", store });
    assert.equal((await younger.snapshots()).length, 2);
    assert.ok(isHeld);
    await older.close();
    await younger.close();
  });
});

test("the stale cache: one from before a prune, on a host that was off", async () => {
  await withRepository(async (repo, place) => {
    place.write("file", noise(50_000, 1));
    const { id } = await takeSnapshot(repo, place.root);
    assert.ok(id !== undefined);
    fs.cpSync(place.cacheDir(), place.cacheDir("stale"), { recursive: true });
    await forgetSnapshots(repo, [id]);
    await pruneAll(repo);
    assert.deepEqual(await namesIn(place.store, "packs"), []);
    const returned = await place.open({ cache: "stale" });
    const again = await takeSnapshot(returned, place.root);
    assert.ok(again.snapshot.added.rawBytes >= 50_000, "nothing is believed to be there");
    await assertNewestShows(returned, place.root, shownOnDisk(place.root));
    await returned.close();
  });
});

test("the stale cache: a prune with one keeps what others have stored", async () => {
  await withPlace(async (place) => {
    await (await place.init({ cache: "init" })).close();
    await makeWaste(place);
    await as(place, "stale", (repo) => repo.loadIndex());
    await as(place, "writer", async (repo) => {
      await pruneAll(repo);
      await takeLight(repo, "b", treeOf(1, 7, 8));
    });
    await as(place, "stale", (repo) => pruneAll(repo));
    await assertShows(place, { a: treeOf(2, 3), b: treeOf(1, 7, 8) });
    await settle(place);
  });
});

test("the stale cache: tombstones merged elsewhere are still taken in", async () => {
  await withPlace(async (place) => {
    await (await place.init({ cache: "init" })).close();
    // Each round leaves a swept tombstone; the last merge is done by the process that slept.
    const round = (repo: Repository, n: number) =>
      takeLight(repo, "brief", treeOf(n)).then((id) => forgetSnapshots(repo, [id]));
    await as(place, "other", async (repo) => {
      await takeLight(repo, "steady", treeOf(1));
      for (let n = 20; n < 26; n++) {
        await round(repo, n);
        await pruneAll(repo);
      }
      await round(repo, 26);
    });
    const buried = await as(place, "sleeper", async (repo) => {
      await repo.loadIndex();
      return new Set([...repo.index.livingPacks()].map(({ pack }) => pack));
    });
    // While the sleeper's prune waits to tidy, another buries what it believes to be alive.
    const prune = (store: Store) => as(place, "sleeper", (repo) => pruneAll(repo), store);
    for (let at = 1; at < 60; at++) {
      const slept = await asleepAt(place, at, prune, async () => {
        await as(place, "other", async (repo) => {
          await round(repo, 30 + at);
          await pruneAll(repo);
        });
      });
      if (!slept) break;
      await as(place, "sleeper", async (repo) => {
        await repo.loadIndex();
        const stored = new Set(
          (await namesIn(place.store, "packs")).map((name) => name.slice(-64)),
        );
        for (const { pack } of repo.index.livingPacks()) {
          assert.ok(stored.has(pack), `asleep at ${at}: a pack that is gone counts`);
        }
        const dead = new Set<string>(repo.index.deadPacks());
        for (const pack of buried) assert.ok(stored.has(pack) || dead.has(pack));
      });
    }
    await assertShows(place, { steady: treeOf(1) });
  });
});

/** Leaves packs in the store that only the cache knows. */
async function dieBeforeIndex(place: Place, cache: string, tree: LightTree): Promise<void> {
  const store = new FaultStore(place.store, {
    beforeOperation: (kind, name) => {
      if (kind === "put" && name.startsWith("index/")) throw new SimulatedCrash("before the index");
    },
  });
  const died = as(place, cache, (repo) => takeLight(repo, "a", tree), store);
  await assert.rejects(died, SimulatedCrash);
}

test("the twin: two clones of one machine with one cache each go on side by side", async () => {
  await withPlace(async (place) => {
    await (await place.init({ cache: "one" })).close();
    await as(place, "one", (repo) => takeLight(repo, "a", treeOf(1, 2)));
    await dieBeforeIndex(place, "one", treeOf(2, 3, 4));
    fs.cpSync(place.cacheDir("one"), place.cacheDir("two"), { recursive: true });
    const packs = await namesIn(place.store, "packs");
    // Both take over the same packs.
    await Promise.all([
      as(place, "one", (repo) => takeLight(repo, "a", treeOf(2, 3, 4))),
      as(place, "two", (repo) => takeLight(repo, "b", treeOf(3, 4))),
    ]);
    await assertShows(place, { a: treeOf(2, 3, 4), b: treeOf(3, 4) });
    const added = (await namesIn(place.store, "packs")).length - packs.length;
    assert.ok(added <= 2, "only a catalog each is new");
    // One forgets and prunes while the other keeps what it had in mind.
    await as(place, "one", async (repo) => {
      const records = await repo.snapshots();
      await forgetSnapshots(
        repo,
        records.map(({ id }) => id),
      );
      await pruneAll(repo);
    });
    await as(place, "two", (repo) => takeLight(repo, "b", treeOf(3, 4)));
    await assertShows(place, { b: treeOf(3, 4) });
    await settle(place);
  });
});

test("the twin: packs that a clone took over and lost are not taken over twice", async () => {
  await withPlace(async (place) => {
    await (await place.init({ cache: "one" })).close();
    await dieBeforeIndex(place, "one", treeOf(3, 4));
    fs.cpSync(place.cacheDir("one"), place.cacheDir("two"), { recursive: true });
    await as(place, "one", async (repo) => {
      const id = await takeLight(repo, "a", treeOf(3, 4));
      await forgetSnapshots(repo, [id]);
      await pruneAll(repo);
    });
    await as(place, "two", (repo) => takeLight(repo, "b", treeOf(3, 4)));
    await assertShows(place, { b: treeOf(3, 4) });
    await settle(place);
  });
});

/** Does every put and delete twice, as somebody who got no answer does. */
class Repeating extends FaultStore {
  override async put(name: string, data: Uint8Array): Promise<void> {
    await super.put(name, data);
    await super.put(name, data);
  }

  override async delete(name: string): Promise<void> {
    await super.delete(name);
    await super.delete(name);
  }
}

test("the lost reply: every put and delete is done twice", async () => {
  await withPlace(async (place) => {
    const store = new Repeating(place.store);
    await (await place.init({ store })).close();
    const repo = await place.open({ store, host: hostOf(1) });
    for (let i = 0; i < 12; i++) {
      const id = await takeLight(repo, "a", treeOf(i, i + 1, 50));
      if (i < 11) await forgetSnapshots(repo, [id]);
      await pruneAll(repo);
    }
    await repo.close();
    await assertShows(place, { a: treeOf(11, 12, 50) });
    await settle(place);
  });
});

test("the late rescue: what a prune buries under a writer is copied in time", async () => {
  await withPlace(async (place) => {
    await makeAbandoned(place);
    let isDone = false;
    const store = new FaultStore(place.store, {
      beforeOperation: async (kind, name) => {
        if (isDone || kind !== "put" || !name.startsWith("snapshots/")) return;
        isDone = true;
        const { sweep } = await as(place, "pruner", (repo) => pruneAll(repo));
        assert.ok((sweep?.waitingPacks ?? 0) > 0, "the prune waits for the writer");
        assert.equal(sweep?.deletedPacks, 0);
      },
    });
    await as(place, "sleeper", (repo) => takeLight(repo, "new", treeOf(2, 3)), store);
    assert.ok(isDone);
    await assertShows(place, { new: treeOf(2, 3) });
    await settle(place);
    await assertShows(place, { new: treeOf(2, 3) });
  });
});

test("a writer that dies before its rescue leaves it to the prune", async () => {
  await withPlace(async (place) => {
    await makeAbandoned(place);
    const store = new FaultStore(place.store, {
      beforeOperation: async (kind, name) => {
        if (
          kind === "list" &&
          name === "tombstones" &&
          (await namesIn(place.store, "snapshots")).length > 1
        ) {
          throw new SimulatedCrash("after the commit");
        }
        if (kind !== "put" || !name.startsWith("snapshots/")) return;
        await as(place, "pruner", (repo) => pruneAll(repo));
      },
    });
    const died = as(place, "sleeper", (repo) => takeLight(repo, "new", treeOf(2, 3)), store);
    await assert.rejects(died, SimulatedCrash);
    await as(place, "pruner", (repo) => pruneAll(repo));
    await assertShows(place, { new: treeOf(2, 3), steady: treeOf(1) });
    place.clock.pass(10 * 60_000);
    await settle(place);
    await assertShows(place, { new: treeOf(2, 3), steady: treeOf(1) });
  });
});
