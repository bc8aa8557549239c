import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { trialList } from "../../../bench/stages/gate/trial-list.ts";
import { LargeFileCutter } from "../../../bench/stages/large-file.ts";
import { Meter } from "../../../bench/stages/meter.ts";
import { runPass } from "../../../bench/stages/pass.ts";
import { type BatchFile, type Piece, SmallBatches } from "../../../bench/stages/small-batches.ts";
import { stages } from "../../../bench/stages/stage-list.ts";
import { Keystream, text, writeLargeFile, writeTree } from "../../../bench/synthetic.ts";
import type { RawPath } from "../../../src/base/raw-path.ts";
import { createSnapshot } from "../../../src/engine/snapshot.ts";
import { makeRepository, withFolder } from "../../helpers/test-repository.ts";

/** Small files, some of them cut, and a large one. */
function makeTree(path: string): void {
  mkdirSync(path);
  writeTree(join(path, "small"), { files: 300, sizeBits: 10, filesInFolder: 20 });
  writeFileSync(join(path, "cut"), text(new Keystream("cut"), 3 << 20));
  writeFileSync(join(path, "cut-again"), text(new Keystream("cut"), 3 << 20));
  writeLargeFile(join(path, "large"), 9);
}

test("a pass does all that a first snapshot does, and says what each stage cost", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tree");
    makeTree(path);
    const pass = await runPass(path, join(folder, "pass"), 2);
    const repo = await makeRepository(folder);
    const options = { roots: [path as RawPath], walk: {}, host: "h", tags: [], threads: 1 };
    const { snapshot } = await createSnapshot(repo, options);
    const { files, entries, bytes } = snapshot.totals;
    await repo.close();
    assert.deepEqual(
      { files: pass.files, entries: pass.entries, bytes: pass.bytes },
      { files, entries, bytes },
    );
    // Keys are others, so cuts and with them sizes are a little different.
    const stored = pass.storedBytes / snapshot.added.bytes;
    assert.ok(stored > 0.95 && stored < 1.05, `${pass.storedBytes} of ${snapshot.added.bytes}`);
    assert.ok(pass.chunks > 300);
    const names = stages.map(({ name }) => name);
    assert.deepEqual(Object.keys(pass.costs).sort(), [...names].sort());
    for (const name of names) assert.ok((pass.costs[name] ?? 0) > 0, name);
  });
});

const profile = { minBytes: 16_384, averageBytes: 65_536, maxBytes: 262_144, normalization: 2 };
const gearMaterial = new Keystream("gear").bytes(2048);

function fileAt(path: string): BatchFile {
  const { size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  const source = { size: Number(size), mtimeNs, ctimeNs } as BatchFile["source"];
  return { source, target: { path: path as RawPath } };
}

/** What the pieces of a file are together; they are copied, as they are lent. */
function joined(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) => (typeof piece === "number" ? Buffer.alloc(piece) : Buffer.from(piece))),
  );
}

test("the pieces that a file is cut into are its bytes", async () => {
  await withFolder(async (folder) => {
    const [small, large] = [join(folder, "small"), join(folder, "large")];
    writeFileSync(small, text(new Keystream("small"), 1 << 20));
    writeLargeFile(large, 9);
    const batches = new SmallBatches(profile, gearMaterial, new Meter());
    const [nothing, file] = batches.read([fileAt("/dev/null"), fileAt(small)]);
    assert.ok(nothing?.report?.failure !== undefined, "no regular file");
    assert.ok((file?.pieces.length ?? 0) > 4);
    assert.deepEqual(joined(file?.pieces ?? []), readFileSync(small));
    const cutter = new LargeFileCutter(profile, gearMaterial, 1, new Meter());
    const parts = Array.from(cutter.pieces(fileAt(large)), joined);
    assert.ok(parts.length > 2);
    assert.deepEqual(Buffer.concat(parts), readFileSync(large));
  });
});

test("the gate has a trial for each stage but those that others stand for", async () => {
  await withFolder(async (folder) => {
    const { trials, against, close } = await trialList(folder);
    for (const { run, calibration } of trials) {
      run();
      against[calibration]();
    }
    await close();
    const elsewhere = ["read-large", "cut-large", "put", "nodes"];
    const expected = stages.map(({ name }) => name).filter((name) => !elsewhere.includes(name));
    assert.deepEqual(trials.map(({ name }) => name).sort(), [...expected].sort());
  });
});
