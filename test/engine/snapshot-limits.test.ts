import assert from "node:assert/strict";
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EntryType } from "../../src/base/entry.ts";
import { keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { createSnapshot, type SnapshotProblem } from "../../src/engine/snapshot.ts";
import { readContent } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import { setTimes } from "../helpers/file-calls.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

async function snapshotOf(folder: string, source: string) {
  const repo = await makeRepository(folder);
  const problems: SnapshotProblem[] = [];
  const result = await createSnapshot(repo, {
    roots: [source as RawPath],
    walk: {},
    host: "here",
    tags: [],
    threads: 1,
    onProblem: (problem) => problems.push(problem),
  });
  return { repo, result, problems };
}

test("a small file of a hundred extents has its content in lists", () =>
  withFolder(async (folder) => {
    const source = join(folder, "source");
    mkdirSync(source);
    const fd = openSync(join(source, "sparse"), "w");
    for (let i = 0; i < 100; i++) writeSync(fd, `extent ${i}`, i * 16_384);
    ftruncateSync(fd, 100 * 16_384);
    closeSync(fd);
    const { repo, result, problems } = await snapshotOf(folder, source);
    assert.deepEqual(problems, []);
    const key = keyFromPath(join(source, "sparse") as RawPath);
    const entry = await repo.catalog(result).find(key);
    assert.ok(entry?.content !== undefined && entry.content.depth > 0);
    assert.equal(entry.size, 100 * 16_384);
    const texts: string[] = [];
    const readList = (id: Uint8Array) => repo.blobs.read(BlobKind.list, id);
    for await (const item of readContent(entry.content, readList)) {
      if (item.id === null) continue;
      const bytes = Buffer.from(await repo.blobs.read(BlobKind.data, item.id));
      texts.push(bytes.toString("latin1").replace(/\0+$/, ""));
    }
    assert.deepEqual(
      texts,
      Array.from({ length: 100 }, (_, i) => `extent ${i}`),
    );
    await repo.close();
  }));

test("an entry that the format cannot hold is named, and the rest is in the snapshot", () =>
  withFolder(async (folder) => {
    const source = join(folder, "source");
    mkdirSync(join(source, "far", "below"), { recursive: true });
    for (const name of ["a", "far/below/b", "z"]) writeFileSync(join(source, name), name);
    // 2^34 seconds: the year 2514, beyond what 64 bits of nanoseconds hold.
    setTimes(join(source, "far"), 2n ** 34n * 1_000_000_000n);
    const { repo, result, problems } = await snapshotOf(folder, source);
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.code, "limit-exceeded");
    assert.equal(problems[0]?.path, join(source, "far"));
    const names: string[] = [];
    for await (const leaf of repo.catalog(result).leaves()) {
      for (const { key, type } of leaf.entries) {
        if (type === EntryType.file) names.push(key.slice(key.lastIndexOf("\0") + 1));
      }
    }
    assert.deepEqual(names, ["a", "z"]);
    await repo.close();
  }));
