import assert from "node:assert/strict";
import { test } from "node:test";
import { denseLevel, fastLevel, LevelChooser } from "../../src/repo/level-chooser.ts";

const mebibyte = new Uint8Array(1024 * 1024);
const kibibyte = new Uint8Array(1024);

/** A chooser whose samples take so many bytes at the fast level, and 1,000 at the dense one. */
function chooser() {
  const it = new LevelChooser();
  let samples = 0;
  let fastBytes = 1000;
  return {
    level: (data: Uint8Array, times = 1) => {
      let level = 0;
      for (let i = 0; i < times; i++) {
        level = it.level(data, (sample, at) => {
          assert.ok(sample.length <= 65_536);
          samples++;
          return at === fastLevel ? fastBytes : 1000;
        });
      }
      return level;
    },
    takes: (bytes: number) => {
      fastBytes = bytes;
    },
    samples: () => samples,
  };
}

test("the fast level where it takes hardly more, the dense one where it does", () => {
  for (const [bytes, level] of [
    [900, fastLevel],
    [1030, fastLevel],
    [1050, denseLevel],
    [2000, denseLevel],
  ] as const) {
    const { level: choose, takes } = chooser();
    takes(bytes);
    assert.equal(choose(mebibyte), level, `${bytes} bytes`);
  }
});

test("small chunks are judged by themselves, and more strictly", () => {
  const { level, takes } = chooser();
  takes(1030);
  assert.equal(level(kibibyte), denseLevel);
  assert.equal(level(mebibyte), fastLevel);
  assert.equal(level(kibibyte), denseLevel);
});

test("it follows what comes, and samples little of it", () => {
  const { level, takes, samples } = chooser();
  takes(2000);
  assert.equal(level(mebibyte, 100), denseLevel);
  assert.ok(samples() > 2 && samples() <= 2 * 26, `${samples()} samples in 100 MiB`);
  takes(900);
  assert.equal(level(mebibyte, 40), fastLevel);
  takes(2000);
  assert.equal(level(mebibyte, 40), denseLevel);
});

test("what does not get smaller at either level takes the fast one", () => {
  const it = new LevelChooser();
  assert.equal(
    it.level(mebibyte, (sample, at) => sample.length + at),
    fastLevel,
  );
});
