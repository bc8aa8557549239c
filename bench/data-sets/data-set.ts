/**
 * Data sets in versions. All versions of a set are snapshotted from the same path: the one in use
 * is renamed to `current`. So each program takes a later version for another state of the same
 * files, and every inode in it is new, as after an update from an archive, or of a dump.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Makes what `path` should be with `make`, under another name first, unless it is there. */
export function once(path: string, make: (part: string) => void): string {
  if (existsSync(path)) return path;
  const part = `${path}.part`;
  rmSync(part, { recursive: true, force: true });
  console.log(`making ${path}`);
  make(part);
  renameSync(part, path);
  return path;
}

export class DataSet {
  readonly #folder: string;
  readonly #count: number;

  /**
   * `folder` holds `count` versions, as v1, v2, …; `make` makes them there when it is absent. A run
   * that was killed may have left another one than the first in use.
   */
  constructor(folder: string, count: number, make: (part: string) => void) {
    this.#folder = once(folder, (part) => {
      mkdirSync(part, { recursive: true });
      make(part);
    });
    this.#count = count;
  }

  /** What is snapshotted. */
  get path(): string {
    return join(this.#folder, "current");
  }

  #version(number: number): string {
    return join(this.#folder, `v${number}`);
  }

  /** Puts version `number` (from 1) at `path`. */
  use(number: number): void {
    const numbers = Array.from({ length: this.#count }, (_, at) => at + 1);
    const absent = numbers.filter((each) => !existsSync(this.#version(each)));
    const [used = number] = absent;
    if (absent.length > 1) throw new Error(`${this.#folder} has lost versions ${absent}`);
    if (existsSync(this.path)) renameSync(this.path, this.#version(used));
    renameSync(this.#version(number), this.path);
  }
}
