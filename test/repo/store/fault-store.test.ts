import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type FaultPlan,
  FaultStore,
  type OperationKind,
  SimulatedCrash,
} from "../../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../../src/repo/store/memory-store.ts";
import { coded, listAll, patternBytes } from "../../helpers/store-data.ts";

const data = patternBytes(1000);

/** Ten puts, then deletes of the even ones; what each answered. */
async function work(store: FaultStore): Promise<string[]> {
  const answers: string[] = [];
  const note = (call: Promise<unknown>) =>
    call.then(
      () => answers.push("done"),
      (error: Error) => answers.push(error.name),
    );
  for (let at = 0; at < 10; at++) await note(store.put(`index/${at}`, data));
  for (let at = 0; at < 10; at += 2) await note(store.delete(`index/${at}`));
  return answers;
}

test("the crash comes at its mutation, and everything after it fails", async () => {
  for (const effect of ["none", "whole"] as const) {
    for (let at = 1; at <= 15; at++) {
      const inner = new MemoryStore();
      const store = new FaultStore(inner, { crash: { at, effect } });
      const answers = await work(store);
      assert.equal(answers.indexOf("SimulatedCrash"), at - 1);
      assert.ok(answers.slice(at - 1).every((answer) => answer === "SimulatedCrash"));
      const done = effect === "whole" ? at : at - 1;
      const expected = Math.min(done, 10) - Math.max(0, done - 10);
      assert.equal(inner.names().length, expected, `${effect} at ${at}`);
      await assert.rejects(store.get("index/1"), SimulatedCrash);
      await assert.rejects(store.size("index/1"), SimulatedCrash);
      await assert.rejects(listAll(store, "index"), SimulatedCrash);
      assert.equal(store.crashed, true);
    }
  }
});

test("no crash when there are fewer mutations", async () => {
  const store = new FaultStore(new MemoryStore(), { crash: { at: 16, effect: "none" } });
  assert.deepEqual(new Set(await work(store)), new Set(["done"]));
  assert.equal(store.mutations, 15);
});

test("either effect happens, by the seed", async () => {
  const seen = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const inner = new MemoryStore();
    const store = new FaultStore(inner, { seed, crash: { at: 1, effect: "either" } });
    await assert.rejects(store.put("index/a", data), SimulatedCrash);
    seen.add(inner.names().length);
  }
  assert.deepEqual([...seen].sort(), [0, 1]);
});

test("what is under way at the crash is not answered, and settles", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  class SlowStore extends MemoryStore {
    override async put(name: string, bytes: Uint8Array): Promise<void> {
      if (name === "index/slow") await held;
      await super.put(name, bytes);
    }
  }
  const inner = new SlowStore();
  const store = new FaultStore(inner, { crash: { at: 2, effect: "none" } });
  const slow = assert.rejects(store.put("index/slow", data), SimulatedCrash);
  await assert.rejects(store.put("index/other", data), SimulatedCrash);
  assert.deepEqual(inner.names(), []);
  release();
  await store.idle();
  assert.deepEqual(inner.names(), ["index/slow"]);
  await slow;
});

test("the same seed gives the same faults", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const plan: FaultPlan = { seed, failure: 0.2, lostReply: 0.2 };
      const stores = [new MemoryStore(), new MemoryStore()] as const;
      const first = await work(new FaultStore(stores[0], plan));
      const second = await work(new FaultStore(stores[1], plan));
      assert.deepEqual(first, second);
      assert.deepEqual(stores[0].names(), stores[1].names());
    }),
    { numRuns: 20 },
  );
});

test("a failure has no effect, a lost reply has", async () => {
  const inner = new MemoryStore();
  const store = new FaultStore(inner, { failure: 1 });
  await assert.rejects(store.put("index/a", data), coded("store-unreachable"));
  assert.deepEqual(inner.names(), []);
  store.reset({ lostReply: 1 });
  await assert.rejects(store.put("index/a", data), coded("store-unreachable"));
  assert.deepEqual(inner.names(), ["index/a"]);
  assert.deepEqual(await store.get("index/a"), data);
  await assert.rejects(store.delete("index/a"), coded("store-unreachable"));
  assert.deepEqual(inner.names(), []);
});

test("damage always shows, in every form, and only in what is read", async () => {
  const inner = new MemoryStore();
  await inner.put("packs/aa/a", data);
  await inner.put("packs/aa/empty", new Uint8Array());
  const forms = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const store = new FaultStore(inner, { seed, damage: 1 });
    for (const got of [
      await store.get("packs/aa/a"),
      await store.getRange("packs/aa/a", 0, 1000),
    ]) {
      assert.notDeepEqual(got, data);
      const differing = data.filter((byte, at) => got[at] !== byte).length;
      forms.add(got.length < data.length ? "short" : differing === 1 ? "flipped" : "tail");
    }
    assert.equal((await store.get("packs/aa/empty")).length, 0);
  }
  assert.deepEqual([...forms].sort(), ["flipped", "short", "tail"]);
  assert.deepEqual(await inner.get("packs/aa/a"), data);
});

test("operations are counted and can be held and failed by the hook", async () => {
  const seen: [OperationKind, string][] = [];
  const store = new FaultStore(new MemoryStore(), {
    beforeOperation: async (kind, name) => {
      await null;
      seen.push([kind, name]);
      if (name === "index/refused") throw new Error("refused by the test");
    },
  });
  await store.put("index/a", data);
  await assert.rejects(store.put("index/refused", data), /refused by the test/);
  await store.get("index/a");
  await store.getRange("index/a", 0, 1);
  await store.size("index/a");
  await listAll(store, "index");
  await store.delete("index/a");
  const expected = { put: 2, get: 1, getRange: 1, size: 1, list: 1, delete: 1 };
  assert.deepEqual(store.counts, expected);
  assert.equal(store.mutations, 2);
  assert.deepEqual(seen.slice(0, 2), [
    ["put", "index/a"],
    ["put", "index/refused"],
  ]);
  assert.equal(seen.length, 7);
  store.reset();
  assert.equal(store.counts.put, 0);
});
