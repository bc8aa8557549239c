import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  factsText,
  resticConditions,
  resticTable,
  resultsDocument,
  targetConditions,
} from "../../bench/report.ts";
import { figures, merge, ratio } from "../../bench/results.ts";
import { works } from "../../bench/works.ts";
import { resultsOf, sample } from "./sample-results.ts";

/** The verdict of the one condition whose text has `part`. */
function verdictOf(samples: Parameters<typeof targetConditions>[0], part: string): boolean {
  const found = targetConditions(samples).filter(({ what }) => what.includes(part));
  assert.equal(found.length, 1, `conditions with "${part}"`);
  return found[0]?.holds === true;
}

describe("results of the bench", () => {
  it("are medians, of an even number of runs too", () => {
    const three = [9, 1, 2].map((wall) => sample("list", "varve", wall));
    assert.equal(figures(three, "list", "varve")?.wall, 2);
    const four = [...three, sample("list", "varve", 4)];
    assert.equal(figures(four, "list", "varve")?.wall, 3);
    assert.equal(figures(four, "list", "restic"), undefined);
  });

  it("are compared with the better of the peers, each with its defaults", () => {
    const samples = [
      sample("usr-first", "restic", 10),
      sample("usr-first", "borg", 8),
      sample("usr-first", "borg-zstd", 4),
      sample("usr-first", "varve", 2),
    ];
    assert.equal(ratio(samples, "usr-first", "wall"), 0.25);
    assert.equal(ratio(samples, "usr-first", "wall", ["restic"]), 0.2);
    assert.equal(ratio(samples.slice(2), "usr-first", "wall"), undefined, "no peer was there");
  });

  it("are replaced work by work by a later run, with where they come from", () => {
    const old = resultsOf("2026-01-01", [sample("list", "varve", 1), sample("prune", "varve", 1)]);
    const gone = resultsOf("2026-01-02", [sample("list", "borg", 1)]);
    const merged = merge([old, gone], resultsOf("2026-01-03", [sample("list", "varve", 2)]));
    const kept = merged.map(({ facts, samples }) => [facts.date, samples.map((each) => each.work)]);
    assert.deepEqual(kept, [
      ["2026-01-01", ["prune"]],
      ["2026-01-03", ["list"]],
    ]);
    assert.match(factsText(merged), /^- 2026-01-01: .*: prune\n- 2026-01-03: .*: list$/);
  });
});

describe("the bench's verdict", () => {
  const walls = (ours: number) => [
    sample("million-one", "restic", 10, { peakBytes: 5e6 }),
    sample("million-one", "borg", 20, { peakBytes: 3e6 }),
    sample("million-one", "varve", ours, { peakBytes: 4e6 }),
  ];

  it("is reached at the target and missed above it", () => {
    assert.equal(verdictOf(walls(3), "restore of one file: 0.30"), true);
    assert.equal(verdictOf(walls(3.1), "restore of one file: 0.31"), false);
  });

  it("on memory takes the smaller peer at a million files, and 400 MB everywhere", () => {
    assert.equal(verdictOf(walls(1), "peak memory, 1,000,000 small files"), false);
    assert.equal(verdictOf(walls(1), "all works: 4.00 MB"), true);
    const large = sample("usr-first", "varve", 1, { peakBytes: 401e6 });
    assert.equal(verdictOf([...walls(1), large], "all works: 401 MB"), false);
  });

  it("on size takes the last snapshot of a set, and no restore after it", () => {
    const bytes = (work: string, ours: number, theirs: number) => [
      sample(work, "varve", 1, { repositoryBytes: ours }),
      sample(work, "borg", 1, { repositoryBytes: theirs }),
    ];
    const samples = [
      ...bytes("dump-first", 9e6, 1e6),
      ...bytes("dump-next", 10e6, 10e6),
      ...bytes("dump-restore", 99e6, 1e6),
    ];
    assert.equal(verdictOf(samples, "repository, PostgreSQL dump"), true);
    const larger = [...samples, ...bytes("dump-clustered", 12e6, 11e6)];
    assert.equal(verdictOf(larger, "repository, PostgreSQL dump: 12 MB, peers 11 MB"), false);
  });

  it("counts every work that has a target and was done by varve and a peer", () => {
    const samples = works.flatMap(({ name }) => [
      sample(name, "varve", 1),
      sample(name, "restic", 10),
    ]);
    const wall = targetConditions(samples).filter(({ what }) => /\(≤ [\d.]+\)$/.test(what));
    assert.equal(wall.length, works.filter(({ target }) => target !== undefined).length);
  });
});

describe("the bench's documents", () => {
  const samples = [
    sample("tree-first", "restic", 10, { cpuSeconds: 20, repositoryBytes: 30e6 }),
    sample("tree-first", "borg", 12),
    sample("tree-first", "varve", 4.5, { cpuSeconds: 9, repositoryBytes: 20e6 }),
    sample("usr-first", "varve", 4),
  ];

  /** Without the spaces that make columns equally wide. */
  const narrow = (markdown: string) => markdown.replace(/ +\|/g, " |");

  it("show costs, ratio, target and verdict of a work, and a dash where nobody was", () => {
    const text = narrow(resultsDocument(samples));
    const row = text.split("\n").find((line) => line.startsWith("| first snapshot, Linux tree"));
    assert.equal(
      row,
      "| first snapshot, Linux tree | 10.00 s / 20.0 s (2.0) / 1.00 MB | 12.00 s / 1.0 s (0.1) / " +
        "1.00 MB | 4.50 s / 9.0 s (2.0) / 1.00 MB | 0.45 | ≤ 0.4 | **missed** | 0.45 |",
    );
    assert.match(text, /\| first snapshot \| 4\.00 s .* \| – \| ≤ 0\.4 \|/);
    assert.match(text, /^1 of 3 targets are reached\.$/m);
    assert.match(text, /^Without restic: usr-first\.\n\nWithout borg: usr-first\.$/m);
    assert.doesNotMatch(text, /NaN|undefined/);
  });

  it("name only data sets that were measured", () => {
    const headings = resultsDocument(samples).match(/^## .*/gm);
    assert.deepEqual(headings, ["## Linux source", "## /usr", "## All targets"]);
  });

  it("keep the older table against restic alone", () => {
    const rows = narrow(resticTable(samples)).split("\n").slice(2);
    assert.equal(rows.length, 1);
    assert.match(rows[0] ?? "", /\| 0\.45 \| ≤ 0\.5 \| reached \|/);
    const atTarget = [...samples.slice(0, 2), sample("tree-first", "varve", 5)];
    assert.match(resticTable(atTarget), /\| 0\.50 +\| ≤ 0\.5 +\| reached /);
    assert.match(resticConditions(samples), /^- reached: repository not above restic's: 20 MB/);
  });
});
