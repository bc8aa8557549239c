/**
 * The bases of one batch, opened as they are needed: for each new chunk the one that main has
 * chosen (snapshot/base-choice.ts), and the one that this stands on in the end.
 *
 * A chunk that has little of the chosen base, because a cut went or came, is better off at the
 * bottom: there it begins a row of its own, on which those that follow stand. Were it one more of
 * its row, each that later stands on something before it would have as little of that, and cost as
 * much again.
 */
import { hasCode } from "../../base/errors.ts";
import { idBytes } from "../../base/ids.ts";
import type { BlobBase } from "../../repo/blob-codec.ts";
import { rowGeneration } from "../snapshot/base-choice.ts";
import type { BaseJudge } from "./base-judge.ts";
import type { BatchOpener } from "./batch-opener.ts";
import { BlobField, blobFieldCount } from "./restore-protocol.ts";
import type { Bases } from "./snapshot-protocol.ts";

export class OpenBases {
  readonly #bases: Bases;
  readonly #judge: BaseJudge;
  readonly #openBlob: (blob: number) => Uint8Array;

  constructor(opener: BatchOpener, judge: BaseJudge, bases: Bases) {
    this.#bases = bases;
    this.#judge = judge;
    this.#openBlob = opener.start(bases.blobs, { lend: true });
  }

  /**
   * The bases to try for a new chunk, by its ordinal among them, one after the other; each is good
   * until the next is asked for.
   */
  *basesOf(at: number, rawLength: number): Generator<BlobBase> {
    const { ordinals, generations } = this.#bases;
    const [chosen = -1, generation = 0] = [ordinals[at], generations[at]];
    if (chosen < 0) return;
    const lowest = this.#lowest(chosen);
    const stored = {
      length: this.#field(lowest, "length"),
      rawLength: this.#field(lowest, "rawLength"),
    };
    const most = this.#judge.limits(rawLength, stored, generation);
    if (most.inRow <= 0) return;
    const base = this.#open(chosen);
    if (base !== undefined) yield { ...base, generation, worthBytes: most.inRow };
    const bottom = this.#open(lowest);
    if (bottom === undefined) return;
    yield { ...bottom, generation: rowGeneration, worthBytes: most.newRow };
  }

  #field(ordinal: number, name: keyof typeof BlobField): number {
    return this.#bases.blobs.fields[ordinal * blobFieldCount + BlobField[name]] as number;
  }

  /** Of what a base stands on in the end, which was compressed alone. */
  #lowest(ordinal: number): number {
    const base = this.#field(ordinal, "base");
    return base < 0 ? ordinal : this.#lowest(base);
  }

  /** What does not open is no base: check tells of it, not we. */
  #open(ordinal: number): Pick<BlobBase, "id" | "plaintext"> | undefined {
    const { ids } = this.#bases.blobs;
    try {
      const id = ids.subarray(ordinal * idBytes, (ordinal + 1) * idBytes);
      return { id, plaintext: this.#openBlob(ordinal) };
    } catch (error) {
      if (hasCode(error, "blob-damaged", "blob-absent", "object-damaged")) return undefined;
      throw error;
    }
  }
}
