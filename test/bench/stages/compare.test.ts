import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  isFailure,
  judge,
  middleRatios,
  stageRatio,
  verdictLine,
} from "../../../bench/stages/gate/compare.ts";

const outcomes = (accepted: Record<string, number>, measured: Record<string, number>) =>
  Object.fromEntries(judge(accepted, measured).map(({ stage, outcome }) => [stage, outcome]));
const fails = (accepted: Record<string, number>, measured: Record<string, number>) =>
  judge(accepted, measured).some(isFailure);

describe("the gate", () => {
  it("lets pass what costs a tenth more at most", () => {
    assert.deepEqual(outcomes({ hash: 1, cut: 2 }, { hash: 1.099, cut: 1.9 }), {
      hash: "same",
      cut: "same",
    });
    assert.equal(fails({ hash: 1 }, { hash: 1.099 }), false);
  });

  it("fails on a stage that costs more, and names it with both figures", () => {
    const [, slower, ...more] = judge({ hash: 1, cut: 2 }, { hash: 1, cut: 2.3 });
    assert.deepEqual(more, []);
    assert.ok(slower !== undefined && isFailure(slower));
    assert.match(verdictLine(slower), /^cut +2\.000 → +2\.300 \(\+15\.0 %\) {2}slower$/);
  });

  it("tells what got faster, and passes", () => {
    assert.deepEqual(outcomes({ hash: 1 }, { hash: 0.8 }), { hash: "faster" });
    assert.equal(fails({ hash: 1 }, { hash: 0.8 }), false);
  });

  it("fails on what cannot be compared", () => {
    assert.deepEqual(outcomes({ hash: 1 }, { hash: 1, cut: 1 }), { hash: "same", cut: "new" });
    assert.ok(fails({}, { cut: 1 }));
    assert.deepEqual(outcomes({ hash: 1, cut: 1 }, { hash: 1 }), { hash: "same", cut: "gone" });
    assert.ok(fails({ cut: 1 }, {}));
    assert.ok(fails({ cut: 1 }, { cut: Number.NaN }));
  });
});

describe("a ratio", () => {
  it("is that of the best rounds of stage and calibration, whichever those are", () => {
    const samples = [
      { stage: 12, calibration: 40 },
      { stage: 30, calibration: 10 },
      { stage: 90, calibration: 11 },
    ];
    assert.equal(stageRatio(samples), 1.2);
  });

  it("is the middle one of several processes, the lower of two", () => {
    const processes = [{ a: 1, b: 5 }, { a: 9, b: 5 }, { a: 2, b: 4 }, { a: 8 }];
    assert.deepEqual(middleRatios(processes), { a: 2, b: 5 });
  });
});
