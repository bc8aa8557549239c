import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuProfile, threadProfile } from "../../../bench/stages/profile.ts";

const node = (id: number, functionName: string, url = "") => ({
  id,
  callFrame: { functionName, url },
});

const profile: CpuProfile = {
  nodes: [
    node(1, "(root)"),
    node(2, "(idle)"),
    node(3, "(garbage collector)"),
    node(4, "store", "file:///x/snapshot-worker.js"),
    node(5, "compress"),
    node(6, "store", "file:///x/snapshot-worker.js"),
  ],
  samples: [2, 4, 5, 3, 6, 5],
  timeDeltas: [10, 1_000_000, 2_000_000, 3_000_000, 500_000, 250_000],
};

test("a profile tells how long a thread was busy, and in which functions", () => {
  const { seconds, busySeconds, collectorSeconds, functions } = threadProfile(profile, 2);
  assert.equal(seconds, 6.75);
  assert.equal(busySeconds, 5.75);
  assert.equal(collectorSeconds, 0.5);
  assert.deepEqual(functions, [
    { name: "compress", seconds: 3 },
    { name: "store snapshot-worker.js", seconds: 2.25 },
  ]);
});

test("threads are told apart by their numbers, and by what only workers load", () => {
  assert.equal(threadProfile(profile, 0).thread, "main");
  assert.equal(threadProfile(profile, 3).thread, "worker");
  const walk = { ...profile, nodes: profile.nodes.slice(0, 3) };
  assert.equal(threadProfile(walk, 1).thread, "walk");
});
