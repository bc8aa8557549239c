/** What a walk over file trees delivers: entries, and problems with what it cannot deliver. */
import type { EntryMeta } from "../base/entry.ts";
import type { CatalogKey, RawPath } from "../base/raw-path.ts";

export interface SourceEntry extends EntryMeta {
  readonly nlink: number;
  /** 0 for the first device that the walk met, 1 for the second… */
  readonly deviceOrdinal: number;
  /** Of 512 bytes; fewer than `size` takes where a file has holes. */
  readonly blocks: number;
  /** Device nodes; 0 for everything else. */
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

/**
 * error: something of the source could not be read and is missing in the snapshot;
 * vanished: it went away between being listed and being looked at, as is usual;
 * socket-skipped: sockets have no content and are not stored;
 * link-only: a named path is a symbolic link, of which only the link itself is taken.
 */
export type WalkProblemKind = "error" | "vanished" | "socket-skipped" | "link-only";

export interface WalkProblem {
  readonly key: CatalogKey;
  readonly path: RawPath;
  readonly kind: WalkProblemKind;
  /** stat, open, list, xattr. */
  readonly operation: string;
  /** The system's code: "EACCES". For what is no failure, the kind again. */
  readonly code: string;
  /** For people; does not repeat path, operation or code. */
  readonly message: string;
}

/**
 * How a worker thread opens a file: by path; or, where the path is too long for the system, by a
 * descriptor that is open already and that the worker closes. A descriptor below 0 is the negated
 * errno of an open that failed: `openForRead` throws it.
 */
export type OpenTarget = { readonly path: RawPath } | { readonly fd: number };

export type WalkItem = SourceEntry | { readonly problem: WalkProblem };
