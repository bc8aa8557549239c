/** What the errors of a file system mean for a store: one table, used by every call. */
import { constants } from "node:os";
import { VarveError, type VarveErrorOptions } from "../../base/errors.ts";
import { objectAbsent } from "./store-errors.ts";

/** Where and at what it failed; `root` is the repository folder. */
export interface LocalFailure {
  readonly action: "read" | "write" | "list" | "delete";
  readonly name: string;
  readonly root: string;
}

const verbs = { read: "read", write: "written", list: "listed", delete: "deleted" } as const;

/** Node has no name for EDQUOT ("Unknown system error -122"), so errors are told by number. */
const { EACCES, EPERM, EROFS, ENOSPC, EDQUOT, ENOENT, ENOTDIR, ELOOP, EISDIR } = constants.errno;

function isFull(errno: number): boolean {
  return errno === ENOSPC || errno === EDQUOT;
}

/** The store's error for what `error` says; errors that are no system errors pass unchanged. */
export function localError(error: unknown, failure: LocalFailure): unknown {
  const errno = Math.abs((error as NodeJS.ErrnoException)?.errno ?? 0);
  if (errno === 0) return error;
  const { action, name, root } = failure;
  if (errno === ENOENT && action === "read") return objectAbsent(name, root, error);
  // The root itself is a file: there is nothing of ours.
  if (errno === ENOTDIR && action === "read" && !name.includes("/")) {
    return objectAbsent(name, root, error);
  }
  const systemCode = (error as NodeJS.ErrnoException).code ?? `errno ${errno}`;
  const what = `${name} in ${root} could not be ${verbs[action]}`;
  const options = (hint: string): VarveErrorOptions => ({
    hint,
    context: { name, store: root, system: systemCode },
    cause: error,
  });
  if (isFull(errno)) {
    return new VarveError(
      "store-full",
      `${what}: no room is left.`,
      options(
        `Make room on the file system of ${root} (bytes, inodes or quota), then run it again; ` +
          "`varve prune` frees what no snapshot needs.",
      ),
    );
  }
  if (errno === EACCES || errno === EPERM || errno === EROFS) {
    const readOnly = errno === EROFS ? "the file system is read-only" : "permission denied";
    const hint = errno === EROFS ? "Mount it for writing." : "Check owner and mode of the folder.";
    return new VarveError("store-denied", `${what}: ${readOnly}.`, options(hint));
  }
  if (errno === ENOTDIR || errno === ELOOP || errno === EISDIR) return notPlain(failure, error);
  return new VarveError(
    "store-unreachable",
    `${what}: ${systemCode}.`,
    options(hintFor(errno, root)),
  );
}

/** Something that varve never makes stands where an object or a folder of objects should. */
export function notPlain({ name, root }: LocalFailure, cause?: unknown): VarveError {
  return new VarveError("store-unreachable", `${name} in ${root} is no plain file or folder.`, {
    hint: "varve makes only plain files and folders; find out what put it there, and move it.",
    context: { name, store: root },
    cause,
  });
}

function hintFor(errno: number, root: string): string {
  if (errno === ENOENT) return `Is the disk that holds ${root} still mounted?`;
  if (errno === constants.errno.EIO) return "The disk fails: look at the kernel's log.";
  if (errno === constants.errno.EMFILE) return "Raise the limit of open files (ulimit -n).";
  return `Check that ${root} can be used, then run it again.`;
}
