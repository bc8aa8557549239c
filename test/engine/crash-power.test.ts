/**
 * The power fails under a repository on a local disk, at any step of the disk: writes that were not
 * synced are gone, torn or old, names that were not synced are there or not. What must hold is that
 * of a death of the process alone: crash-recovery.ts.
 */
import fs from "node:fs";
import { test } from "node:test";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { Seeded } from "../../src/repo/store/seeded.ts";
import type { Store } from "../../src/repo/store/store.ts";
import { assertRecovers, deadPid, pendingOf } from "../helpers/crash-recovery.ts";
import { History, type Scene, scenes, setRoot } from "../helpers/crash-scenes.ts";
import { hostOf, type Place, withPlace } from "../helpers/snapshot-place.ts";
import { namesIn, runsLong } from "../helpers/snapshot-runs.ts";
import { PowerCut, SimulatedDisk } from "../helpers/store-simulated-disk.ts";

const folders = ["keys", "packs", "index", "snapshots", "sessions", "tombstones", "fences"];
const root = "/srv/repository";

/** A disk with everything that is in the store, all of it durable. */
async function diskOf(store: Store, seed: number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ seed });
  const local = new LocalStore(root, { create: true, ops: disk.ops() });
  const names = ["varve.json"];
  for (const folder of folders) names.push(...(await namesIn(store, folder)));
  for (const name of names) await local.put(name, await store.get(name));
  disk.restart(seed);
  return disk;
}

interface Cut {
  readonly seed: number;
  /** Steps of the act until then; never when not given. */
  readonly after?: number;
  readonly keepsCache: boolean;
}

/** Returns the number of steps of the act. */
async function tryCut(place: Place, scene: Scene, history: History, cut: Cut): Promise<number> {
  const { seed, after, keepsCache } = cut;
  const cache = `run-${seed}-${after}`;
  fs.cpSync(place.cacheDir("before"), place.cacheDir(cache), { recursive: true });
  const disk = await diskOf(place.store, seed);
  const before = disk.steps;
  if (after !== undefined) disk.cutAfter(after);
  try {
    await act(place, scene, history, new LocalStore(root, { ops: disk.ops() }), cache);
    const steps = disk.steps - before;
    // An act has some steps more or less each time: the power may also fail just after it.
    disk.restart(seed + 1);
    await assertRecovers({
      place,
      store: new LocalStore(root, { ops: disk.ops() }),
      history,
      pending: pendingOf(place),
      cache: keepsCache ? cache : `${cache}-none`,
      secrets: scene.secrets,
      needsPrune: scene.needsPrune,
    });
    return steps;
  } catch (error) {
    // The test runner shows no causes.
    const message = `power cut after ${after} steps, seed ${seed}, cache kept: ${keepsCache}`;
    throw new Error(`${message}: ${(error as Error).stack}`, { cause: error });
  } finally {
    for (const suffix of ["", "-none", "-stranger", "-none-stranger"]) {
      fs.rmSync(place.cacheDir(cache + suffix), { recursive: true, force: true });
    }
  }
}

async function act(place: Place, scene: Scene, history: History, store: Store, cache: string) {
  try {
    const repo = await place.open({ store, cache, host: hostOf(deadPid) });
    setRoot(repo, place.root);
    try {
      await scene.act(repo, history);
    } finally {
      await repo.close();
    }
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
}

const chosen = runsLong ? scenes : scenes.filter(({ name }) => !name.includes("merges"));

for (const scene of chosen) {
  test(`power cuts during ${scene.name}`, async (t) => {
    await withPlace(async (place) => {
      const history = new History();
      const repo = await place.init({ cache: "before" });
      await scene.prepare(repo, place, history);
      await repo.close();
      const steps = await tryCut(place, scene, history, { seed: 1, keepsCache: true });
      const seeded = new Seeded(7);
      const cuts = runsLong ? steps * 3 : 5;
      for (let i = 0; i < cuts; i++) {
        const after = runsLong ? 1 + (i % (steps - 1)) : 1 + seeded.below(steps - 1);
        await tryCut(place, scene, history, { seed: 10 + i, after, keepsCache: i % 2 === 0 });
      }
      t.diagnostic(`${cuts} cuts in ${steps} steps`);
    });
  });
}
