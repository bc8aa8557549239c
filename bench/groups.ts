/**
 * How the works are done, in groups that share a repository. A group is run as a whole for one
 * program, then for the next, and so on in turn.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compareTrees } from "./compare-trees.ts";
import { ChangingTree } from "./data-sets/changing-tree.ts";
import {
  dataSet,
  oneFile,
  type SetName,
  type Source,
  setNames,
  tinyFolder,
} from "./data-sets/data-sets.ts";
import {
  copyRepository,
  freshRepository,
  type Program,
  type ProgramName,
} from "./programs/program.ts";
import type { Recorder } from "./recorder.ts";
import { isSnapshot, type Work, works } from "./works.ts";

export interface Group {
  readonly works: readonly string[];
  /** Whether compression has a part in it, so that tuned peers are worth their time. */
  readonly tuned: boolean;
  readonly prepare: (to: Recorder, program: Program) => void;
  readonly run: (to: Recorder, program: Program) => void;
}

/** A restore of all of `path`, or of one file; it is compared with its source. */
function restore(to: Recorder, work: string, program: Program, place: string, path: string): void {
  const target = join(place, "restored");
  mkdirSync(target);
  const only = work === "million-one" ? path : undefined;
  to.measure(program, work, place, program.restore(place, target, only));
  const count = compareTrees(path, join(target, path));
  console.log(`          ${count} entries are as in the source`);
  to.setAside(target);
}

/** The tree with one percent of its files changed, for as long as `during` takes. */
function withChanges(path: string, during: () => void): void {
  const tree = new ChangingTree(path);
  tree.change(1);
  try {
    during();
  } finally {
    tree.putBack();
  }
}

const versionOf: Readonly<Record<string, number>> = { next: 2, clustered: 3 };

function makeSnapshot(
  to: Recorder,
  program: Program,
  { name, step }: Work,
  place: string,
  source: Source,
): void {
  source.use(versionOf[step] ?? 1);
  const reading = step === "again" ? { names: source.path } : { data: source.path };
  const snapshot = () =>
    to.measure(program, name, place, program.snapshot(place, source.path), reading);
  if (step === "changed") withChanges(source.path, snapshot);
  else snapshot();
}

function runStep(to: Recorder, program: Program, work: Work, place: string, source: Source): void {
  const { name, step } = work;
  if (isSnapshot(work)) makeSnapshot(to, program, work, place, source);
  else if (step === "restore") restore(to, name, program, place, source.path);
  else if (step === "one") restore(to, name, program, place, oneFile(to.options, source));
  else to.measure(program, name, place, program.check(place, { readData: true }));
}

/** All that is done with one data set, on one repository. */
function runSet(to: Recorder, program: Program, name: SetName): void {
  const source = dataSet(to.options, name);
  const place = join(to.options.folder, name);
  const steps = works.filter((work) => work.set === name);
  const last = steps.findLastIndex((work) => to.wants(work.name));
  freshRepository(program, place);
  // What was snapshotted before is a part of what a later step finds, wanted or not.
  for (const work of steps.slice(0, last + 1)) {
    if (isSnapshot(work) || to.wants(work.name)) runStep(to, program, work, place, source);
  }
  source.use(1);
  rmSync(place, { recursive: true });
}

/** A repository that is made once, and whose copies are worked on. */
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

function preparedList(to: Recorder, program: Program): string {
  const count = to.options.quick ? 5 : 1000;
  const tiny = (step: number) => tinyFolder(to.options, step);
  const place = prepared(to, program, `list-${count}`, (made) => {
    to.unmeasured(program.snapshot(made, tiny(0)));
    program.multiply(made, count, tiny);
  });
  const found = program.snapshotIds(place).length; // warms the cache
  if (found !== count) throw new Error(`${place} holds ${found} snapshots instead of ${count}`);
  return place;
}

function runList(to: Recorder, program: Program): void {
  const place = preparedList(to, program);
  if (to.wants("list")) to.measure(program, "list", place, program.list(place));
  if (to.wants("list-passphrase")) {
    to.measure(program, "list-passphrase", place, program.listWithPassphrase(place));
  }
}

function preparedHistory(to: Recorder, program: Program): string {
  const count = to.options.quick ? 4 : 20;
  return prepared(to, program, `history-${count}`, (place) => {
    const source = dataSet(to.options, "tree");
    const tree = new ChangingTree(source.path);
    for (let step = 0; step < count; step++) {
      if (step > 0) tree.change(step);
      to.unmeasured(program.snapshot(place, source.path));
    }
    tree.putBack();
  });
}

function runHistory(to: Recorder, program: Program): void {
  const from = preparedHistory(to, program);
  const place = join(to.options.folder, "history");
  const copy = () => copyRepository(from, place);
  const check = (work: string, readData: boolean) =>
    to.measure(program, work, place, program.check(place, { readData }));
  copy();
  if (to.wants("check")) check("check", false);
  if (to.wants("check-data")) check("check-data", true);
  if (to.wants("prune")) {
    const half = program.snapshotIds(place).filter((_, at) => at % 2 === 0);
    for (const command of program.forget(place, half)) to.unmeasured(command);
    to.measure(program, "prune", place, program.prune(place));
    check("check-after-prune", true);
  }
  rmSync(place, { recursive: true });
}

const ofSet = (set: string) => works.filter((work) => work.set === set).map((work) => work.name);

export const groups: readonly Group[] = [
  ...setNames.map((name) => ({
    works: ofSet(name),
    tuned: true,
    prepare: (to: Recorder) => void dataSet(to.options, name),
    run: (to: Recorder, program: Program) => runSet(to, program, name),
  })),
  { works: ofSet("list"), tuned: false, prepare: preparedList, run: runList },
  { works: ofSet("history"), tuned: false, prepare: preparedHistory, run: runHistory },
];

const tunedNames: readonly ProgramName[] = ["borg-zstd"];

/** Whether `program` takes part in round `run` of `group`, from 0: tuned peers in the first. */
export const takesPart = (group: Group, program: Program, run: number) =>
  !tunedNames.includes(program.name) || (group.tuned && run === 0);
