/**
 * Copies blobs from packs that are to go into new ones, as they are: decrypted under the old
 * pack's key, which authenticates them, and sealed under the new one's, without compressing anew.
 */

import { hasCode, type VarveError } from "../base/errors.ts";
import type { BlobId, PackId } from "../base/ids.ts";
import { BlobOpener, type BlobSealer, type PackOpener } from "../repo/blob-codec.ts";
import { coalesce } from "../repo/blob-reader.ts";
import type { BlobWriter } from "../repo/blob-writer.ts";
import { packObject } from "../repo/format/object-names.ts";
import { type BlobFacts, BlobKind, type PackTableEntry } from "../repo/format/pack-table.ts";
import { type PackContents, readPackContents } from "../repo/pack-reader.ts";
import type { Repository } from "../repo/repository.ts";

/** Reads a pack's own table. */
function contentsOfPack(repo: Repository, pack: PackId, size: number): Promise<PackContents> {
  const name = packObject(pack);
  const read = (offset: number, length: number) => repo.store.getRange(name, offset, length);
  return readPackContents(repo.keys, { size, read });
}

export class Repacker {
  readonly #repo: Repository;
  readonly #writer: BlobWriter;
  readonly #opener: BlobOpener;
  /** Data blobs apart from catalog and list blobs, as format.md asks. */
  readonly #sealers: { data: BlobSealer | undefined; rest: BlobSealer | undefined } = {
    data: undefined,
    rest: undefined,
  };

  constructor(repo: Repository, writer: BlobWriter) {
    this.#repo = repo;
    this.#writer = writer;
    this.#opener = new BlobOpener(repo.keys);
  }

  /**
   * Copies the blobs of a pack for which `wanted` says so; returns how many. What does not open is
   * told and left out, or throws when there is nobody to tell.
   */
  async copy(
    pack: PackId,
    size: number,
    wanted: (entry: PackTableEntry, ordinal: number) => boolean,
    onDamaged?: (entry: PackTableEntry, error: VarveError) => void,
  ): Promise<number> {
    const contents = await contentsOfPack(this.#repo, pack, size);
    const opener = this.#opener.openPack(contents);
    const chosen = contents.blobs
      .filter((entry, ordinal) => wanted(entry, ordinal))
      .map((entry, ordinal) => ({ entry, place: { ...entry, packNo: 0, ordinal } }));
    let copied = 0;
    for (const range of coalesce(chosen)) {
      const entries = range.map(({ entry }) => entry);
      copied += await this.#copyRange(pack, opener, entries, onDamaged);
    }
    return copied;
  }

  async #copyRange(
    pack: PackId,
    opener: PackOpener,
    entries: readonly PackTableEntry[],
    onDamaged?: (entry: PackTableEntry, error: VarveError) => void,
  ): Promise<number> {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return 0;
    const length = last.offset + last.length - first.offset;
    const bytes = await this.#repo.store.getRange(packObject(pack), first.offset, length);
    let copied = 0;
    for (const entry of entries) {
      const start = entry.offset - first.offset;
      const sealed = bytes.subarray(start, start + entry.length);
      try {
        await this.append(entry, this.#opener.decrypt(opener, entry, sealed));
        copied++;
      } catch (error) {
        if (onDamaged === undefined || !hasCode(error, "blob-damaged")) throw error;
        onDamaged(entry, error);
      }
    }
    return copied;
  }

  /** Takes a blob as `BlobOpener.decrypt` gives it. */
  async append(entry: BlobFacts, encoded: Uint8Array): Promise<void> {
    const sealer = await this.#sealerFor(entry.kind, encoded.length);
    sealer.appendEncoded({ ...entry, encoded });
  }

  /** Compresses it anew, as a blob that stands on nothing. */
  async appendPlain(kind: BlobKind, id: BlobId, plaintext: Uint8Array): Promise<void> {
    (await this.#sealerFor(kind, plaintext.length)).append(kind, id, plaintext);
  }

  /** One call at a time: where it waits, another would open a second pack. */
  async #sealerFor(kind: BlobKind, bytes: number): Promise<BlobSealer> {
    const lane = kind === BlobKind.data ? "data" : "rest";
    let sealer = this.#sealers[lane];
    if (sealer !== undefined && !sealer.fits(bytes)) {
      await this.#close(lane);
      sealer = undefined;
    }
    sealer ??= this.#repo.newSealer();
    this.#sealers[lane] = sealer;
    return sealer;
  }

  async #close(lane: "data" | "rest"): Promise<void> {
    const sealer = this.#sealers[lane];
    if (sealer === undefined) return;
    this.#sealers[lane] = undefined;
    await this.#writer.ready();
    // Failures are kept by the writer, which throws them at its next step.
    this.#writer.addPack(sealer.finish()).catch(() => undefined);
  }

  /** After this all copies are durable and named by an index object. */
  async finish(): Promise<void> {
    await this.#close("data");
    await this.#close("rest");
    await this.#writer.flush();
  }
}
