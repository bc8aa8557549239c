/**
 * The power fails at any step of any work on a local store: what was answered is kept, what was not
 * is old or new, nothing is in between, and what a list had shown is still there.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../../src/base/errors.ts";
import type { FileOps } from "../../../src/repo/store/file-ops.ts";
import { LocalStore } from "../../../src/repo/store/local-store.ts";
import { listAll, patternBytes } from "../../helpers/store-data.ts";
import { PowerCut, SimulatedDisk } from "../../helpers/store-simulated-disk.ts";

const names = ["varve.json", "index/a", "index/b", "packs/ab/c", "packs/cd/d", "sessions/e"];
const root = "/srv/repository";

/** An object's content, as text to compare by; undefined when it is not there. */
type Version = string | undefined;

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

async function versionOf(store: LocalStore, name: string): Promise<Version> {
  try {
    return textOf(await store.get(name));
  } catch (error) {
    if (hasCode(error, "object-absent")) return undefined;
    throw error;
  }
}

/** What one name may be: the last answered state, and those of calls that were not answered. */
class Expectation {
  possible: Version[] = [undefined];
  /** Set once anybody tried to delete it: a list's word then no longer binds. */
  mayVanish = false;

  async change(to: Version, call: () => Promise<void>): Promise<void> {
    this.possible.push(to);
    if (to === undefined) this.mayVanish = true;
    await call();
    this.possible = [to];
  }
}

interface Action {
  readonly kind: "put" | "delete" | "list";
  /** Which of two processes does it. */
  readonly process: number;
  readonly size: number;
}

/** Changes the operations of a process. */
type Wrap = (ops: FileOps, process: number) => FileOps;
const same: Wrap = (ops) => ops;

interface Run {
  readonly disk: SimulatedDisk;
  readonly expectations: Map<string, Expectation>;
  readonly listed: Set<string>;
}

/** Each name has its own chain of actions; all chains run at once, by two processes. */
async function work(disk: SimulatedDisk, chains: readonly Action[][], wrap = same): Promise<Run> {
  const processes = [0, 1].map(
    (process) => new LocalStore(root, { create: true, ops: wrap(disk.ops(), process) }),
  );
  const expectations = new Map(names.map((name) => [name, new Expectation()]));
  const listed = new Set<string>();
  const runChain = async (actions: readonly Action[], at: number) => {
    const name = names[at] ?? "varve.json";
    const expectation = expectations.get(name) ?? new Expectation();
    for (const [version, { kind, process, size }] of actions.entries()) {
      const store = processes[process] ?? new LocalStore(root);
      if (kind === "list") {
        const folder = name.includes("/") ? name.slice(0, name.indexOf("/")) : "index";
        for await (const object of store.list(folder)) listed.add(object.name);
      } else if (kind === "delete") {
        await expectation.change(undefined, () => store.delete(name));
      } else {
        const bytes = patternBytes(size, at * 40 + version);
        await expectation.change(textOf(bytes), () => store.put(name, bytes));
      }
    }
  };
  const outcomes = await Promise.allSettled(chains.map(runChain));
  for (const outcome of outcomes) {
    if (outcome.status === "rejected" && !(outcome.reason instanceof PowerCut)) {
      throw outcome.reason;
    }
  }
  return { disk, expectations, listed };
}

async function checkAfterRestart({ disk, expectations, listed }: Run, seed: number) {
  disk.restart(seed);
  const store = new LocalStore(root, { create: true, ops: disk.ops() });
  for (const [name, { possible, mayVanish }] of expectations) {
    const version = await versionOf(store, name);
    assert.ok(possible.includes(version), `${name} is neither old nor new`);
    if (listed.has(name) && !mayVanish) assert.notEqual(version, undefined, `${name} was listed`);
  }
  for (const name of names) await store.put(name, patternBytes(5));
  disk.nowMs += 1000;
  await store.sweepTemporary(500);
  assert.ok(disk.paths().every((path) => !path.includes(".tmp-")));
  assert.equal((await listAll(store, "packs")).length, 2);
}

const action = fc.record({
  kind: fc.constantFrom<Action["kind"]>("put", "put", "put", "delete", "list"),
  process: fc.nat(1),
  size: fc.constantFrom(0, 1, 100, 2000),
});
const chainsOf = fc.array(fc.array(action, { maxLength: 5 }), { maxLength: names.length });

test("a power cut at any step keeps what was answered, whole", async () => {
  await fc.assert(
    fc.asyncProperty(
      chainsOf,
      fc.integer(),
      fc.integer({ min: 1, max: 400 }),
      async (chains, seed, cutAt) => {
        const run = await work(new SimulatedDisk({ seed, cutAt }), chains);
        await checkAfterRestart(run, seed + 1);
      },
    ),
    { numRuns: 500 },
  );
});

test("a power cut at every step of one put, with every folder still to be made", async () => {
  const chains = [[], [], [], [{ kind: "put", process: 0, size: 2000 }]] satisfies Action[][];
  const whole = await work(new SimulatedDisk({ seed: 1 }), chains);
  assert.ok(whole.disk.steps > 10);
  for (let cutAt = 1; cutAt <= whole.disk.steps + 1; cutAt++) {
    for (let seed = 0; seed < 25; seed++) {
      await checkAfterRestart(await work(new SimulatedDisk({ seed, cutAt }), chains), seed);
    }
  }
});

/** The same work over operations that leave something out must be found wrong. */
const mutants: Record<string, Wrap> = {
  "no sync of the file": (ops) => ({ ...ops, sync: async () => undefined }),
  "no sync of the folder": (ops) => ({ ...ops, syncFolder: async () => undefined }),
  "no sync of new folders": (ops) => ({
    ...ops,
    syncFolder: async (path) => {
      if (!/repository$|srv$|packs$/.test(path)) await ops.syncFolder(path);
    },
  }),
  "lists that do not sync": (ops, process) =>
    process === 1 ? { ...ops, syncFolder: async () => undefined } : ops,
};

/** One process puts and deletes, the other only lists. */
const steady = names.map((_, at): Action[] =>
  Array.from({ length: 6 }, (_, round) =>
    round % 2 === at % 2
      ? { kind: "put", process: 0, size: 2000 }
      : { kind: "list", process: 1, size: 0 },
  ),
);

/** Whether a power cut during the steady work breaks a promise. */
async function isLost(seed: number, wrap: Wrap): Promise<boolean> {
  const disk = new SimulatedDisk({ seed, cutAt: 20 + ((seed * 13) % 300) });
  const run = await work(disk, steady, wrap);
  try {
    await checkAfterRestart(run, seed);
    return false;
  } catch (error) {
    if (error instanceof assert.AssertionError) return true;
    throw error;
  }
}

test("the power cuts find nothing in the store as it is", async () => {
  for (let seed = 0; seed < 100; seed++) assert.equal(await isLost(seed, same), false, `${seed}`);
});

for (const [title, wrap] of Object.entries(mutants)) {
  test(`the power cuts find a store with ${title}`, async () => {
    for (let seed = 0; seed < 400; seed++) if (await isLost(seed, wrap)) return;
    assert.fail("400 power cuts lost nothing");
  });
}
