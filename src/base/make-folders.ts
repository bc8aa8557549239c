/**
 * A folder with all above it. Node's own `recursive` tries for ever where the system says that
 * something is absent right below a folder that is there, as in /proc and below an automounter.
 */
import { dirname } from "node:path";

/** `makeOne` makes one folder, and throws as node:fs does. A folder that is there is fine. */
export function makeFolders(path: string, makeOne: (path: string) => void): void {
  try {
    makeOne(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    makeFolders(dirname(path), makeOne);
    makeOne(path);
  }
}
