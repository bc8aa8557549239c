/**
 * Which of a chunk's forebears it is compressed against. Each day's chunk on the day before would
 * make chains as long as the history; all on the first one stores every change again each day. So
 * it is done as in Subversion's skip-deltas (docs/decisions/0025-bases-of-bases.md): what follows a
 * copy of generation g is of generation g + 1, and stands on the forebear of that generation with
 * its lowest bit cleared. The bits that are set are the blobs below it.
 */
import type { BlobId } from "../../base/ids.ts";
import type { StandingCopy } from "../../repo/blob-lookup.ts";
import { depthOf, generationMax, isGeneration } from "../../repo/format/pack-table.ts";

/**
 * Of a chunk that stands on the lowest of its forebears because it has little of the others: those
 * that follow it never stand on anything before it but that.
 */
export const rowGeneration = 128;

export interface ChosenBase {
  readonly id: BlobId;
  readonly copy: StandingCopy;
  /** Of what is to stand on it. */
  readonly generation: number;
}

/** The next one that is not too deep; undefined behind the last: such a chunk is stored whole. */
export function generationAfter(generation: number): number | undefined {
  for (let next = generation + 1; next <= generationMax; next++) {
    if (isGeneration(next)) return next;
  }
  return undefined;
}

/**
 * `id`, `copy`: the chunk in whose place the new one stands. The nearest forebear of less depth
 * than the new one's: in a chain that one writer made that is the one with the lowest bit cleared.
 */
export function chooseBase(id: BlobId, copy: StandingCopy): ChosenBase | undefined {
  const generation = generationAfter(copy.place.generation ?? 0);
  if (generation === undefined) return undefined;
  const depth = depthOf({ generation });
  let [baseId, base] = [id, copy];
  while (base.base !== undefined && depthOf(base.place) >= depth) {
    baseId = base.place.baseId ?? baseId;
    base = base.base;
  }
  return { id: baseId, copy: base, generation };
}
