/** Finds out which blobs of a batch do not open, by the bases that are in it. */
import { VarveError } from "../../base/errors.ts";
import type { BatchOpener } from "./batch-opener.ts";
import type { BlobBatch } from "./restore-protocol.ts";

/** Of the first `count` blobs, the ordinals of those that do not open. */
export function unopenedBlobs(opener: BatchOpener, batch: BlobBatch, count: number): number[] {
  const open = opener.start(batch, { lend: true });
  const unopened: number[] = [];
  for (let blob = 0; blob < count; blob++) {
    try {
      open(blob);
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      unopened.push(blob);
    }
  }
  return unopened;
}
