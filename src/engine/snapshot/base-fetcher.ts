/**
 * Fetches the bases that new chunks may be compressed against, still sealed, and what these stand
 * on (docs/format.md, "Bases"): workers open them.
 */

import { hasCode } from "../../base/errors.ts";
import type { BlobId } from "../../base/ids.ts";
import { standingOf } from "../../repo/blob-lookup.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { Repository } from "../../repo/repository.ts";
import { BlobFetcher, type WantedBlob } from "../restore/blob-fetcher.ts";
import type { Bases } from "../workers/snapshot-protocol.ts";
import { type ChosenBase, chooseBase } from "./base-choice.ts";

/** A base much smaller than the chunk has little of it. */
const rawLengthPartMin = 1 / 4;

export interface ChunkToBase {
  /** The parent's chunk in its place. */
  readonly like: BlobId | undefined;
  /** Bytes of the chunk. */
  readonly length: number;
}

export class BaseFetcher {
  readonly #index: Repository["index"];
  readonly #fetcher: BlobFetcher;

  constructor({ store, index }: Pick<Repository, "store" | "index">) {
    this.#index = index;
    // The view of a writer stays as it is: a pack that is gone has no bases, and that is all.
    this.#fetcher = new BlobFetcher({ store, index, loadIndex: async () => undefined });
  }

  /** Undefined when there is no base for any of the chunks. What cannot be read is no base. */
  async fetch(chunks: readonly ChunkToBase[]): Promise<Bases | undefined> {
    const wanted: WantedBlob[] = [];
    const known = new Map<string, number>();
    const bases = this.#index.inOneView(() =>
      chunks.map(({ like, length }) => (like === undefined ? undefined : this.#find(like, length))),
    );
    const ordinals = Int32Array.from(bases, (base) => {
      if (base === undefined) return -1;
      const name = Buffer.from(base.id).latin1Slice();
      const ordinal = known.get(name) ?? wanted.push(wantedOf(base)) - 1;
      known.set(name, ordinal);
      return ordinal;
    });
    const generations = Uint8Array.from(bases, (base) => base?.generation ?? 0);
    if (wanted.length === 0) return undefined;
    try {
      return { blobs: await this.#fetcher.fetch(wanted), ordinals, generations };
    } catch (error) {
      if (!hasCode(error, "store-denied", "store-unreachable")) throw error;
      return undefined;
    }
  }

  #find(like: BlobId, length: number): ChosenBase | undefined {
    const place = this.#index.find(BlobKind.data, like);
    const copy = place && standingOf(this.#index, place);
    const chosen = copy && chooseBase(like, copy);
    const isLarge = chosen && chosen.copy.place.rawLength >= length * rawLengthPartMin;
    return isLarge === true ? chosen : undefined;
  }
}

function wantedOf({ id, copy: { place, base } }: ChosenBase): WantedBlob {
  return base === undefined ? { id, place } : { id, place, base };
}
