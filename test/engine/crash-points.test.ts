/**
 * A process dies at every operation on the store that changes something, once before that takes
 * effect and once after; see crash-recovery.ts for what must hold then.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { FaultStore, SimulatedCrash } from "../../src/repo/store/fault-store.ts";
import type { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { assertRecovers, deadPid, pendingOf } from "../helpers/crash-recovery.ts";
import { History, type Scene, scenes, setRoot } from "../helpers/crash-scenes.ts";
import { hostOf, type Place, withPlace } from "../helpers/snapshot-place.ts";
import { runsLong, takeSnapshot } from "../helpers/snapshot-runs.ts";
import { countStanding } from "../helpers/standing-blobs.ts";

const effects = ["none", "whole"] as const;
type Effect = (typeof effects)[number];

/** Runs the act and dies at mutation `at`; false when it was over before. */
async function actAndDie(
  place: Place,
  scene: Scene,
  history: History,
  fault: FaultStore,
  cache: string,
): Promise<boolean> {
  const repo = await place.open({ store: fault, cache, host: hostOf(deadPid) });
  setRoot(repo, place.root);
  try {
    await scene.act(repo, history);
    assert.ok(!fault.crashed, "success was told after death");
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error;
  } finally {
    await fault.idle();
    await repo.close();
  }
  return fault.crashed;
}

async function tryPoint(
  place: Place,
  scene: Scene,
  history: History,
  point: { at: number; effect: Effect; keepsCache: boolean },
): Promise<boolean> {
  const { at, effect, keepsCache } = point;
  const store = (place.store as MemoryStore).fork();
  const cache = `run-${at}-${effect}-${keepsCache}`;
  fs.cpSync(place.cacheDir("before"), place.cacheDir(cache), { recursive: true });
  const fault = new FaultStore(store, { crash: { at, effect } });
  try {
    if (!(await actAndDie(place, scene, history, fault, cache))) return false;
    await assertRecovers({
      place,
      store,
      history,
      pending: pendingOf(place),
      cache: keepsCache ? cache : `${cache}-none`,
      secrets: scene.secrets,
      needsPrune: scene.needsPrune,
    });
    return true;
  } catch (error) {
    const message = `death at mutation ${at}, effect ${effect}, cache kept: ${keepsCache}`;
    // The test runner shows no causes.
    throw new Error(`${message}: ${(error as Error).stack}`, { cause: error });
  } finally {
    for (const suffix of ["", "-none", "-stranger", "-none-stranger"]) {
      fs.rmSync(place.cacheDir(cache + suffix), { recursive: true, force: true });
    }
  }
}

for (const scene of scenes) {
  test(`death at every point of ${scene.name}`, async (t) => {
    await withPlace(async (place) => {
      const history = new History();
      const repo = await place.init({ cache: "before" });
      await scene.prepare(repo, place, history);
      await repo.close();
      let points = 0;
      for (let at = 1, isOver = false; !isOver; at++) {
        for (const [i, effect] of effects.entries()) {
          const caches = runsLong ? [true, false] : [(at + i) % 2 === 0];
          for (const keepsCache of caches) {
            const died = await tryPoint(place, scene, history, { at, effect, keepsCache });
            if (died) points++;
            else isOver = true;
          }
        }
      }
      assert.ok(points >= 4, `only ${points} points`);
      t.diagnostic(`${points} deaths`);
    });
  });
}

test("where a scene is about bases, blobs stand on some that stand on others", async () => {
  for (const scene of scenes.filter(({ hasBases }) => hasBases === true)) {
    await withPlace(async (place) => {
      const repo = await place.init();
      const history = new History();
      await scene.prepare(repo, place, history);
      setRoot(repo, place.root);
      await scene.act(repo, history);
      const [, one = 0, two = 0] = await countStanding(repo);
      assert.ok(one > 0 && two > 0, scene.name);
      await repo.close();
    });
  }
});

test("death at every point of init: there is no repository yet, or a whole one", async () => {
  for (let at = 1; ; at++) {
    let died = false;
    for (const effect of effects) {
      died = await withPlace(async (place) => {
        const fault = new FaultStore(place.store, { crash: { at, effect } });
        try {
          const repo = await place.init({ store: fault });
          await repo.close();
          return false;
        } catch (error) {
          if (!(error instanceof SimulatedCrash)) throw error;
        }
        place.write("file", "content");
        const repo = await place.open().catch((error: unknown) => {
          if (!hasCode(error, "repo-absent")) throw error;
          return place.init();
        });
        await takeSnapshot(repo, place.root);
        await repo.close();
        return true;
      });
    }
    if (!died) {
      assert.ok(at > 2);
      return;
    }
  }
});
