/** Streams cut through slots or in pieces have the chunks that they have as a whole. */
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { Cutter } from "../../src/chunker/cutter.ts";
import { SlotCutter } from "../../src/chunker/slot-cutter.ts";
import { createSlotMemory, slotOffset } from "../../src/chunker/slot-memory.ts";
import { StreamCutter } from "../../src/chunker/stream-cutter.ts";
import { twinCut } from "../../src/chunker/twin.ts";
import { anyData, randomBytesOf, smallProfile, tableOf } from "./sample-data.ts";

const options = { profile: smallProfile, table: tableOf(1) };

function split(data: Uint8Array, lengths: Iterable<number>): string[] {
  let end = 0;
  return [...lengths].map((length) => {
    end += length;
    return Buffer.from(data.subarray(end - length, end)).toString("hex");
  });
}

const anySlots = fc.record({
  slotCount: fc.integer({ min: 1, max: 4 }),
  slotBytes: fc.integer({ min: smallProfile.maxBytes + 1, max: 20_000 }),
});
/** How much of each slot's room is filled; used again and again. */
const anyFilling = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 });

test("a stream has the same chunks through any slots, however they are filled", () => {
  fc.assert(
    fc.property(anyData, anySlots, anyFilling, (data, { slotCount, slotBytes }, filling) => {
      const slots = createSlotMemory(slotCount, slotBytes);
      const cutter = new SlotCutter(new Cutter(options, slots), slots);
      const shared = new Uint8Array(slots.buffer);
      const chunks: string[] = [];
      let taken = 0;
      for (let turn = 0, isLast = false; !isLast; turn++) {
        const room = cutter.begin(turn % slotCount);
        const wanted = Math.min(room.length, filling[turn % filling.length] ?? 1);
        const piece = data.subarray(taken, taken + wanted);
        room.set(piece);
        taken += piece.length;
        isLast = piece.length < wanted;
        const { offset, lengths, tailBytes } = cutter.cut(piece.length, isLast);
        assert.equal(offset, slotOffset(slots, turn % slotCount));
        assert.ok(tailBytes < smallProfile.maxBytes && (!isLast || tailBytes === 0));
        chunks.push(...split(shared.subarray(offset), lengths));
      }
      assert.deepEqual(chunks, split(data, twinCut(options.table, smallProfile, data)));
    }),
  );
});

test("one cutter serves streams in turn", () => {
  const slots = createSlotMemory(2, 10_000);
  const cutter = new Cutter(options, slots);
  const streams = [1, 2].map((seed) => {
    const data = randomBytesOf(seed, 9_000);
    return { data, slots: new SlotCutter(cutter, slots), lengths: [] as number[] };
  });
  for (const [from, final] of [
    [0, false],
    [4_500, true],
  ] as const) {
    streams.forEach((stream, slot) => {
      stream.slots.begin(slot).set(stream.data.subarray(from, from + 4_500));
      stream.lengths.push(...stream.slots.cut(4_500, final).lengths);
    });
  }
  for (const { data, lengths } of streams) {
    assert.deepEqual(lengths, twinCut(options.table, smallProfile, data));
  }
});

test("misuse is refused", () => {
  const slots = createSlotMemory(2, 8192);
  const cutter = new Cutter(options, slots);
  const stream = new SlotCutter(cutter, slots);
  assert.throws(() => stream.cut(1, false), { code: "internal" }, "before begin");
  assert.throws(() => stream.begin(2), { code: "internal" }, "no such slot");
  assert.equal(stream.begin(1).length, 8192);
  assert.throws(() => stream.cut(8193, false), { code: "internal" }, "too much");
  assert.throws(() => new SlotCutter(cutter, createSlotMemory(2, 8192)), { code: "internal" });
  const small = createSlotMemory(2, smallProfile.maxBytes);
  assert.throws(() => new SlotCutter(new Cutter(options, small), small), { code: "internal" });
  assert.throws(() => createSlotMemory(64, 2 ** 24), { code: "internal" }, "above 1 GiB");
});

test("files are read straight into a slot, and other threads see them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-slots-"));
  try {
    const data = randomBytesOf(4, 6_000);
    writeFileSync(join(folder, "file"), data);
    const slots = createSlotMemory(1, 8192);
    const stream = new SlotCutter(new Cutter(options, slots), slots);
    const file = openSync(join(folder, "file"), "r");
    const count = readSync(file, stream.begin(0));
    closeSync(file);
    const { offset, lengths } = stream.cut(count, true);
    const code = `const { parentPort, workerData: { buffer, offset, length } } =
      require("node:worker_threads");
      parentPort.postMessage(Uint8Array.from(new Uint8Array(buffer, offset, length)));`;
    const workerData = { buffer: slots.buffer, offset, length: lengths[0] };
    const worker = new Worker(code, { eval: true, workerData });
    const seen = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    assert.deepEqual(seen, data.slice(0, lengths[0]));
    await worker.terminate();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a stream in pieces has the same chunks, also the next stream", () => {
  const cutter = new StreamCutter(options, 9_000);
  fc.assert(
    fc.property(anyData, anyFilling, (data, pieces) => {
      const chunks: string[] = [];
      const take = (some: Iterable<Uint8Array>) => {
        for (const chunk of some) chunks.push(Buffer.from(chunk).toString("hex"));
      };
      for (let turn = 0, taken = 0; taken < data.length; turn++) {
        const piece = data.subarray(taken, taken + (pieces[turn % pieces.length] ?? 1));
        take(cutter.push(piece));
        taken += piece.length;
      }
      take(cutter.finish());
      assert.deepEqual(chunks, split(data, twinCut(options.table, smallProfile, data)));
    }),
  );
});
