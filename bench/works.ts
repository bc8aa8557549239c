/**
 * What is timed, in groups that share a repository. A group is run as a whole for one program, then
 * for the other, and so on in turn; only what a `Recorder` is asked to measure counts.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compareTrees } from "./compare-trees.ts";
import { changingTree, largeFile, tinyFolder, treeFolder } from "./data-sets.ts";
import { type Command, type Cost, folderSize, measure, output, warm } from "./measure.ts";
import type { Options } from "./options.ts";
import { copyRepository, freshRepository, type Program, repositoryIn } from "./programs.ts";

export interface Work {
  readonly name: string;
  readonly title: string;
  /** Wall time against restic that varve is to reach. */
  readonly target: number;
}

export const works: readonly Work[] = [
  { name: "tree-first", title: "first snapshot, Linux tree", target: 0.5 },
  { name: "tree-again", title: "the same again, nothing changed", target: 0.35 },
  { name: "tree-changed", title: "again with 1 % of the files changed", target: 0.4 },
  { name: "tree-restore", title: "full restore to an empty folder", target: 0.7 },
  { name: "large-first", title: "first snapshot of one 4 GiB file", target: 0.6 },
  { name: "list", title: "`snapshots`, 1,000 of them, key file", target: 0.5 },
  { name: "list-passphrase", title: "`snapshots`, 1,000 of them, passphrase", target: 1 },
  { name: "check", title: "`check`, 20 snapshots", target: 0.8 },
  { name: "prune", title: "`prune` after forgetting half of 20", target: 0.8 },
];

export interface Sample extends Cost {
  readonly work: string;
  readonly program: string;
  /** What the repository holds afterwards, and how much of it is new. */
  readonly repositoryBytes: number;
  readonly repositoryObjects: number;
  readonly addedBytes: number;
  readonly addedObjects: number;
}

/** Measures commands of one program and keeps the samples that were asked for. */
export class Recorder {
  readonly samples: Sample[] = [];
  readonly options: Options;
  #setAside = 0;

  constructor(options: Options) {
    this.options = options;
  }

  wants(...names: string[]): boolean {
    return names.some((name) => this.options.works.includes(name));
  }

  /** `source`: what the command reads beside the repository, if anything. */
  measure(program: Program, work: string, place: string, command: Command, source?: string): void {
    const before = folderSize(repositoryIn(place));
    const log = join(this.options.folder, `${program.name}-${work}.log`);
    output({ argv: ["sync"], env: {} }); // what was written before is not this command's to write
    warm(source === undefined ? [place] : [place, source]);
    const cost = measure(command, this.options.top, log);
    const after = folderSize(repositoryIn(place));
    if (!this.wants(work)) return;
    this.samples.push({
      work,
      program: program.name,
      ...cost,
      repositoryBytes: after.bytes,
      repositoryObjects: after.objects,
      addedBytes: after.bytes - before.bytes,
      addedObjects: after.objects - before.objects,
    });
    const { wallSeconds, cpuSeconds, peakBytes } = cost;
    console.log(
      `${program.name.padEnd(7)} ${work.padEnd(16)} ${wallSeconds.toFixed(2)} s wall, ` +
        `${cpuSeconds.toFixed(2)} s CPU, ${(peakBytes / 1e6).toFixed(0)} MB peak, ` +
        `${(after.bytes / 1e6).toFixed(1)} MB in ${after.objects} objects`,
    );
  }

  /**
   * Takes a tree out of the way until the end: ext4 does not use the inodes of files that were
   * deleted in the last minute and looks at each of them in vain, which would double the time of
   * whatever makes files next.
   */
  setAside(tree: string): void {
    renameSync(tree, join(this.#asideFolder(), String(this.#setAside++)));
  }

  #asideFolder(): string {
    const folder = join(this.options.folder, "aside");
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  removeSetAside(): void {
    rmSync(this.#asideFolder(), { recursive: true });
  }
}

/**
 * Restores the latest snapshot, measured as `work`, and compares it with its source. Returns the
 * folder that it was restored to.
 */
function restore(to: Recorder, work: string, program: Program, place: string, path: string) {
  const target = join(place, "restored");
  mkdirSync(target);
  to.measure(program, work, place, program.restore(place, target));
  const count = compareTrees(path, join(target, path));
  console.log(`        ${count} entries are as in the source`);
  return target;
}

function runTree(to: Recorder, program: Program): void {
  const folder = treeFolder(to.options);
  const place = join(to.options.folder, "tree");
  freshRepository(program, place);
  const snapshot = program.snapshot(place, folder);
  to.measure(program, "tree-first", place, snapshot, folder);
  if (to.wants("tree-again")) to.measure(program, "tree-again", place, snapshot, folder);
  if (to.wants("tree-restore")) {
    to.setAside(restore(to, "tree-restore", program, place, folder));
  }
  if (to.wants("tree-changed")) {
    const tree = changingTree(to.options);
    tree.change(1);
    to.measure(program, "tree-changed", place, snapshot, folder);
    tree.putBack();
  }
  rmSync(place, { recursive: true });
}

function runLarge(to: Recorder, program: Program): void {
  const file = largeFile(to.options);
  const place = join(to.options.folder, "large");
  freshRepository(program, place);
  to.measure(program, "large-first", place, program.snapshot(place, file), file);
  restore(to, "large-restore", program, place, file);
  rmSync(place, { recursive: true });
}

function prepared(to: Recorder, program: Program, name: string, make: (place: string) => void) {
  const place = join(to.options.folder, `prepared/${program.name}-${name}`);
  if (existsSync(place)) return place;
  console.log(`making ${place}`);
  freshRepository(program, `${place}.part`);
  make(`${place}.part`);
  copyRepository(`${place}.part`, place);
  rmSync(`${place}.part`, { recursive: true });
  return place;
}

function runList(to: Recorder, program: Program): void {
  const count = to.options.quick ? 50 : 1000;
  const tiny = (step: number) => tinyFolder(to.options, step);
  const place = prepared(to, program, `list-${count}`, (made) => {
    measure(program.snapshot(made, tiny(0)), to.options.top, join(to.options.folder, "list.log"));
    program.multiply(made, count, tiny);
  });
  const found = program.snapshotIds(place).length; // warms the cache
  if (found !== count) throw new Error(`${place} holds ${found} snapshots instead of ${count}`);
  to.measure(program, "list", place, program.command(place, "snapshots"));
  to.measure(program, "list-passphrase", place, program.withPassphrase(place, "snapshots"));
}

function makeHistory(to: Recorder, program: Program, place: string): void {
  const tree = changingTree(to.options);
  for (let step = 0; step < 20; step++) {
    if (step > 0) tree.change(step);
    const log = join(to.options.folder, "history.log");
    measure(program.snapshot(place, tree.folder), to.options.top, log);
  }
  tree.putBack();
}

function runHistory(to: Recorder, program: Program): void {
  const size = to.options.quick ? "small" : "linux";
  const from = prepared(to, program, `history-${size}`, (place) => makeHistory(to, program, place));
  const place = join(to.options.folder, "history");
  copyRepository(from, place);
  to.measure(program, "check", place, program.command(place, "check"));
  if (to.wants("prune")) {
    const half = program.snapshotIds(place).filter((_, at) => at % 2 === 0);
    const log = join(to.options.folder, "forget.log");
    measure(program.command(place, "forget", ...half), to.options.top, log);
    to.measure(program, "prune", place, program.command(place, "prune"));
    to.measure(program, "check-after-prune", place, program.command(place, "check"));
  }
  rmSync(place, { recursive: true });
}

/** The groups in which any work is wanted, each with the names of its works. */
export const groups: readonly {
  readonly works: readonly string[];
  readonly run: (to: Recorder, program: Program) => void;
}[] = [
  { works: ["tree-first", "tree-again", "tree-changed", "tree-restore"], run: runTree },
  { works: ["large-first"], run: runLarge },
  { works: ["list", "list-passphrase"], run: runList },
  { works: ["check", "prune"], run: runHistory },
];
