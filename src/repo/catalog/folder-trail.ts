/**
 * The folders above the current entry of a walk in key order. Holds the rule that every entry's
 * parent is an entry before it, and a folder: so no catalog can place anything below a symbolic
 * link, or in a folder that it does not describe.
 */
import { type Entry, EntryType } from "../../base/entry.ts";

export class FolderTrail {
  #folders: string[] = [];

  /** Those above the entry that came last, and it itself if it is one; outermost first. */
  get folders(): readonly string[] {
    return this.#folders;
  }

  /** Goes on where another walk had come to. */
  resume(folders: readonly string[]): void {
    this.#folders = [...folders];
  }

  /** Takes the entry in; false when its parent is not a folder that came before. */
  step(entry: Pick<Entry, "key" | "type">): boolean {
    const { key } = entry;
    const parentLength = key.lastIndexOf("\0");
    const folders = this.#folders;
    while (folders.length > 0 && !isAbove(folders.at(-1) as string, key)) folders.pop();
    const parent = folders.at(-1);
    const holds = parentLength < 0 ? true : parent !== undefined && parent.length === parentLength;
    if (entry.type === EntryType.folder) folders.push(key);
    return holds;
  }

  /** Starts in the middle of a catalog: what is above `key` is taken to be folders. */
  assumeAbove(key: string): void {
    this.#folders = [];
    for (let at = key.indexOf("\0"); at >= 0; at = key.indexOf("\0", at + 1)) {
      this.#folders.push(key.slice(0, at));
    }
  }
}

function isAbove(folder: string, key: string): boolean {
  return key.charCodeAt(folder.length) === 0 && key.startsWith(folder);
}
