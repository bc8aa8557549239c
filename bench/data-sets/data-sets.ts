/**
 * The data that is snapshotted: made once in the work folder, from Debian's and npm's packages, and
 * used again. A quick run has small, made-up data of the same shape instead.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Options } from "../options.ts";
import { writeLargeFile, writeRecords, writeTree } from "../synthetic.ts";
import { DataSet, once } from "./data-set.ts";
import { makeImages } from "./image.ts";
import { makeLinux } from "./linux.ts";
import { makeNodeModules } from "./node-modules.ts";
import { makeDatabase } from "./postgres.ts";

export const setNames = [
  "tree",
  "usr",
  "large",
  "image",
  "dump",
  "base",
  "million",
  "node",
] as const;
export type SetName = (typeof setNames)[number];

const versionCounts: Record<SetName, number> = {
  tree: 2,
  usr: 1,
  large: 1,
  image: 2,
  dump: 3,
  base: 2,
  million: 1,
  node: 2,
};

/** What is read of a data set; `use` chooses one of its versions, from 1. */
export interface Source {
  readonly path: string;
  use(version: number): void;
}

function makeLarge(folder: string, mebibytes: number): void {
  mkdirSync(join(folder, "v1"));
  writeLargeFile(join(folder, "v1/large"), mebibytes);
}

const millionShape = { files: 1_000_000, sizeBits: 8, filesInFolder: 100 };

/** Small data of the shape of `name`, with as many versions. */
function makeSmall(folder: string, name: SetName): void {
  const shapes: Partial<Record<SetName, { files: number; sizeBits: number }>> = {
    tree: { files: 3000, sizeBits: 13 },
    usr: { files: 1000, sizeBits: 14 },
    million: { files: 5000, sizeBits: 8 },
    node: { files: 1500, sizeBits: 10 },
  };
  const shape = shapes[name];
  for (let version = 1; version <= versionCounts[name]; version++) {
    const path = join(folder, `v${version}`);
    mkdirSync(path);
    if (shape === undefined)
      writeRecords(join(path, "file"), 16, version === 1 ? 0 : 101 - version);
    else writeTree(path, { ...shape, files: shape.files + 30 * (version - 1), filesInFolder: 20 });
  }
}

/** Both sets of the database are made at once, in a folder that is then empty. */
function takeDatabase(options: Options, name: "dump" | "base", part: string): void {
  const both = once(join(options.folder, "data/database"), (made) => {
    mkdirSync(made);
    makeDatabase(made);
  });
  rmSync(part, { recursive: true });
  renameSync(join(both, name), part);
  if (readdirSync(both).length === 0) rmdirSync(both);
}

type Maker = (part: string, options: Options) => void;

/** How each data set is made, at real size. */
const makers: Record<SetName, Maker> = {
  tree: makeLinux,
  usr: () => {
    throw new Error("/usr is not made");
  },
  large: (part) => makeLarge(part, 4096),
  image: makeImages,
  dump: (part, options) => takeDatabase(options, "dump", part),
  base: (part, options) => takeDatabase(options, "base", part),
  million: (part) => writeTree(join(part, "v1"), millionShape),
  node: makeNodeModules,
};

/** The data set `name`, made if it is not there yet, with its first version in use. */
export function dataSet(options: Options, name: SetName): Source {
  if (name === "usr" && !options.quick) return { path: "/usr", use: () => undefined };
  const folder = join(options.folder, options.quick ? "data/quick" : "data", name);
  mkdirSync(join(folder, ".."), { recursive: true });
  const set = new DataSet(folder, versionCounts[name], (part) =>
    options.quick ? makeSmall(part, name) : makers[name](part, options),
  );
  set.use(1);
  return set;
}

/** One of the files of the million, somewhere in its middle. */
export function oneFile(options: Options, source: Source): string {
  const inFolder = options.quick ? 20 : millionShape.filesInFolder;
  const at = options.quick ? 2500 : 543_210;
  const part = `part-${Math.floor(at / (inFolder * 20))}`;
  return join(source.path, part, `folder-${Math.floor(at / inFolder)}`, `file-${at}`);
}

/** A folder with one file that is another at each step, for snapshots made only to be listed. */
export function tinyFolder(options: Options, step: number): string {
  const folder = join(options.folder, "data/tiny");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "file"), `step ${step}\n`);
  return folder;
}
