/**
 * A tree whose files are changed in place and changed back, because a copy would have other inodes
 * and no program would believe that anything in it is unchanged.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const mark = /^varve bench change \d+\n/gm;
const markLine = (step: number) => `varve bench change ${step}\n`;

/** A place from 0 to 99 for each path, another one at each step. */
function percentile(path: string, step: number): number {
  return createHash("md5").update(`${step} ${path}`).digest().readUInt32LE() % 100;
}

function regularFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name))
    .sort();
}

export class ChangingTree {
  readonly #files: readonly string[];
  readonly #journal: string;

  /** Puts back what a run that was killed left changed. */
  constructor(folder: string) {
    this.#files = regularFiles(folder);
    this.#journal = `${folder}.changed.json`;
    this.putBack();
  }

  #changed(): string[] {
    if (!existsSync(this.#journal)) return [];
    return JSON.parse(readFileSync(this.#journal, "utf8")) as string[];
  }

  /** Inserts a line in the middle of one percent of the files; which ones depends on `step`. */
  change(step: number): void {
    const picked = this.#files.filter((file) => percentile(file, step) === 0);
    // Before the first byte changes: whoever kills this run must not leave changes unnoticed.
    writeFileSync(this.#journal, JSON.stringify([...new Set([...this.#changed(), ...picked])]));
    for (const path of picked) {
      const before = readFileSync(path, "latin1");
      const at = before.indexOf("\n", before.length / 2) + 1;
      writeFileSync(path, before.slice(0, at) + markLine(step) + before.slice(at), "latin1");
    }
  }

  /** The bytes are as before; times are new, which no later first snapshot minds. */
  putBack(): void {
    for (const path of this.#changed()) {
      writeFileSync(path, readFileSync(path, "latin1").replace(mark, ""), "latin1");
    }
    rmSync(this.#journal, { force: true });
  }
}
