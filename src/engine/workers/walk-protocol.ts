/**
 * What the main thread and the walk's thread say to each other.
 *
 *     main  -- StartWalk -->   thread
 *     main  <-- WalkBatch --   thread   records (sources/walk-records.ts), in key order
 *     main  ... releases it    thread   by the shared control words
 *     main  <-- WalkEnd --     thread   after the last batch, also of a walk that was stopped
 *
 * The records lie in a ring of slots in shared memory. The thread fills the next slot once the
 * batch that lay there was released, and sleeps until then: the walk is never more than the ring
 * ahead. Without WalkEnd a walk is not over, so a thread that dies never looks like the end of the
 * tree.
 */
import type { RawPath } from "../../base/raw-path.ts";
import { ExcludeRules } from "../../sources/exclude.ts";
import type { TreeWalkerOptions } from "../../sources/tree-walker.ts";

export const walkSlotBytes = 128 * 1024;
export const walkSlots = 8;

/** Words of the shared control memory. */
export const ControlWord = {
  /** Batches of the present walk that were released. */
  released: 0,
  /** Number of the last walk that was stopped. */
  stopped: 1,
  /** Goes up with each change of the others: what the thread sleeps on. */
  changes: 2,
} as const;
export const controlBytes = 12;

export interface WalkWorkerData {
  readonly control: SharedArrayBuffer;
  /** `walkSlots` slots of `walkSlotBytes`. */
  readonly slots: SharedArrayBuffer;
}

/** The options of a walker as what can be sent. */
export interface WalkPlan extends Omit<TreeWalkerOptions, "excludes" | "owners"> {
  readonly excludeRules: readonly RawPath[];
}

export interface StartWalk {
  readonly type: "walk";
  /** 1 for the first, 2 for the second…, in whatever thread. */
  readonly walk: number;
  readonly plan: WalkPlan;
}

export type ToWalkWorker = StartWalk;

export interface WalkBatch {
  readonly type: "batch";
  readonly walk: number;
  /** Where in the slots it begins; that of a single record larger than a slot is in `own`. */
  readonly offset: number;
  readonly length: number;
  readonly own?: ArrayBuffer;
}

export interface WalkEnd {
  readonly type: "end";
  readonly walk: number;
}

export type FromWalkWorker = WalkBatch | WalkEnd;

export function planOf({ excludes, owners: _, ...rest }: TreeWalkerOptions): WalkPlan {
  return { ...rest, excludeRules: excludes?.rules ?? [] };
}

export function walkerOptions({ excludeRules, ...rest }: WalkPlan): TreeWalkerOptions {
  return { ...rest, excludes: new ExcludeRules(excludeRules) };
}
