/**
 * Blobs whose base is in another pack, which a worker that has one pack cannot open: they are
 * fetched here, where the index is. They are read in groups, with their bases, since blobs that
 * were stored one after the other stand on bases that were; a worker opens a group.
 */
import type { BlobId } from "../../base/ids.ts";
import {
  type BlobPlace,
  basesOf,
  type PackInfo,
  type StandingCopy,
  standingOf,
} from "../../repo/blob-lookup.ts";
import type { BlobReader } from "../../repo/blob-reader.ts";
import type { Repository } from "../../repo/repository.ts";
import { BlobFetcher, rangeLimits } from "../restore/blob-fetcher.ts";
import type { ForeignBase } from "../workers/check-protocol.ts";
import type { CheckWork } from "./check-threads.ts";
import { attempt } from "./data-faults.ts";
import { PackMemory } from "./pack-memory.ts";

export interface BasesVerdict {
  /** Ordinals of blobs whose base is right, and which do not open all the same. */
  readonly lost: readonly number[];
  /** False when one of the bases was not to be had, so that nothing can be said. */
  readonly isSure: boolean;
}

interface Placed {
  readonly id: BlobId;
  readonly ordinal: number;
  readonly place: BlobPlace;
  readonly base: StandingCopy;
}

export class ForeignBases {
  readonly #repo: Repository;
  readonly #blobs: BlobReader;
  readonly #fetcher: BlobFetcher;
  readonly #work: CheckWork;
  /** Of segments; a group has few that are large. */
  readonly #memory = new PackMemory(rangeLimits.rangeBytesMax, 2);

  constructor(repo: Repository, blobs: BlobReader, work: CheckWork) {
    this.#repo = repo;
    this.#blobs = blobs;
    const { store, index } = repo;
    // This very copy is asked for: another one, by a newer index, says nothing of it.
    const source = { store, index, loadIndex: async () => undefined };
    this.#fetcher = new BlobFetcher(source, this.#memory);
    this.#work = work;
  }

  /**
   * A base that is lost is no fault of the pack: the walk of the catalogs names it, and what is
   * hurt by it.
   */
  async look(info: PackInfo, blobs: readonly ForeignBase[]): Promise<BasesVerdict> {
    const placed = this.#place(info, blobs);
    const lost: number[] = [];
    let isSure = placed.length === blobs.length;
    for (const group of groupsOf(placed)) {
      for (const blob of await this.#unopened(group)) {
        const verdict = await this.#lookClosely(blob);
        if (verdict === "lost") lost.push(blob.ordinal);
        if (verdict === "unsure") isSure = false;
      }
    }
    return { lost, isSure };
  }

  /** Those of which the index knows this copy, and a base. */
  #place({ packNo }: PackInfo, blobs: readonly ForeignBase[]): Placed[] {
    const { index } = this.#repo;
    return index.inOneView(() =>
      blobs.flatMap(({ ordinal, kind, id }) => {
        const isIt = (copy: BlobPlace) => copy.packNo === packNo && copy.ordinal === ordinal;
        const place = index.copies(kind, id).find(isIt);
        const base = place === undefined ? undefined : standingOf(index, place)?.base;
        return place === undefined || base === undefined ? [] : [{ id, ordinal, place, base }];
      }),
    );
  }

  async #unopened(group: readonly Placed[]): Promise<Placed[]> {
    const batch = await this.#fetcher.fetch(group);
    const { unopened, memory } = await this.#work.open({ batch, count: group.length });
    for (const each of memory) this.#memory.giveBack(each);
    return unopened.flatMap((blob) => group[blob] ?? []);
  }

  /** Of a blob that did not open: by all copies of its base. */
  async #lookClosely({ id, place }: Placed): Promise<"sound" | "lost" | "unsure"> {
    const base = await attempt(() => this.#blobs.readBase(place));
    if (base.error !== undefined) return "unsure";
    const blob = await attempt(() => this.#blobs.readCopy(id, place));
    return blob.error === undefined ? "sound" : "lost";
  }
}

/** So that what a group brings into memory is bounded. */
function groupsOf(placed: readonly Placed[]): Placed[][] {
  const groups: Placed[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const blob of placed) {
    const more = [blob.place, ...basesOf(blob)].reduce((sum, { length }) => sum + length, 0);
    if (bytes + more > rangeLimits.rangeBytesMax) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(blob);
    bytes += more;
  }
  return groups;
}
