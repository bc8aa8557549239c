/** Whatever happens to the bytes of a repository is noticed, and never gives wrong data. */
import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import vm from "node:vm";
import { VarveError } from "../../src/base/errors.ts";
import { type CheckReport, checkRepository } from "../../src/engine/check.ts";
import { addKeySlot } from "../../src/engine/key-management.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import {
  addLeftovers,
  hourNs,
  plainTree,
  readTree,
  smallTree,
  storeTree,
} from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

/** The long form damages every byte; the short one every so many. */
const isLong = process.env["VARVE_TEST_LONG"] === "1";

/** Of the two snapshots: path and content as text, which compares faster than maps do. */
const shown: readonly string[] = [1, 2].map((version) => show(plainTree(smallTree(version))));

function show(tree: ReadonlyMap<string, Buffer | null>): string {
  const rows = [...tree].map(([path, bytes]) => `${path} ${bytes?.toString("latin1") ?? "folder"}`);
  return rows.sort().join("\n");
}

interface Sound {
  readonly folder: string;
  readonly store: MemoryStore;
}

async function withSound(use: (sound: Sound) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    const first = await storeTree(repo, smallTree(1));
    await storeTree(repo, smallTree(2), {
      timeNs: 1_700_000_000_000_000_000n + hourNs,
      previous: first,
    });
    await addLeftovers(repo);
    const other = { kind: "key", bytes: Buffer.alloc(32, 8) } as const;
    await addKeySlot(repo, { secret: other, label: "of somebody else" });
    repo.cache.db.close();
    await use({ folder, store });
  });
}

type Outcome = { readonly report: CheckReport } | { readonly error: VarveError };

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;
let examined = 0;

/** Opens, checks, and reads all that can be read: which must be right, or refused with a code. */
async function examine(folder: string, store: MemoryStore): Promise<Outcome> {
  // Each repository has contexts of zstd: the collector does not know how large they are, and
  // they are freed when the event loop turns, which a store in memory never makes it do.
  if (++examined % 100 === 0) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  let repo: Awaited<ReturnType<typeof reopenRepository>>;
  try {
    repo = await reopenRepository(folder, { store, freshCache: true });
  } catch (error) {
    assert.ok(error instanceof VarveError && error.code !== "internal", String(error));
    return { error };
  }
  try {
    const report = await checkRepository(repo, { readData: true });
    await readAll(repo);
    return { report };
  } finally {
    repo.cache.db.close();
  }
}

async function readAll(repo: Awaited<ReturnType<typeof reopenRepository>>): Promise<void> {
  try {
    const { records } = await repo.listSnapshots();
    for (const { snapshot } of records) {
      const read = show(await readTree(repo, snapshot.root));
      assert.ok(read === shown[snapshot.previous === null ? 0 : 1], "what is read is right");
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof VarveError && error.code !== "internal", String(error));
  }
}

function isNoticed(outcome: Outcome, name: string): boolean {
  if ("error" in outcome) return true;
  const { damage, isClean } = outcome.report;
  return !isClean && damage.some(({ object }) => object === name);
}

async function withDamage(
  { folder, store }: Sound,
  damage: (fork: MemoryStore) => Promise<void>,
): Promise<Outcome> {
  const fork = store.fork();
  await damage(fork);
  return examine(folder, fork);
}

test("a sound repository is clean, with all that writers and prunes leave behind", async () => {
  await withSound(async ({ folder, store }) => {
    const outcome = await examine(folder, store);
    assert.ok("report" in outcome);
    const { report } = outcome;
    assert.deepEqual(report.damage, []);
    assert.equal(report.isClean, true);
    assert.equal(report.snapshots, 2);
    assert.equal(report.sessions, 1);
    assert.equal(report.data?.packs, report.packs);
    const kinds = new Set(store.names().map((name) => name.split("/")[0]));
    const all = ["varve.json", "keys", "packs", "index", "snapshots", "sessions"];
    assert.deepEqual([...kinds].sort(), [...all, "tombstones", "fences"].sort());
  });
});

test("every byte of every object: a flip is noticed", async () => {
  await withSound(async (sound) => {
    for (const name of sound.store.names()) {
      const bytes = await sound.store.get(name);
      const stride = isLong ? 1 : Math.max(11, Math.floor(bytes.length / 16));
      for (let at = 0; at < bytes.length; at += stride) {
        const flipped = bytes.slice();
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        const outcome = await withDamage(sound, (fork) => fork.put(name, flipped));
        assert.ok(isNoticed(outcome, name), `a flip at ${at} of ${name} is noticed`);
      }
    }
  });
});

test("every object cut short, or longer, is noticed", async () => {
  await withSound(async (sound) => {
    for (const name of sound.store.names()) {
      const bytes = await sound.store.get(name);
      const some = [0, 8, bytes.length - 17, bytes.length - 1];
      const lengths = isLong ? bytes.keys() : some.values();
      for (const length of lengths) {
        const cut = bytes.slice(0, length);
        const outcome = await withDamage(sound, (fork) => fork.put(name, cut));
        assert.ok(isNoticed(outcome, name), `${name} cut to ${length} is noticed`);
      }
      const longer = Buffer.concat([bytes, Buffer.alloc(1)]);
      const outcome = await withDamage(sound, (fork) => fork.put(name, longer));
      assert.ok(isNoticed(outcome, name), `${name} with a byte too many is noticed`);
    }
  });
});

test("any two objects swapped are noticed", async () => {
  await withSound(async (sound) => {
    const names = sound.store.names();
    for (const [at, one] of names.entries()) {
      for (const other of names.slice(at + 1, isLong ? undefined : at + 4)) {
        const outcome = await withDamage(sound, async (fork) => {
          const held = await fork.get(one);
          await fork.put(one, await fork.get(other));
          await fork.put(other, held);
        });
        assert.ok(isNoticed(outcome, one), `${one} swapped with ${other} is noticed`);
      }
    }
  });
});

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
