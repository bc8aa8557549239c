/** Snapshots of files that changed a little: new chunks stand on those of the parent. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SnapshotId } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { prune } from "../../src/engine/prune.ts";
import { repairPacks } from "../../src/engine/repair-packs.ts";
import { restoreSnapshot } from "../../src/engine/restore.ts";
import { readPackFromStore } from "../../src/repo/blob-codec.ts";
import {
  BlobKind,
  depthOf,
  Encoding,
  isGeneration,
  type PackTableEntry,
} from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { type Place, withRepository } from "../helpers/snapshot-place.ts";
import { assertClean, assertNewestShows, takeSnapshot } from "../helpers/snapshot-runs.ts";
import { shownOnDisk } from "../helpers/snapshot-shown.ts";

const rowBytes = 80;
/** The same cuts in every run: a row that changes at a cut makes whole chunks new. */
const sameCuts = { chunkerSecret: Buffer.alloc(32, 5) };

/** Text of rows; each day changes one row in a hundred. */
function rows(count: number, day: number): string {
  const versions = Array.from({ length: day + 1 }, (_, d) =>
    noise(count * 60, 10 + d).toString("base64"),
  );
  const row = (i: number) => {
    const version = versions.findLastIndex((_, d) => d === 0 || i % 100 === d * 7);
    return versions[version]?.slice(i * rowBytes, (i + 1) * rowBytes - 1) ?? "";
  };
  return `${Array.from({ length: count }, (_, i) => row(i)).join("\n")}\n`;
}

/** Data blobs in all living packs. */
async function dataBlobs(repo: Repository): Promise<PackTableEntry[]> {
  const blobs: PackTableEntry[] = [];
  for (const { pack, size } of repo.index.livingPacks()) {
    const contents = await readPackFromStore(repo.store, repo.keys, pack, size);
    blobs.push(...contents.blobs.filter(({ kind }) => kind === BlobKind.data));
  }
  return blobs;
}

async function onBases(repo: Repository): Promise<PackTableEntry[]> {
  await repo.loadIndex();
  return (await dataBlobs(repo)).filter(({ encoding }) => encoding === Encoding.zstdOnBase);
}

const hex = (id: Uint8Array | undefined) => Buffer.from(id ?? []).toString("hex");

function writeDay(place: Place, day: number): void {
  place.write("small", rows(2000, day));
  place.write("large", rows(70_000, day));
  // Nothing of it is ever like it was.
  place.write("other", noise(200_000, 1000 + day));
}

test("a file that changed a little costs little, on the bases that skip-deltas have", async () => {
  await withRepository(async (repo, place) => {
    writeDay(place, 0);
    const first = await takeSnapshot(repo, place.root);
    const whole = first.snapshot.added.bytes - 200_000;
    for (const day of [1, 2, 3]) {
      writeDay(place, day);
      const { snapshot } = await takeSnapshot(repo, place.root);
      const part = (snapshot.added.bytes - 200_000) / whole;
      assert.ok(part < 0.05 * day, `day ${day} stores ${part} of the first`);
      await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    }
    const standing = await onBases(repo);
    assert.ok(standing.length >= 9, `${standing.length} blobs stand on a base`);
    const copies = new Map((await dataBlobs(repo)).map((blob) => [hex(blob.id), blob]));
    for (const { baseId, generation = 0 } of standing) {
      // The lowest bit of what stands on it is clear.
      assert.equal(copies.get(hex(baseId))?.generation ?? 0, generation & (generation - 1));
    }
    const generations = new Set(standing.map((blob) => blob.generation));
    for (const each of [1, 2, 3]) assert.ok(generations.has(each));
    await assertClean(repo);
  }, sameCuts);
});

test("forty days of a file: four deep at most, each as it was, also of few kept", async () => {
  await withRepository(async (repo, place) => {
    const days: Buffer[] = [];
    const ids: SnapshotId[] = [];
    for (let day = 0; day <= 40; day++) {
      const content = Buffer.from(days.at(-1) ?? noise(60_000, 3));
      // A little of each day is at a place of its own.
      if (day > 0) content.set(noise(30, 100 + day), day * 1400);
      days.push(content);
      place.write("file", content);
      const { id } = await takeSnapshot(repo, place.root);
      assert.ok(id !== undefined);
      ids.push(id);
    }
    const standing = await onBases(repo);
    const generations = standing.map(({ generation = 0 }) => generation).sort((a, b) => a - b);
    // 31 and 39 would be five and more deep.
    const expected = Array.from({ length: 48 }, (_, i) => i).filter(isGeneration);
    assert.deepEqual(generations, expected.slice(0, 40));
    for (const blob of standing) assert.ok(depthOf(blob) <= 4 && blob.length < 2000);
    const assertEach = async () => {
      for (const record of await repo.snapshots()) {
        const target = place.at(`../restored`) as RawPath;
        await restoreSnapshot(repo, record, { target, threads: 1 });
        const restored = fs.readFileSync(join(target, place.at("file")));
        assert.ok(restored.equals(days[ids.indexOf(record.id)] ?? Buffer.alloc(0)));
        fs.rmSync(target, { recursive: true });
      }
    };
    await assertEach();
    await assertClean(repo);
    const forget = ids.filter((_, day) => day % 7 !== 2);
    await prune(repo, { forget, maxUnused: { kind: "bytes", bytes: 0 } });
    assert.equal((await repo.snapshots()).length, 6);
    await assertEach();
    await assertClean(repo);
  }, sameCuts);
});

test("bases stay as long as a snapshot needs them, and go with the last", async () => {
  await withRepository(async (repo, place) => {
    writeDay(place, 0);
    const first = await takeSnapshot(repo, place.root);
    writeDay(place, 1);
    const second = await takeSnapshot(repo, place.root);
    assert.ok(first.id !== undefined && second.id !== undefined);
    await prune(repo, { forget: [first.id], maxUnused: { kind: "bytes", bytes: 0 } });
    assert.ok((await onBases(repo)).length >= 3);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    await assertClean(repo);
    fs.rmSync(place.at("small"));
    fs.rmSync(place.at("large"));
    await takeSnapshot(repo, place.root);
    await prune(repo, { forget: [second.id], maxUnused: { kind: "bytes", bytes: 0 } });
    assert.equal((await onBases(repo)).length, 0);
    assert.equal((await dataBlobs(repo)).length, 1);
    await assertClean(repo);
  }, sameCuts);
});

test("a base that is lost or damaged is none: the chunk is stored whole", async () => {
  await withRepository(async (repo, place) => {
    writeDay(place, 0);
    await takeSnapshot(repo, place.root);
    await repo.loadIndex();
    for (const { pack, size } of [...repo.index.livingPacks()]) {
      const name = `packs/${pack.slice(0, 2)}/${pack}`;
      const bytes = await repo.store.get(name);
      const { blobs } = await readPackFromStore(repo.store, repo.keys, pack, size);
      for (const { kind, offset } of blobs) {
        if (kind === BlobKind.data) bytes[offset + 5] = (bytes[offset + 5] ?? 0) ^ 1;
      }
      await repo.store.put(name, bytes);
    }
    writeDay(place, 1);
    await takeSnapshot(repo, place.root);
    assert.equal((await onBases(repo)).length, 0);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    for (const { pack, size } of [...repo.index.livingPacks()]) {
      const { blobs } = await readPackFromStore(repo.store, repo.keys, pack, size);
      if (!blobs.some(({ kind }) => kind === BlobKind.data)) continue;
      await repairPacks(repo, { packs: [pack] });
      break;
    }
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
  }, sameCuts);
});
