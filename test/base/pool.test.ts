import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { BoundedPool, type Release } from "../../src/base/pool.ts";

test("never more than the limits, and everything runs in the order it came", async () => {
  const task = fc.record({ bytes: fc.integer({ min: 0, max: 20 }), turns: fc.nat(3) });
  const limits = fc.record({ countMax: fc.integer({ min: 1, max: 4 }), bytesMax: fc.nat(20) });
  await fc.assert(
    fc.asyncProperty(fc.array(task, { maxLength: 20 }), limits, async (tasks, { ...limit }) => {
      const pool = new BoundedPool(limit);
      const started: number[] = [];
      let running = 0;
      let bytes = 0;
      await Promise.all(
        tasks.map((each, number) =>
          pool.run(each.bytes, async () => {
            started.push(number);
            running++;
            bytes += each.bytes;
            assert.ok(running === 1 || (running <= limit.countMax && bytes <= limit.bytesMax));
            for (let count = 0; count < each.turns; count++) await turn();
            running--;
            bytes -= each.bytes;
          }),
        ),
      );
      assert.deepEqual(
        started,
        tasks.map((_, number) => number),
      );
      assert.deepEqual([pool.running, pool.bytes], [0, 0]);
    }),
    { numRuns: 60 },
  );
});

test("a task above the byte limit runs alone", async () => {
  const pool = new BoundedPool({ countMax: 4, bytesMax: 10 });
  const small = await pool.acquire(1);
  let admitted = false;
  const big = pool.acquire(1000).then((release: Release) => {
    admitted = true;
    return release;
  });
  await turn();
  assert.equal(admitted, false);
  small();
  const release = await big;
  assert.equal(pool.bytes, 1000);
  const after = pool.acquire(0).then((done) => done());
  await turn();
  assert.equal(pool.running, 1);
  release();
  await after;
});

test("releasing twice gives back once", async () => {
  const pool = new BoundedPool({ countMax: 2, bytesMax: 100 });
  const first = await pool.acquire(10);
  await pool.acquire(20);
  first();
  first();
  assert.deepEqual([pool.running, pool.bytes], [1, 20]);
});

test("who aborts while waiting leaves, and those behind move up", async () => {
  const pool = new BoundedPool({ countMax: 4, bytesMax: 10 });
  const held = await pool.acquire(6);
  const controller = new AbortController();
  const big = pool.acquire(10, controller.signal);
  const small = pool.acquire(3);
  controller.abort(new Error("enough"));
  await assert.rejects(big, /enough/);
  (await small)();
  held();
  assert.equal(pool.running, 0);
  await assert.rejects(pool.acquire(1, controller.signal), /enough/);
});

test("submit holds the producer back, and the first failure ends it", async () => {
  const pool = new BoundedPool({ countMax: 2, bytesMax: 100 });
  const ends: (() => void)[] = [];
  const task = () => new Promise<void>((resolve) => ends.push(resolve));
  await pool.submit(1, task);
  await pool.submit(1, task);
  let third = false;
  const waiting = pool
    .submit(1, async () => {
      throw new Error("first failure");
    })
    .then(() => {
      third = true;
    });
  await turn();
  assert.equal(third, false);
  ends[0]?.();
  await waiting;
  await turn();
  await assert.rejects(
    pool.submit(1, async () => assert.fail("must not start")),
    /first failure/,
  );
  const drained = assert.rejects(pool.drain(), /first failure/);
  ends[1]?.();
  await drained;
  assert.equal(pool.running, 0);
});

test("drain waits for tasks that wait", async () => {
  const pool = new BoundedPool({ countMax: 1, bytesMax: 100 });
  let done = 0;
  const all = [1, 2, 3].map((bytes) =>
    pool.run(bytes, async () => {
      await turn();
      done++;
    }),
  );
  await pool.drain();
  assert.equal(done, 3);
  await Promise.all(all);
});
