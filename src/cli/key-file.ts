/**
 * Key files: one line with 256 random bits, readable by their owner only. A key file is never
 * written over: what it opened would be lost.
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Random } from "../base/clock.ts";
import { VarveError } from "../base/errors.ts";
import { toHex } from "../base/ids.ts";
import { makeFolders } from "../base/make-folders.ts";

/** What file systems without hard links say. */
const noHardLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL"]);

/** Writes a new key file, with its folder; durable on return. Gives back its text. */
export async function writeNewKeyFile(path: string, random: Random): Promise<string> {
  const { formatKeyFile, keyFileBytes } = await import("../repo/crypto/kek.ts");
  const text = formatKeyFile(random(keyFileBytes));
  try {
    makeFolders(dirname(path), (folder) => mkdirSync(folder, 0o700));
    const temporary = `${path}.tmp-${toHex(random(8))}`;
    giveWhole(path, temporary, `${text}\n`);
  } catch (cause) {
    throw keyFileError(path, cause as NodeJS.ErrnoException);
  }
  return text;
}

/**
 * The file gets its name when all of it is on the disk: another first snapshot at the same moment,
 * or one after a crash, takes the file it finds for the key.
 */
function giveWhole(path: string, temporary: string, text: string): void {
  writeDurably(temporary, text);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (!noHardLinks.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    writeDurably(path, text);
  } finally {
    unlinkSync(temporary);
  }
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } catch (error) {
    // A key file that is cut short must not stand in the way of the next try.
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(file);
  }
}

function keyFileError(path: string, cause: NodeJS.ErrnoException): VarveError {
  if (cause.code === "EEXIST") {
    return new VarveError("usage", `${path} exists already and is not written over.`, {
      hint: "Name a new file for the key, or use that one with --password-file.",
      cause,
    });
  }
  const reason = cause.code ?? cause.message;
  return new VarveError("store-denied", `Cannot write the key file ${path}: ${reason}.`, {
    hint: "Check the folder and its permissions.",
    cause,
  });
}
