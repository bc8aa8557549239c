/** Whatever happens to the bytes of a repository is noticed, and never gives wrong data. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckReport } from "../../src/engine/check.ts";
import { addKeySlot } from "../../src/engine/key-management.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { type Damage, type Sound, tryAll } from "../helpers/damage-threads.ts";
import { examine, type Holding, isNoticed, type Outcome, treeOf } from "../helpers/damage-trial.ts";
import { addLeftovers, hourNs, storeTree } from "../helpers/small-repository.ts";
import { runsLong } from "../helpers/snapshot-runs.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

/** The long form of the second takes ten times as long as that of the first. */
const holdings = ["few files", "small tree"] as const;

interface SoundInFolder extends Sound {
  readonly folder: string;
}

async function withSound(
  use: (sound: SoundInFolder) => Promise<void>,
  holding: Holding = "small tree",
): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    const first = await storeTree(repo, treeOf(holding, 1));
    await storeTree(repo, treeOf(holding, 2), {
      timeNs: 1_700_000_000_000_000_000n + hourNs,
      previous: first,
    });
    await addLeftovers(repo);
    const other = { kind: "key", bytes: Buffer.alloc(32, 8) } as const;
    await addKeySlot(repo, { secret: other, label: "of somebody else" });
    repo.cache.db.close();
    await use({ folder, store, holding });
  });
}

async function withDamage(
  { folder, store, holding }: SoundInFolder,
  damage: (fork: MemoryStore) => Promise<void>,
): Promise<Outcome> {
  const fork = store.fork();
  await damage(fork);
  return examine(folder, fork, holding);
}

/** Each object in these ways: all of them must be noticed. */
async function assertNoticed(
  sound: Sound,
  waysOf: (name: string, length: number) => Damage[],
): Promise<string> {
  const { store } = sound;
  const damages: Damage[] = [];
  for (const name of store.names()) {
    damages.push(...waysOf(name, (await store.get(name)).length));
  }
  const startMs = performance.now();
  const told = (trials: number) => {
    const seconds = (performance.now() - startMs) / 1000;
    const objects = `${store.names().length} objects of ${sound.holding}`;
    return `${trials} of ${damages.length} trials on ${objects} in ${seconds.toFixed(1)} s`;
  };
  const onTrials = (trials: number) => {
    if (runsLong) console.log(told(trials));
  };
  assert.deepEqual(await tryAll(sound, damages, onTrials), []);
  return told(damages.length);
}

/** Each `stride`th from 0. */
function every(stride: number, length: number): number[] {
  return Array.from({ length: Math.ceil(length / stride) }, (_, i) => i * stride);
}

for (const holding of holdings) {
  test(`a sound repository is clean, with all that writers leave behind: ${holding}`, () =>
    withSound(async ({ folder, store }) => {
      const outcome = await examine(folder, store, holding);
      assert.ok("report" in outcome);
      const { report, refused } = outcome;
      assert.equal(refused, 0, "all of it can be read");
      assert.deepEqual(report.damage, []);
      assert.equal(report.isClean, true);
      assert.equal(report.snapshots, 2);
      assert.equal(report.sessions, 1);
      assert.equal(report.data?.packs, report.packs);
      const kinds = new Set(store.names().map((name) => name.split("/")[0]));
      const all = ["varve.json", "keys", "packs", "index", "snapshots", "sessions"];
      assert.deepEqual([...kinds].sort(), [...all, "tombstones", "fences"].sort());
    }, holding));
}

test("a trial in a thread fails when nothing is noticed", async () => {
  await withSound(async (sound) => {
    const [name = ""] = sound.store.names("packs");
    const damages: Damage[] = [
      { kind: "none", name },
      { kind: "longer", name },
    ];
    assert.deepEqual(await tryAll(sound, damages), [
      `{"kind":"none","name":"${name}"} is not noticed`,
    ]);
  });
});

/** The long form damages every byte, of both; the short one every so many. */
const tried = runsLong ? holdings : (["small tree"] as const);

for (const holding of tried) {
  test(`every byte of every object: a flip is noticed: ${holding}`, (t) =>
    withSound(async (sound) => {
      const told = await assertNoticed(sound, (name, length) => {
        const stride = runsLong ? 1 : Math.max(11, Math.floor(length / 16));
        return every(stride, length).map((at) => ({ kind: "flip", name, at }));
      });
      t.diagnostic(told);
    }, holding));

  test(`every object cut short, or longer, is noticed: ${holding}`, (t) =>
    withSound(async (sound) => {
      const told = await assertNoticed(sound, (name, length) => {
        const lengths = runsLong ? every(1, length) : [0, 8, length - 17, length - 1];
        const cuts = lengths.map((each): Damage => ({ kind: "cut", name, length: each }));
        return [...cuts, { kind: "longer", name }];
      });
      t.diagnostic(told);
    }, holding));

  test(`any two objects swapped are noticed: ${holding}`, (t) =>
    withSound(async (sound) => {
      const names = sound.store.names();
      const told = await assertNoticed(sound, (name) => {
        const at = names.indexOf(name) + 1;
        const others = names.slice(at, runsLong ? undefined : at + 3);
        return others.map((other) => ({ kind: "swap", name, other }));
      });
      t.diagnostic(told);
    }, holding));
}

test("an object under another name is noticed", async () => {
  await withSound(async (sound) => {
    for (const name of sound.store.names().filter((each) => each.includes("/"))) {
      const turned = name.replace(/[0-9a-f]{8}$/, (end) =>
        end === "abcdef01" ? "0".repeat(8) : "abcdef01",
      );
      const outcome = await withDamage(sound, async (fork) =>
        fork.put(turned, await fork.get(name)),
      );
      assert.ok(isNoticed(outcome, turned), `${name} also as ${turned} is noticed`);
    }
  });
});

test("a lost pack, index object or description is noticed; others may be gone", async () => {
  await withSound(async (sound) => {
    for (const name of sound.store.names()) {
      const outcome = await withDamage(sound, (fork) => fork.delete(name));
      // These are removed by forget, by writers and by merges: their absence says nothing.
      const mayGo = /^(keys|snapshots|sessions|tombstones|fences)\//.test(name);
      const noticed = "error" in outcome || !outcome.report.isClean;
      assert.ok(noticed || mayGo, `the loss of ${name} is noticed`);
      assert.ok(!noticed || !mayGo || name.startsWith("keys/"), `${name} may be gone`);
    }
  });
});

test("damage is told as the snapshots and paths that it hurts", async () => {
  await withSound(async (sound) => {
    const packs = sound.store.names("packs");
    const outcomes: CheckReport[] = [];
    for (const pack of packs) {
      const outcome = await withDamage(sound, (fork) => fork.delete(pack));
      assert.ok("report" in outcome);
      outcomes.push(outcome.report);
      const found = outcome.report.damage.find(({ object }) => object === pack);
      assert.equal(found?.kind, "pack", `${pack} is named`);
      assert.ok(found.snapshots.length > 0, "it hurts a snapshot");
      assert.ok(found.paths.length > 0 && found.entriesHurt > 0, "and paths in it");
    }
    // The pack with the data of the second version only hurts that one path of one snapshot.
    const least = outcomes.map(({ damage }) => damage.flatMap(({ paths }) => paths));
    const lone = least.find((paths) => paths.length === 1);
    assert.equal(lone?.[0]?.path, "/home/version");
  });
});
