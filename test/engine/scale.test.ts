/**
 * A repository with a million blobs: memory must not grow with them. Were a record of each kept in
 * memory, the least would be a hundred megabytes; the bounds are below that. What ten million cost:
 * bench/scale/blobs.ts.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { addManyBlobs } from "../../bench/scale/many-blobs.ts";
import { formatKeyFile } from "../../src/repo/crypto/kek.ts";
import { makeRepository, testSecret, withFolder } from "../helpers/test-repository.ts";
import { loadCost, type ProgramPlace, programPeak } from "./program-memory.ts";

const blobs = process.env["VARVE_TEST_LONG"] === "1" ? 10_000_000 : 1_000_000;
const loadBytesMax = 330e6;
const workBytesMax = 200e6;

async function prepare(work: string): Promise<ProgramPlace & { readonly tree: string }> {
  const place = {
    work,
    repository: join(work, "repository"),
    cache: join(work, "cache of the program"),
    keyFile: join(work, "key"),
    tree: join(work, "tree"),
  };
  const repo = await makeRepository(work);
  await addManyBlobs(repo, { blobs, objectBlobs: 200_000 });
  await repo.close();
  assert.equal(testSecret.kind, "key");
  if (testSecret.kind === "key") writeFileSync(place.keyFile, formatKeyFile(testSecret.bytes));
  mkdirSync(place.tree);
  for (let i = 0; i < 50; i++) writeFileSync(join(place.tree, `${i}`), `file ${i}\n`);
  return place;
}

test(`${blobs} blobs: memory of a cold load, snapshots and a restore`, () =>
  withFolder(async (work) => {
    const place = await prepare(work);
    const cold = loadCost(place);
    assert.equal(cold.blobs, blobs);
    assert.ok(cold.peakBytes < loadBytesMax, `cold load: ${cold.peakBytes}`);
    const warm = loadCost(place);
    assert.equal(warm.blobs, blobs);
    const grown = warm.peakBytes - warm.startBytes;
    assert.ok(grown < 40e6, `warm load: ${grown} on ${warm.startBytes}`);
    const target = join(work, "target");
    const runs = [
      ["snapshot", place.tree],
      ["snapshot", place.tree],
      ["restore", "latest", "--target", target],
    ];
    for (const args of runs) {
      const peak = programPeak(place, ...args);
      assert.ok(peak < workBytesMax, `${args[0]}: ${peak}`);
    }
  }));
