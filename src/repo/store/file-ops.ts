/**
 * The file operations that a local store is made of, so that tests can put a simulated disk in
 * their place that forgets, at a crash, what was not synced (test/helpers/store-simulated-disk.ts).
 *
 * Operations fail as node:fs does: an Error with `code` ("ENOENT") and `errno`. Paths are absolute.
 * Nothing here blocks the calling thread.
 */
import fs from "node:fs";
import { promisify } from "node:util";

export interface FileFacts {
  /** Symbolic links, FIFOs, devices and sockets are "other". */
  readonly kind: "file" | "folder" | "other";
  readonly size: number;
  /** Milliseconds since 1970 on the clock of the file system. */
  readonly mtimeMs: number;
  /** Tells two files that exist at the same time apart. */
  readonly identity: string;
}

export interface FileOps {
  /** For reading; a symbolic link is ELOOP, a FIFO does not hang. */
  openFile(path: string): Promise<number>;
  /** A new file for writing, readable by its owner only; EEXIST when anything has this name. */
  createFile(path: string): Promise<number>;
  /** Reads into the start of `target`; may give less; 0 at the end. */
  read(handle: number, target: Uint8Array, position: number): Promise<number>;
  /** Writes from the start of `data`, which may lie in shared memory; may write less. */
  write(handle: number, data: Uint8Array, position: number): Promise<number>;
  /** The file's content is durable when it resolves; its name is not. */
  sync(handle: number): Promise<void>;
  close(handle: number): Promise<void>;
  facts(handle: number): Promise<FileFacts>;
  /** Does not follow symbolic links. */
  factsAt(path: string): Promise<FileFacts>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for a file; EEXIST when anything has it. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** One folder, for its owner only; EEXIST when anything has this name. */
  makeFolder(path: string): Promise<void>;
  /** The names in the folder are durable when it resolves. */
  syncFolder(path: string): Promise<void>;
  /** Base names, in no order. Names that come or go meanwhile may be missing. */
  readFolder(path: string): Promise<string[]>;
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const { O_DIRECTORY } = fs.constants;

const open = promisify(fs.open);
const read = promisify(fs.read);
const write = promisify(fs.write);
const sync = promisify(fs.fsync);
const close = promisify(fs.close);
const fstat = promisify(fs.fstat);
const lstat = promisify(fs.lstat);

function factsOf(stats: fs.Stats): FileFacts {
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "other";
  const identity = `${stats.dev}:${stats.ino}`;
  return { kind, size: stats.size, mtimeMs: stats.mtimeMs, identity };
}

/** Some network and user-space file systems cannot sync a folder; there names are durable as is. */
function ignoreUnsupported(error: unknown): void {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== "EINVAL" && code !== "ENOTSUP") throw error;
}

export const nodeFileOps: FileOps = {
  openFile: (path) => open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
  createFile: (path) => open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
  read: async (handle, target, position) =>
    (await read(handle, target, 0, target.length, position)).bytesRead,
  write: async (handle, data, position) =>
    (await write(handle, data, 0, data.length, position)).bytesWritten,
  sync,
  close,
  facts: async (handle) => factsOf(await fstat(handle)),
  factsAt: async (path) => factsOf(await lstat(path)),
  rename: promisify(fs.rename),
  link: promisify(fs.link),
  unlink: promisify(fs.unlink),
  makeFolder: (path) => promisify(fs.mkdir)(path, 0o700),
  syncFolder: async (path) => {
    const handle = await open(path, O_RDONLY | O_DIRECTORY);
    try {
      await sync(handle).catch(ignoreUnsupported);
    } finally {
      await close(handle);
    }
  },
  readFolder: (path) => fs.promises.readdir(path),
};
