/**
 * The folders above the current entry of a restore, from the target down.
 *
 * The catalog's order is the order of a walk, so a folder is left when an entry comes that is not
 * in it. Left folders get their attributes later, when all that was planned in them is done.
 */
import { type Entry, EntryType } from "../../base/entry.ts";
import { type CatalogKey, isWithin, keyParent } from "../../base/raw-path.ts";
import type { TargetFolder } from "../../sources/target/target-tree.ts";

export interface FolderFrame {
  /** "" for the target itself. */
  readonly key: CatalogKey;
  /** Undefined for the target itself. */
  readonly entry: Entry | undefined;
  /**
   * `open`: things can be restored into it. `kept`: something else stands in its place, and was to
   * be left. `failed`: it could not be made.
   */
  readonly state: "open" | "kept" | "failed";
  /** Undefined when it is not open, or, in a dry run, not there. */
  readonly folder: TargetFolder | undefined;
  /** It stood there before; otherwise it is ours and empty. */
  readonly existed: boolean;
  /** It was as the entry has it before anything was done in it. */
  readonly fits: boolean;
  /** It is new, and something else stood in its place. */
  readonly tookPlace: boolean;
  /** It gets the entry's attributes when it is left. */
  readonly apply: boolean;
  /** Its name is stripped: it stands for the target itself. */
  readonly isStripped: boolean;
  /** New things in it take over an ACL. */
  readonly givesAcls: boolean;
  /** Names in it that no entry has had yet; only where they are to be deleted. */
  spare: Set<string> | undefined;
}

export class FolderFrames {
  readonly #frames: FolderFrame[];
  #lastKey: CatalogKey | undefined;

  constructor(root: FolderFrame) {
    this.#frames = [root];
  }

  get top(): FolderFrame {
    return this.#frames.at(-1) as FolderFrame;
  }

  push(frame: FolderFrame): void {
    this.#frames.push(frame);
  }

  /**
   * Leaves folders until `key`'s own is on top; gives back those left, inner ones first. False
   * when the catalog has no such folder, or has the entry out of order: it is then damaged.
   */
  moveTo(key: CatalogKey): { readonly left: FolderFrame[]; readonly isSound: boolean } {
    const left: FolderFrame[] = [];
    while (this.#frames.length > 1 && !isBelow(key, this.top.key)) {
      left.push(this.#frames.pop() as FolderFrame);
    }
    const isInOrder = this.#lastKey === undefined || key > this.#lastKey;
    if (isInOrder) this.#lastKey = key;
    return { left, isSound: isInOrder && keyParent(key) === this.top.key };
  }

  /** Leaves all, the target itself last. */
  leaveAll(): FolderFrame[] {
    return this.#frames.splice(0).reverse();
  }
}

function isBelow(key: CatalogKey, folder: CatalogKey): boolean {
  return key.length > folder.length && isWithin(key, folder);
}

export function isFolder(entry: Entry): boolean {
  return entry.type === EntryType.folder;
}
