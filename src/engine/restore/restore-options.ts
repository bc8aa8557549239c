/** What a restore is asked for, and what it says of its work. */
import type { CatalogKey, RawPath } from "../../base/raw-path.ts";
import type { RestoreThreads } from "./restore-threads.ts";

/** What happens to what stands in the target where something is to be restored. */
export type OverwritePolicy = "always" | "if-changed" | "if-newer" | "never";

export interface RestoreOptions {
  /** Absolute; made when it is absent. */
  readonly target: RawPath;
  /** Only these and what is below them, with the folders that lead there; everything when empty. */
  readonly paths?: readonly CatalogKey[];
  /** Leading components that are left out of the paths in the target. */
  readonly strip?: number;
  /** `always` when not given. */
  readonly overwrite?: OverwritePolicy;
  /** Remove what the snapshot does not have from the folders that it holds whole. */
  readonly delete?: boolean;
  /** Say what would be done, and touch nothing. */
  readonly dryRun?: boolean;
  /** Read everything back from the target afterwards. */
  readonly verify?: boolean;
  /** Make holes where content is zeros, also where the source had none. */
  readonly sparse?: boolean;
  /** Owners by the recorded numbers, never by name. */
  readonly numericOwner?: boolean;
  /** Worker threads; as many as the machine runs at once when not given. */
  readonly threads?: number;
  /** Those threads, where they load already; closed at the end. */
  readonly workers?: RestoreThreads;
  readonly signal?: AbortSignal;
  /** Makes the file system of a descriptor durable; another one for tests. */
  readonly syncTarget?: (fd: number) => Promise<void>;
  /** Called often; the callee decides what to show. */
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly onProblem?: (problem: RestoreProblem) => void;
  readonly onAction?: (action: RestoreAction) => void;
}

export interface RestoreProgress {
  readonly phase: "restore" | "verify";
  /** Entries of any type that are done. */
  readonly entries: number;
  readonly files: number;
  /** Of files that are done, written or found unchanged. */
  readonly bytes: number;
}

export interface RestoreProblem {
  /** In the snapshot; for what `delete` could not remove, in the target. */
  readonly path: RawPath;
  /** "create", "read", "write", "owner", "mode", "times", "xattr NAME", "delete", "verify"… */
  readonly operation: string;
  /** A system error's name, or a code of docs/errors.md. */
  readonly code: string;
  readonly message: string;
}

export interface RestoreAction {
  /**
   * `replace`: something was in its place, and of folders that they get other attributes.
   * Told when it is decided: an entry may still fail after that.
   */
  readonly action: "create" | "replace" | "keep" | "unchanged" | "delete";
  /** In the target, from the root of the file system on. */
  readonly path: RawPath;
}

/** All are counts, unless stated otherwise. */
export interface RestoreResult {
  readonly files: number;
  readonly folders: number;
  readonly symlinks: number;
  /** Further names of files that were restored under another one. */
  readonly hardLinks: number;
  /** FIFOs and devices. */
  readonly specials: number;
  /** Sum of the sizes of the files restored. */
  readonly bytes: number;
  /** Entries whose place was free, also those that failed after that was seen. */
  readonly created: number;
  /** Entries that took the place of something, or of folders, that got other attributes. */
  readonly replaced: number;
  /** Entries that were in the target already as the snapshot has them. */
  readonly unchanged: number;
  /** Entries that `overwrite` left as they were. */
  readonly kept: number;
  /** Entries other than folders that were left out because `strip` leaves nothing of their path. */
  readonly stripped: number;
  /** Removed by `delete`. */
  readonly deleted: number;
  /** Files read back and found equal. */
  readonly verified: number;
  /** Entries that are not in the target as they should be. */
  readonly failed: number;
  /** Everything told to `onProblem`, also attributes that could not be set. */
  readonly problems: number;
  /** The first problems. */
  readonly firstProblems: readonly RestoreProblem[];
  /** Entries whose owner only root could have given. */
  readonly ownersNotGiven: number;
  /** Entries that therefore have no setuid or setgid. */
  readonly setIdsNotGiven: number;
}
