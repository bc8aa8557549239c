/**
 * Decides what a prune does with each pack; pure. A pack that nothing needs is dropped. Of packs
 * that are needed in part, those with the most waste are rewritten until what stays unused is below
 * the limit. Small packs, which frequent snapshots leave, are joined once there are enough of them.
 */
import { packBlobsFull } from "../repo/blob-codec.ts";
import type { PackInfo } from "../repo/blob-index.ts";
import type { PackUsage } from "./used-blobs.ts";

/** How much may stay unused in packs that are kept. */
export type UnusedLimit =
  | { readonly kind: "percent"; readonly percent: number }
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "unlimited" };

export interface PlanOptions {
  readonly maxUnused: UnusedLimit;
  /** Bytes of packs to rewrite in this run, at most. */
  readonly maxRepackBytes: number;
  /** Size that packs aim at. */
  readonly packBytes: number;
}

export interface PackToPlan {
  readonly info: PackInfo;
  readonly usage: PackUsage;
}

export interface PrunePlan {
  /** Nothing in them is needed. */
  readonly drop: readonly PackInfo[];
  /** What is needed of them goes into new packs first. */
  readonly rewrite: readonly PackInfo[];
  readonly keptPacks: number;
  /** Stored bytes that snapshots need. */
  readonly usedBytes: number;
  readonly droppedBytes: number;
  readonly rewrittenBytes: number;
  /** Bytes that the store is smaller after the prune. */
  readonly freedBytes: number;
  /** Bytes that stay unused in packs that are kept. */
  readonly unusedBytes: number;
}

const smallPackCount = 10;

export function planPacks(packs: Iterable<PackToPlan>, options: PlanOptions): PrunePlan {
  const drop: PackInfo[] = [];
  const candidates: PackToPlan[] = [];
  let kept = 0;
  let usedBytes = 0;
  let unusedBytes = 0;
  for (const pack of packs) {
    const { info, usage } = pack;
    usedBytes += usage.bytes;
    if (usage.blobs === 0) {
      drop.push(info);
      continue;
    }
    kept++;
    unusedBytes += unusedIn(pack);
    if (usage.blobs < info.blobCount || isSmall(info, options)) candidates.push(pack);
  }
  const small = candidates.filter(({ info }) => isSmall(info, options));
  const joinsSmall = small.length >= smallPackCount;
  const limit = unusedLimitBytes(options.maxUnused, usedBytes);
  const rewrite: PackInfo[] = [];
  let rewrittenBytes = 0;
  let repackedUsed = 0;
  for (const pack of candidates.sort(byWaste)) {
    const { info, usage } = pack;
    const wasteful = unusedBytes > limit && usage.blobs < info.blobCount;
    if (!wasteful && !(joinsSmall && isSmall(info, options))) continue;
    if (rewrittenBytes + info.size > options.maxRepackBytes) continue;
    rewrite.push(info);
    rewrittenBytes += info.size;
    repackedUsed += usage.bytes;
    unusedBytes -= unusedIn(pack);
  }
  const droppedBytes = drop.reduce((sum, info) => sum + info.size, 0);
  return {
    drop,
    rewrite,
    keptPacks: kept - rewrite.length,
    usedBytes,
    droppedBytes,
    rewrittenBytes,
    freedBytes: droppedBytes + rewrittenBytes - repackedUsed,
    unusedBytes,
  };
}

/** A pack may be full of blobs and yet of few bytes: joined with others it would be as it is. */
function isSmall({ size, blobCount }: PackInfo, { packBytes }: PlanOptions): boolean {
  return size < packBytes / 4 && blobCount < packBlobsFull / 4;
}

/** Header and table are not counted: a pack whose blobs are all needed has no waste. */
function unusedIn({ info, usage }: PackToPlan): number {
  return usage.blobs === info.blobCount ? 0 : Math.max(0, info.size - usage.bytes);
}

function byWaste(a: PackToPlan, b: PackToPlan): number {
  return unusedIn(b) / b.info.size - unusedIn(a) / a.info.size;
}

function unusedLimitBytes(limit: UnusedLimit, usedBytes: number): number {
  if (limit.kind === "unlimited") return Number.POSITIVE_INFINITY;
  if (limit.kind === "bytes") return limit.bytes;
  return (usedBytes * limit.percent) / 100;
}
