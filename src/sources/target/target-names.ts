/**
 * Names in a restore target: which names from a catalog may be used at all, and the temporary
 * names under which things are made before they are complete.
 *
 * A catalog is untrusted: whoever could write to the repository with its key may have put "..",
 * "/" or NUL into a name to get a file written somewhere else.
 */
import type { Random } from "../../base/clock.ts";
import { toHex } from "../../base/ids.ts";

const prefix = ".varve-restore-";
const pattern = /^\.varve-restore-([1-9][0-9]{0,9})-[0-9a-f]{16}(-[0-9]+)?$/;

/** Whether `name` is one component that stays in its folder. */
export function isSafeName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}

/**
 * Makes names like ".varve-restore-<process>-<random>-<n>": not to be guessed by somebody who
 * plants links, and after a kill the next restore sees that their maker is gone.
 */
export class TemporaryNames {
  readonly #start: string;
  #count = 0;

  constructor(pid: number, random: Random) {
    this.#start = `${prefix}${pid}-${toHex(random(8))}-`;
  }

  next(): string {
    this.#count++;
    return this.#start + this.#count;
  }

  /** Whether this restore made the name. */
  owns(name: string): boolean {
    return name.startsWith(this.#start);
  }
}

/** Whether `name` was left behind by a restore that no longer runs on this host. */
export function isAbandoned(name: string, isProcessGone: (pid: number) => boolean): boolean {
  const pid = pattern.exec(name)?.[1];
  return pid !== undefined && isProcessGone(Number(pid));
}
