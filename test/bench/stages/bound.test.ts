import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { boundOf, median, medianCosts, pipelineOf } from "../../../bench/stages/bound.ts";

describe("the bound of a first snapshot", () => {
  it("is the CPU of all its stages, divided by the cores", () => {
    const bound = boundOf({ walk: 1, hash: 2, compress: 4, put: 1 }, 2);
    assert.equal(bound.cpuSeconds, 8);
    assert.equal(bound.seconds, 4);
  });

  it("is a stage that one thread does alone, where that takes longer", () => {
    const bound = boundOf({ walk: 1, "cut-large": 3, hash: 1 }, 4);
    assert.deepEqual(bound.sequential, { stage: "cut-large", seconds: 3 });
    assert.equal(bound.dividedSeconds, 1.25);
    assert.equal(bound.seconds, 3);
  });

  it("is not held up by what workers share, or by libuv's threads", () => {
    const bound = boundOf({ walk: 1, compress: 9, put: 5 }, 10);
    assert.deepEqual(bound.sequential, { stage: "walk", seconds: 1 });
    assert.equal(bound.seconds, 1.5);
  });

  it("has no part for reading back", () => {
    const costs = { hash: 2, unseal: 5, decompress: 5, decode: 5 };
    assert.equal(boundOf(costs, 1).seconds, 2);
  });
});

describe("the pipeline", () => {
  const bound = boundOf({ walk: 1, compress: 7 }, 2);

  it("is compared with it by wall time", () => {
    assert.equal(pipelineOf(bound, { wallSeconds: 5, cpuSeconds: 9 }, 2).share, 0.8);
  });

  it("falls short by work that is no stage's, and by cores that wait", () => {
    const { work, busy, share } = pipelineOf(bound, { wallSeconds: 6.25, cpuSeconds: 10 }, 2);
    assert.equal(work, 0.8);
    assert.equal(busy, 0.8);
    assert.ok(Math.abs(share - work * busy) < 1e-12);
  });
});

describe("medians of passes", () => {
  it("are taken stage by stage", () => {
    const passes = [
      { walk: 3, hash: 1 },
      { walk: 1, hash: 9 },
      { walk: 2, hash: 5 },
    ];
    assert.deepEqual(medianCosts(passes), { walk: 2, hash: 5 });
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  it("leave out what no pass had to do", () => {
    assert.deepEqual(medianCosts([{ walk: 1 }, { walk: 1, cut: 2 }]), { walk: 1, cut: 2 });
  });
});
