/** Measures commands of one program after the other, and keeps the samples that were asked for. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Command,
  type Cost,
  dropCaches,
  folderSize,
  measure,
  output,
  warmData,
  warmNames,
} from "./measure.ts";
import type { Options } from "./options.ts";
import { type Program, type ProgramName, repositoryIn } from "./programs/program.ts";

export interface Sample extends Cost {
  readonly work: string;
  readonly program: ProgramName;
  /** What the repository holds afterwards, and how much of it is new. */
  readonly repositoryBytes: number;
  readonly repositoryObjects: number;
  readonly addedBytes: number;
  readonly addedObjects: number;
}

/** What a command reads beside its repository: nothing, all of a path, or only names below it. */
export interface Reading {
  readonly data?: string;
  readonly names?: string;
}

/** Restored trees are kept until they take so much, or the end. */
const asideBytesMax = 6e9;
/** How long ext4 looks at the inodes of deleted files in vain. */
const deletionMs = 65_000;

export class Recorder {
  readonly samples: Sample[] = [];
  readonly options: Options;
  #setAside = 0;

  constructor(options: Options) {
    this.options = options;
  }

  wants(...names: readonly string[]): boolean {
    return names.some((name) => this.options.works.includes(name));
  }

  measure(
    program: Program,
    work: string,
    place: string,
    command: Command,
    reading: Reading = {},
  ): void {
    const { folder, top } = this.options;
    const before = folderSize(repositoryIn(place));
    output({ argv: ["sync"], env: {} }); // what was written before is not this command's to write
    if (this.options.cold) dropCaches();
    else {
      if (reading.names !== undefined) warmNames([reading.names]);
      warmData(reading.data === undefined ? [place] : [reading.data, place]);
    }
    const cost = measure(command, top, join(folder, `${program.name}-${work}.log`));
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
      `${program.name.padEnd(9)} ${work.padEnd(16)} ${wallSeconds.toFixed(2)} s wall, ` +
        `${cpuSeconds.toFixed(2)} s CPU, ${(peakBytes / 1e6).toFixed(0)} MB peak, ` +
        `${(after.bytes / 1e6).toFixed(1)} MB in ${after.objects} objects`,
    );
  }

  /** A command that has to be done and is not a work. */
  unmeasured(command: Command): void {
    measure(command, this.options.top, join(this.options.folder, "unmeasured.log"));
  }

  /**
   * Takes a tree out of the way until later: ext4 does not use the inodes of files that were
   * deleted in the last minute and looks at each of them in vain, which would double the time of
   * whatever makes files next.
   */
  setAside(tree: string): void {
    mkdirSync(this.#asideFolder, { recursive: true });
    renameSync(tree, join(this.#asideFolder, String(this.#setAside++)));
  }

  get #asideFolder(): string {
    return join(this.options.folder, "aside");
  }

  /** Deletes what was set aside when it has become too much, and waits until ext4 has forgotten. */
  makeRoom(): void {
    mkdirSync(this.#asideFolder, { recursive: true });
    const used = output({ argv: ["du", "-s", "--block-size=1", this.#asideFolder], env: {} });
    if (Number.parseInt(used, 10) < asideBytesMax) return;
    this.removeSetAside();
    output({ argv: ["sync"], env: {} });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, deletionMs);
  }

  removeSetAside(): void {
    rmSync(this.#asideFolder, { recursive: true, force: true });
  }
}
