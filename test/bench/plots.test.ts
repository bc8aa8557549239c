import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { barChart, memoryChart, repositoryChart, wallChart } from "../../bench/plots.ts";
import { works } from "../../bench/works.ts";
import { sample } from "./sample-results.ts";

const samples = [
  sample("tree-first", "restic", 10),
  sample("tree-first", "borg", 40),
  sample("tree-first", "varve", 5),
  sample("usr-first", "varve", 5, { peakBytes: 250e6 }),
];

/** Attribute `name` of every element `element`, as numbers. */
function numbers(svg: string, element: string, name: string): number[] {
  const shapes = svg.match(new RegExp(`<${element} [^>]*>`, "g")) ?? [];
  return shapes.map((shape) => Number(new RegExp(` ${name}="([^"]+)"`).exec(shape)?.[1]));
}

describe("the bench's plots", () => {
  it("show a work's wall time against the better peer, with its target", () => {
    const { rows } = wallChart(samples);
    assert.deepEqual(rows, [
      {
        label: "tree: first snapshot, Linux tree",
        target: 0.4,
        bars: [
          { program: "restic", value: 1 },
          { program: "borg", value: 4 },
          { program: "varve", value: 0.5 },
        ],
      },
    ]);
  });

  it("draw bars in proportion, and cut off and mark what is longer than the axis", () => {
    const svg = barChart({ ...wallChart(samples), max: 2 });
    // The background, three boxes of the legend, then the bars.
    const [restic = 0, borg = 0, varve = 0] = numbers(svg, "rect", "width").slice(4);
    assert.ok(varve > 100 && Math.abs(restic - 2 * varve) <= 1, "in whole pixels");
    assert.ok(Math.abs(borg - 2 * restic) <= 1);
    assert.match(svg, />4\.00 →</);
    assert.doesNotMatch(svg, />1\.00 →</);
    const [start = 0] = numbers(svg, "rect", "x").slice(4);
    const [target = 0] = numbers(svg, "line", "x1");
    assert.ok(Math.abs(target - start - 0.4 * restic) <= 1, "the target is on the same axis");
  });

  it("keep everything inside the picture", () => {
    const svg = barChart(memoryChart(works.map(({ name }) => sample(name, "varve", 1))));
    // Labels end where bars start; a letter of this font is about 6 pixels wide.
    const labels = [...svg.matchAll(/<text x="(\d+)"[^>]*text-anchor="end">([^<]*)</g)];
    assert.equal(labels.length, works.length);
    for (const [, end, words = ""] of labels) assert.ok(Number(end) > words.length * 6, words);
    const height = Number(/ height="(\d+)" viewBox/.exec(svg)?.[1]);
    const bottom = Math.max(...numbers(svg, "rect", "y").slice(1));
    assert.ok(bottom > 0 && bottom < height);
  });

  it("show memory without a peer, and repositories only beside one", () => {
    assert.equal(memoryChart(samples).rows.length, 2);
    assert.deepEqual(
      repositoryChart(samples).rows.map((row) => row.label),
      ["Linux source"],
    );
  });

  it("are well-formed whatever a label holds", () => {
    const bars = [{ program: "varve", value: 1 }] as const;
    const rows = [{ label: `a < b & "c" > d`, bars }];
    const svg = barChart({ title: "<&>", max: 2, show: String, rows });
    assert.match(svg, />a &#60; b &#38; &#34;c&#34; &#62; d</);
    assert.match(svg, />&#60;&#38;&#62;</);
  });
});
