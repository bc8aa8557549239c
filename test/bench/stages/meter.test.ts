import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Meter } from "../../../bench/stages/meter.ts";

/** Takes so many seconds of CPU, by the clock that the meter reads. */
function burn(seconds: number): void {
  const start = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(start);
    if (user + system >= seconds * 1e6) return;
  }
}

const near = (value: number | undefined, seconds: number) =>
  value !== undefined && value >= seconds && value < seconds + 0.1;

test("work within another stage's work is charged to itself alone", () => {
  const meter = new Meter();
  meter.run("seal", () => {
    burn(0.05);
    meter.run("pack", () => burn(0.2));
    burn(0.05);
  });
  burn(0.1);
  const { seal, pack, ...more } = meter.costs();
  assert.ok(near(seal, 0.1), `seal ${seal}`);
  assert.ok(near(pack, 0.2), `pack ${pack}`);
  assert.deepEqual(more, {});
});

test("waiting costs nothing, and what fails is charged as far as it came", async () => {
  const meter = new Meter();
  await meter.wait("put", async () => {
    await setTimeout(300);
    burn(0.1);
  });
  assert.throws(() =>
    meter.run("hash", () => {
      burn(0.05);
      throw new Error("on purpose");
    }),
  );
  burn(0.2);
  const { put, hash } = meter.costs();
  assert.ok(near(put, 0.1), `put ${put}`);
  assert.ok(near(hash, 0.05), `hash ${hash}`);
});
