import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stagesDocument } from "../../../bench/stages/stage-report.ts";
import { mergeSets, type SetResults, type StageSet } from "../../../bench/stages/stage-results.ts";

function results(set: StageSet, wallSeconds: number): SetResults {
  return {
    set,
    facts: {
      date: "2026-11-21",
      processor: "a processor",
      cores: 2,
      memoryGiB: 8,
      kernel: "6.1",
      programs: ["varve 0.1.0"],
      runs: 3,
    },
    files: 1000,
    entries: 1100,
    bytes: 2e9,
    chunks: 1500,
    storedBytes: 1e9,
    costs: { walk: 1, compress: 6, hash: 1, unseal: 2 },
    real: { wallSeconds, cpuSeconds: 9, repositoryBytes: 1.1e9, othersSeconds: 0.5 },
    empty: { wallSeconds: 0.3, cpuSeconds: 0.25 },
    profile: [
      {
        thread: "main",
        seconds: 10,
        busySeconds: 7,
        collectorSeconds: 1,
        functions: [{ name: "take tree-snapshot.js", seconds: 2 }],
      },
    ],
  };
}

/** The cells of the row that begins with `title`. */
function row(document: string, title: string): string[] {
  const line = document.split("\n").find((each) => each.startsWith(`| ${title}`)) ?? "";
  return line.split("|").map((cell) => cell.trim());
}

describe("STAGES.md", () => {
  it("shows each stage's cost for a byte, for a file, and of the whole", () => {
    const document = stagesDocument([results("tree", 5)]);
    const cells = row(document, "compress");
    assert.deepEqual(cells.slice(2, -1), ["workers", "6.00 s", "3.000", "6000.0", "75 %"]);
    assert.deepEqual(row(document, "open: decrypt").slice(3, 7), [
      "2.00 s",
      "1.000",
      "2000.0",
      "–",
    ]);
    assert.deepEqual(row(document, "all of a snapshot").slice(3, 4), ["8.00 s"]);
  });

  it("says whether the pipeline reaches its share of the bound, and what it lacks", () => {
    const reached = stagesDocument([results("tree", 5)]);
    assert.match(
      reached,
      /bound: 4\.00 s, of 4\.00 s \(8\.00 s of CPU on 2 cores\) and 1\.00 s \(walk,/,
    );
    assert.match(reached, /5\.00 s, \*\*80 %\*\* of the bound's speed; target 70 %: reached/);
    assert.match(reached, /9\.00 s, the stages are 89 %; of the cores' time it took 90 %/);
    assert.match(stagesDocument([results("tree", 6)]), /\*\*67 %\*\*.*target 70 %: \*\*missed\*\*/);
    assert.match(stagesDocument([results("large", 5.2)]), /target 80 %: \*\*missed\*\*/);
    assert.match(stagesDocument([results("dump", 4.9)]), /target 80 %: reached/);
  });

  it("judges no wall time of which other programs had a part", () => {
    const busy = results("tree", 6);
    const document = stagesDocument([{ ...busy, real: { ...busy.real, othersSeconds: 3 } }]);
    assert.match(document, /target 70 %: not judged, as other programs took 25 % of the cores'/);
    assert.doesNotMatch(document, /missed/);
  });

  it("shows what each thread did", () => {
    const cells = row(stagesDocument([results("tree", 5)]), "main ");
    assert.deepEqual(cells.slice(2, 5), ["70 %", "10 %", "take tree-snapshot.js 20 %"]);
  });
});

describe("results of the stage benches", () => {
  it("replace those of the same set, and keep the others", () => {
    const before = [results("dump", 1), results("tree", 2)];
    const merged = mergeSets(before, [results("tree", 3), results("large", 4)]);
    const walls = merged.map(({ set, real }) => [set, real.wallSeconds]);
    assert.deepEqual(walls, [
      ["tree", 3],
      ["large", 4],
      ["dump", 1],
    ]);
  });
});
