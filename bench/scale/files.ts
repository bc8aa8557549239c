/**
 * What a snapshot of ten million files costs, and what it costs to keep: the first snapshot, one
 * with nothing changed, one with 1 % changed, restores of a part, prune after the first two were
 * forgotten, check. The files are real, and tiny (many-files.ts); each is a blob.
 * usage: node dist/bench/scale/files.js [--files N] [--from STEP] [--drop]
 *   --files   10,000,000 unless said; a multiple of 10,000. Run a tenth before, to compare with
 *   --from    first, again, changed, restore, prune or check: earlier steps are taken as done
 *   --drop    delete the work folder of that size, and end
 * Takes root. Work folder: VARVE_BENCH_DIR, or bench/work; a file takes 700 bytes there.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compareTrees } from "../compare-trees.ts";
import { changeFiles, FileImage, filePath, filesInTopFolder, writeFiles } from "./many-files.ts";
import { newRepository } from "./new-repository.ts";
import { ScaleRun } from "./scale-run.ts";

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "10000000" },
    from: { type: "string", default: "first" },
    drop: { type: "boolean", default: false },
  },
});
const files = Number(values.files);
const run = new ScaleRun("files", files);
const tree = run.path("tree");
const image = new FileImage(run.path("image"), tree);

/** Restores one path below the tree, and compares it with the source. */
function restore(what: string, path: string): void {
  const target = run.emptyPath("target");
  run.program(what, 1, "restore", "latest", "--target", target, join(tree, path));
  compareTrees(join(tree, path), join(target, tree, path));
  rmSync(target, { recursive: true });
}

const steps: Record<string, () => void | Promise<void>> = {
  first: async () => {
    await (await newRepository(run)).close();
    run.program("first snapshot", files, "snapshot", tree);
  },
  again: () => run.program("nothing changed", files, "snapshot", tree),
  changed: () => {
    changeFiles(tree, files, 100, Date.now());
    image.remount();
    run.program("1 % changed", files, "snapshot", tree);
  },
  restore: () => {
    const middle = Math.floor(files / 2);
    restore("restore of one file", filePath(middle));
    restore(`restore of ${filesInTopFolder} files`, filePath(middle).split("/", 1)[0] ?? "");
  },
  prune: () => {
    run.program("forget two of three", 1, "forget", "latest~1", "latest~2");
    run.program("prune", files, "prune");
  },
  check: () => run.program("check", files, "check"),
};

async function main(): Promise<void> {
  if (values.drop) {
    image.close();
    rmSync(run.folder, { recursive: true, force: true });
    return;
  }
  image.close();
  if (!run.isDone("made")) rmSync(run.path("image"), { force: true });
  image.open(files);
  try {
    await run.once("made", () => writeFiles(tree, files));
    const names = Object.keys(steps);
    if (!names.includes(values.from)) throw new Error(`no step ${values.from}`);
    for (const name of names.slice(names.indexOf(values.from))) {
      image.remount();
      await steps[name]?.();
    }
  } finally {
    image.close();
  }
}

await main();
