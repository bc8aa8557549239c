/** The progress line: when it appears, what it says of an index that is loaded. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { startProgress } from "../../src/cli/progress.ts";
import { KeptStream, withCliHome } from "./cli-runner.ts";

describe("the progress line", () => {
  it("is there at once, or with the first update where that may never come", async (t) => {
    for (const waits of [false, true]) {
      const stream = new KeptStream(true);
      const progress = await startProgress(stream, systemClock, "label", { waits });
      t.after(() => progress.stop());
      assert.equal(stream.text.includes("label"), !waits);
      if (waits) {
        progress.above("text\n", (text) => stream.write(text));
        assert.equal(stream.text, "text\n", "no escapes for a line that is not there");
      }
      progress.stop();
      if (waits) assert.equal(stream.text, "text\n");
    }
  });

  it("shows a new phase before the work goes on, with a rate of its own", async (t) => {
    const stream = new KeptStream(true);
    let ms = 0;
    const clock = { ...systemClock, monotonicMs: () => ms };
    const progress = await startProgress(stream, clock, "label", { waits: true });
    t.after(() => progress.stop());
    progress.update({ phase: "index", bytes: 0, bytesTotal: 1000 });
    assert.match(stream.text, /index/);
    ms = 2000;
    progress.update({ phase: "read", bytes: 1e9 });
    assert.match(stream.text, /read/);
    assert.doesNotMatch(stream.text, /\/s/, "bytes of the index are not bytes that were read");
  });

  it("tells of an index that is loaded, and of none when there is nothing to load", () =>
    withCliHome(async (home) => {
      const source = join(home.folder, "source");
      mkdirSync(source);
      writeFileSync(join(source, "file"), "content");
      await home.run(["snapshot", source]);
      const cold = ["--cache-dir", join(home.folder, "cold")];
      for (const args of [
        ["ls", "latest", "-R"],
        ["find", "file"],
        ["diff", "latest", "latest"],
      ]) {
        const cache = ["--cache-dir", join(home.folder, `cold ${args[0]}`)];
        const first = await home.run([...cache, ...args], { isTTY: true });
        assert.equal(first.code, 0, first.err);
        assert.match(first.err, /index {2}.* 0% {2}0 B of \d/, args.join(" "));
        const again = await home.run([...cache, ...args], { isTTY: true });
        assert.equal(again.err, "", args.join(" "));
        assert.equal(again.out, first.out);
      }
      const { err } = await home.run([...cold, "check"], { isTTY: true });
      assert.match(err, /check {2}.*index {2}.* 0% {2}0 B of \d/s);
    }));
});
