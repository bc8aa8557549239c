/**
 * Whole files for the local store: read one, write a new one, walk a folder. No names of objects
 * and no error mapping here; errors are the system's.
 *
 * A listing must never miss an object that was there all along. POSIX lets readdir miss a name
 * that is replaced by rename meanwhile, as the lease of a living session is; so a folder is read
 * until a reading brings no new name, and the union counts.
 */
import { join } from "node:path";
import type { FileFacts, FileOps } from "./file-ops.ts";

/** Bytes asked of the system at once: how long an abort may take to be noticed. */
const readBytes = 8 * 2 ** 20;
/**
 * Bytes given to the system at once. For more, Linux looks for as many pages side by side, and
 * moves others out of the way for them: four times the time and more, where its memory is full of
 * files (docs/decisions/0024-writes-of-a-mebibyte.md).
 */
const writeBytes = 2 ** 20;
/** Files asked for their size at once. */
const factsAtOnce = 32;
/** Readings of one folder that keeps changing. */
const readingsMax = 8;

/** Opens, hands over, closes whatever happens. */
export async function withFile<T>(
  ops: FileOps,
  handle: number,
  use: (handle: number) => Promise<T>,
): Promise<T> {
  try {
    return await use(handle);
  } finally {
    await ops.close(handle);
  }
}

/** Fills `target` from `position` on; gives the bytes read, fewer when the file ends. */
export async function readFully(
  ops: FileOps,
  handle: number,
  target: Uint8Array,
  position: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let done = 0;
  while (done < target.length) {
    signal?.throwIfAborted();
    const slice = target.subarray(done, done + readBytes);
    const count = await ops.read(handle, slice, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Writes all of `data` from the start of the file, and makes it durable. */
export async function writeFully(
  ops: FileOps,
  handle: number,
  data: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  let done = 0;
  while (done < data.length) {
    signal?.throwIfAborted();
    done += await ops.write(handle, data.subarray(done, done + writeBytes), done);
  }
  signal?.throwIfAborted();
  await ops.sync(handle);
}

/** Undefined when there is nothing at `path`. */
export async function factsOrNone(ops: FileOps, path: string): Promise<FileFacts | undefined> {
  try {
    return await ops.factsAt(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The union of readings (see above); nothing when the folder is not there. */
export async function readFolderStable(ops: FileOps, path: string): Promise<string[]> {
  const names = new Set<string>();
  try {
    for (let reading = 0; reading < readingsMax; reading++) {
      const before = names.size;
      for (const name of await ops.readFolder(path)) names.add(name);
      if (reading > 0 && names.size === before) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return [...names];
}

export interface Walked {
  /** Relative to the root, as names of objects are. */
  readonly name: string;
  readonly facts: FileFacts;
}

export interface WalkOptions {
  readonly root: string;
  /** Relative to the root; "" for all. */
  readonly folder: string;
  /** Names that it refuses are passed over, with all below them. */
  readonly accept: (name: string) => boolean;
  /** Called for each folder after it was read and before anything in it is yielded. */
  readonly beforeYield?: (folder: string) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** Everything below a folder that is no folder; what vanishes meanwhile is left out. */
export async function* walkFiles(ops: FileOps, options: WalkOptions): AsyncGenerator<Walked> {
  const { root, accept, signal } = options;
  const folders = [options.folder];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted();
    const inside = folder === "" ? "" : `${folder}/`;
    const found = await readFolderStable(ops, join(root, folder));
    const names = found.map((name) => inside + name).filter(accept);
    if (names.length > 0) await options.beforeYield?.(folder);
    for (let from = 0; from < names.length; from += factsAtOnce) {
      signal?.throwIfAborted();
      const some = names.slice(from, from + factsAtOnce);
      const facts = await Promise.all(some.map((name) => factsOrNone(ops, join(root, name))));
      for (const [at, fact] of facts.entries()) {
        const name = some[at];
        if (name === undefined || fact === undefined) continue;
        if (fact.kind === "folder") folders.push(name);
        else yield { name, facts: fact };
      }
    }
  }
}
