/**
 * What index objects say of each pack, as 16 bytes: to be held against the packs themselves, and
 * against other index objects that name the same pack.
 */

import { bytesEqual } from "../../base/bytes.ts";
import type { IndexPack } from "../../repo/format/index-object.ts";
import { recordDigest } from "../workers/check-pack.ts";

export class RecordDigests {
  readonly #digests = new Map<number, Uint8Array>();
  /** Packs of which index objects say different things. */
  readonly disputed = new Set<number>();

  add(pack: IndexPack, packNo: number): void {
    const digest = Uint8Array.from(recordDigest(pack));
    const known = this.#digests.get(packNo);
    if (known === undefined) this.#digests.set(packNo, digest);
    else if (!bytesEqual(known, digest)) this.disputed.add(packNo);
  }

  get(packNo: number): Uint8Array | undefined {
    return this.#digests.get(packNo);
  }
}
