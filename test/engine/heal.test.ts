/** From real files to real files: what a damaged pack took away, the next snapshot brings back. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packId } from "../../src/base/ids.ts";
import { rawPathFromText } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { prune } from "../../src/engine/prune.ts";
import { repairPacks } from "../../src/engine/repair-packs.ts";
import { repairSnapshots } from "../../src/engine/repair-snapshots.ts";
import { createSnapshot } from "../../src/engine/snapshot.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { noise, readTree } from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

function makeSource(folder: string): string {
  const source = join(folder, "source");
  for (let dir = 0; dir < 4; dir++) {
    mkdirSync(join(source, `dir-${dir}`), { recursive: true });
    for (let at = 0; at < 30; at++) {
      writeFileSync(join(source, `dir-${dir}/file-${at}`), noise(4000 + at * 100, dir * 100 + at));
    }
  }
  writeFileSync(join(source, "large"), noise(3_000_000, 999));
  return source;
}

function packFiles(folder: string): string[] {
  const packs = join(folder, "repository/packs");
  return readdirSync(packs, { recursive: true, encoding: "utf8" })
    .filter((name) => name.length > 60)
    .map((name) => join(packs, name));
}

const snapshot = (repo: Repository, source: string) =>
  createSnapshot(repo, {
    roots: [rawPathFromText(source)],
    walk: {},
    host: "testhost",
    tags: [],
    threads: 1,
  });

async function checked(folder: string) {
  const repo = await reopenRepository(folder, { freshCache: true });
  try {
    return await checkRepository(repo, { readData: true, threads: 1 });
  } finally {
    await repo.close();
  }
}

/**
 * Damages, repairs and snapshots again; the repository is open with its lasting cache
 * throughout.
 */
async function heal(folder: string, source: string, damage: () => readonly string[]) {
  const hurt = damage();
  const report = await checked(folder);
  const packs = report.damage.filter(({ kind }) => kind === "pack");
  assert.deepEqual(packs.map(({ object }) => object.slice(-64)).sort(), [...hurt].sort());
  const repairing = await reopenRepository(folder, { freshCache: true });
  await repairPacks(repairing, { packs: hurt.map(packId) });
  await repairing.close();
  const repo = await reopenRepository(folder);
  const { id } = await snapshot(repo, source);
  // Folders above the source change all the time: what only older snapshots showed is lost.
  const { hurtSnapshots } = await checked(folder);
  assert.ok(hurtSnapshots.every((one) => one.snapshot !== id));
  const dropping = await reopenRepository(folder, { freshCache: true });
  await repairSnapshots(dropping, { forget: true });
  await dropping.close();
  assert.deepEqual((await checked(folder)).damage, []);
  const record = (await repo.snapshots()).find((one) => one.id === id);
  assert.ok(record !== undefined);
  const tree = await readTree(repo, record.snapshot.root);
  const large = tree.get(rawPathFromText(join(source, "large")));
  assert.ok(large?.equals(readFileSync(join(source, "large"))));
  await prune(repo);
  assert.deepEqual((await checked(folder)).damage, []);
  await repo.close();
}

test("each pack lost, or with a damaged byte: repaired, snapshotted again, clean", async () => {
  await withFolder(async (folder) => {
    const source = makeSource(folder);
    const repo = await makeRepository(folder, { packBytes: 1024 * 1024 });
    await snapshot(repo, source);
    await snapshot(repo, source);
    await repo.close();
    const count = packFiles(folder).length;
    assert.ok(count >= 3);
    for (let at = 0; at < count; at++) {
      const path = packFiles(folder).sort()[at % packFiles(folder).length] ?? "";
      await heal(folder, source, () => {
        if (at % 2 === 0) rmSync(path);
        else {
          const bytes = readFileSync(path);
          bytes[200] = (bytes[200] ?? 0) ^ 16;
          writeFileSync(path, bytes);
        }
        return [path.slice(-64)];
      });
    }
  });
});

test("each pack lost, unnoticed: the next snapshots are whole", async () => {
  await withFolder(async (folder) => {
    const source = makeSource(folder);
    const repo = await makeRepository(folder, { packBytes: 1024 * 1024 });
    await snapshot(repo, source);
    // The second one finds its parent whole, and looks nothing up.
    assert.equal((await snapshot(repo, source)).lostPacks, 0);
    await repo.close();
    const paths = packFiles(folder).sort();
    assert.ok(paths.length >= 3);
    let healedBytes = 0;
    for (const [at, path] of paths.entries()) {
      rmSync(path);
      healedBytes += await assertHeals(folder, source, at + 1);
    }
    assert.ok(healedBytes > 3_000_000, "every pack's data were stored once more");
  });
});

/**
 * Nothing is repaired: `lost` packs are gone for good, and the index still names them. Returns what
 * the first snapshot added.
 */
async function assertHeals(folder: string, source: string, lost: number): Promise<number> {
  const added: number[] = [];
  while (added.length < 2) {
    const repo = await reopenRepository(folder);
    const { id, lostPacks, snapshot: taken } = await snapshot(repo, source);
    await repo.close();
    assert.equal(lostPacks, lost);
    added.push(taken.added.rawBytes);
    const reading = await reopenRepository(folder, { freshCache: true });
    const record = (await reading.snapshots()).find((one) => one.id === id);
    assert.ok(record !== undefined);
    const tree = await readTree(reading, record.snapshot.root);
    await reading.close();
    for (const dir of [0, 1, 2, 3]) assertEqualFile(tree, join(source, `dir-${dir}/file-7`));
    assertEqualFile(tree, join(source, "large"));
    const { hurtSnapshots } = await checked(folder);
    assert.ok(
      hurtSnapshots.every((one) => one.snapshot !== id),
      "check says so too",
    );
  }
  const [healed = 0, after = 0] = added;
  // Folders above the source may have changed meanwhile.
  assert.ok(after < 50_000, `${after} bytes are stored once more`);
  return healed;
}

function assertEqualFile(tree: ReadonlyMap<string, Buffer | null>, path: string): void {
  assert.ok(tree.get(rawPathFromText(path))?.equals(readFileSync(path)), path);
}

test("a pack that comes back is used again", async () => {
  await withFolder(async (folder) => {
    const source = makeSource(folder);
    const repo = await makeRepository(folder, { packBytes: 1024 * 1024 });
    await snapshot(repo, source);
    const [path = ""] = packFiles(folder);
    const aside = join(folder, "aside");
    renameSync(path, aside);
    assert.equal((await snapshot(repo, source)).lostPacks, 1);
    assert.equal((await snapshot(repo, source)).lostPacks, 1, "the same process finds it again");
    renameSync(aside, path);
    assert.equal((await snapshot(repo, source)).lostPacks, 0);
    await repo.close();
    assert.deepEqual((await checked(folder)).damage, []);
  });
});
