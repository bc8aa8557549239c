/**
 * Gives a test file the temporary folder that scripts/test.mjs has made for it: loaded before the
 * file (`--import`), it makes that folder the process's TMPDIR. A file that is run by itself has
 * no such folder and works in the system's.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";

/** The compiled `test`. */
const built = join(import.meta.dirname, "..");

/**
 * The folder's name for a test file, given as a path below `test`. It is short because the names of
 * sockets are (108 bytes), and tables have room for paths as they usually are.
 */
export function ownFolderName(path: string): string {
  return createHash("sha256").update(path).digest("hex").slice(0, 6);
}

const folders = process.env["VARVE_TEST_FOLDERS"];
// The runner itself loads this too, and hands its environment on to every file. So do threads and
// programs that a file starts, which have nothing of their own: they are not told of the folders.
if (folders !== undefined && process.env["NODE_TEST_CONTEXT"] !== undefined) {
  Reflect.deleteProperty(process.env, "VARVE_TEST_FOLDERS");
  const folder = join(folders, ownFolderName(relative(built, process.argv[1] ?? "")));
  if (!existsSync(folder)) throw new Error(`${folder} should be there for ${process.argv[1]}.`);
  process.env["TMPDIR"] = folder;
}
