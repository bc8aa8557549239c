/**
 * What a repository with fifty million blobs costs: bringing its index into an empty cache, a
 * snapshot of a small tree, the same again, its restore, prune, check. One blob in five is needed
 * by no snapshot, in packs of their own, so that prune has packs to remove and all of the index to
 * rewrite.
 * usage: node dist/bench/scale/blobs.js [--blobs N] [--from STEP] [--drop]
 *   --blobs       50,000,000 unless said. Run a tenth before, to compare with
 *   --pack-blobs  blobs in a pack, 1000 unless said. Fewer tell what packs cost; not of prune,
 *                 which would join packs of less than 4 MiB, and these cannot be read
 *   --from        load, snapshot, cold, prune or check: earlier steps are taken as done
 *   --drop        delete the work folder of that size, and end
 * Work folder: VARVE_BENCH_DIR, or bench/work; a blob takes 80 bytes there, and 90 in each cache.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { addBlobsOfSnapshot } from "./blobs-snapshot.ts";
import { newRepository } from "./new-repository.ts";
import { ScaleRun } from "./scale-run.ts";

const { values } = parseArgs({
  options: {
    blobs: { type: "string", default: "50000000" },
    "pack-blobs": { type: "string", default: "1000" },
    from: { type: "string", default: "load" },
    drop: { type: "boolean", default: false },
  },
});
const blobs = Number(values.blobs);
const packBlobs = Number(values["pack-blobs"]);
const run = new ScaleRun(packBlobs === 1000 ? "blobs" : `blobs-by-${packBlobs}`, blobs);
const tree = run.path("tree");

async function make(): Promise<void> {
  const repo = await newRepository(run);
  await addBlobsOfSnapshot(repo, run.repository, { blobs, packBlobs });
  await repo.close();
  run.emptyPath("cache-of-the-maker");
  mkdirSync(run.emptyPath("tree"));
  for (let i = 0; i < 200; i++) writeFileSync(join(tree, `${i}`), `file ${i}\n`.repeat(i + 1));
}

function restore(what: string, each: number): void {
  run.program(what, each, "restore", "latest", "--target", run.emptyPath("target"));
  run.emptyPath("target");
}

const steps: Record<string, () => void> = {
  load: () => {
    run.emptyPath("cache");
    run.script("index into an empty cache", blobs, "load-step.js");
  },
  snapshot: () => {
    run.program("snapshot of 200 files", 1, "snapshot", tree);
    run.program("the same again", 1, "snapshot", tree);
    restore("restore of it", 1);
  },
  cold: () => {
    run.emptyPath("cache");
    restore("restore of it, from an empty cache", blobs);
  },
  prune: () => run.program("prune", blobs, "prune"),
  check: () => run.program("check", blobs, "check"),
};

async function main(): Promise<void> {
  if (values.drop) return rmSync(run.folder, { recursive: true, force: true });
  await run.once("made", make);
  const names = Object.keys(steps);
  if (!names.includes(values.from)) throw new Error(`no step ${values.from}`);
  for (const name of names.slice(names.indexOf(values.from))) steps[name]?.();
}

await main();
