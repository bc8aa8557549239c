/** Chooses which packs a check reads; pure. */

/** A part of all data: by chance, or by pack id so that `of` runs read everything. */
export type DataSubset =
  | { readonly kind: "percent"; readonly percent: number }
  | { readonly kind: "bytes"; readonly bytes: number }
  /** Part `part` (from 1) of `parts`. */
  | { readonly kind: "part"; readonly part: number; readonly parts: number };

export interface PackToRead {
  /** Hex. */
  readonly pack: string;
  readonly size: number;
  /** Wall time of the last time it was found right; undefined: never, or not remembered. */
  readonly verifiedMs: number | undefined;
}

export interface ReadChoice {
  readonly subset?: DataSubset;
  /** Leaves out what was verified less than this long ago. */
  readonly maxAgeMs?: number;
  /** Reads at most so much, what was verified longest ago first; one pack at least. */
  readonly budgetBytes?: number;
}

/** `nowMs`: wall time. `random`: from 0 to below 1. */
export function choosePacks<T extends PackToRead>(
  packs: readonly T[],
  choice: ReadChoice,
  nowMs: number,
  random: () => number,
): T[] {
  const { subset, maxAgeMs, budgetBytes } = choice;
  const total = packs.reduce((sum, { size }) => sum + size, 0);
  let chosen = [...packs];
  if (maxAgeMs !== undefined) chosen = chosen.filter((pack) => ageOf(pack, nowMs) >= maxAgeMs);
  if (subset?.kind === "part") chosen = chosen.filter(({ pack }) => isInPart(pack, subset));
  // A sample must be by chance; with a memory, what was not looked at for long comes first.
  const byAge = maxAgeMs !== undefined || budgetBytes !== undefined;
  if (byAge) chosen.sort((a, b) => ageOf(b, nowMs) - ageOf(a, nowMs) || (a.pack < b.pack ? -1 : 1));
  else if (subset !== undefined && subset.kind !== "part") shuffle(chosen, random);
  const share = shareOf(subset, total);
  return takeBytes(chosen, Math.min(budgetBytes ?? Number.POSITIVE_INFINITY, share));
}

/** Never verified is older than anything; a time in the future is a clock that was wrong. */
function ageOf({ verifiedMs }: PackToRead, nowMs: number): number {
  if (verifiedMs === undefined || verifiedMs > nowMs) return Number.MAX_VALUE;
  return nowMs - verifiedMs;
}

/** By the id's first 12 digits: the same on every host, whatever else is in the repository. */
function isInPart(pack: string, { part, parts }: { part: number; parts: number }): boolean {
  return Number.parseInt(pack.slice(0, 12), 16) % parts === part - 1;
}

function shareOf(subset: DataSubset | undefined, total: number): number {
  if (subset?.kind === "percent") return (total * subset.percent) / 100;
  return subset?.kind === "bytes" ? subset.bytes : Number.POSITIVE_INFINITY;
}

function shuffle<T>(items: T[], random: () => number): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    const held = items[at] as T;
    items[at] = items[other] as T;
    items[other] = held;
  }
}

/** As many of the first as fit; the first in any case, else a small budget would never read any. */
function takeBytes<T extends PackToRead>(packs: readonly T[], bytesMax: number): T[] {
  if (bytesMax <= 0) return [];
  const taken: T[] = [];
  let bytes = 0;
  for (const pack of packs) {
    if (taken.length > 0 && bytes + pack.size > bytesMax) break;
    taken.push(pack);
    bytes += pack.size;
  }
  return taken;
}
