/**
 * Verifies one pack in memory: the hash that names it, header and table, what the
 * index says of it, and every blob: it opens, decompresses, and hashes to its id.
 */
import { bytesEqual } from "../../base/bytes.ts";
import { hasCode, VarveError } from "../../base/errors.ts";
import { fromHex, toHex } from "../../base/ids.ts";
import { BlobOpener, type PackOpener } from "../../repo/blob-codec.ts";
import { Blake3Stream, blake3 } from "../../repo/crypto/hash.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import type { IndexPack } from "../../repo/format/index-object.ts";
import { encodePackHeader } from "../../repo/format/pack-header.ts";
import { Encoding, encodePackTable, type PackTableEntry } from "../../repo/format/pack-table.ts";
import { type PackContents, rangesOf, readPackContents } from "../../repo/pack-reader.ts";
import type { ForeignBase, PackVerified, VerifyPack } from "./check-protocol.ts";

/** 16 bytes that stand for all that an index object says of a pack. */
export function recordDigest(pack: PackContents): Uint8Array {
  const hash = new Blake3Stream().update(encodePackHeader(pack));
  return hash.update(encodePackTable(pack.blobs)).digest().subarray(0, 16);
}

type Answer = Omit<PackVerified, "type" | "task" | "memory">;

const nothing = { lost: [], onForeignBase: [], blobs: 0, rawBytes: 0 };

export class PackVerifier {
  readonly #keys: RepositoryKeys;
  readonly #opener: BlobOpener;

  constructor(keys: RepositoryKeys) {
    this.#keys = keys;
    this.#opener = new BlobOpener(keys, { lend: true });
  }

  async verify(task: Omit<VerifyPack, "type" | "task">): Promise<Answer> {
    const { bytes, record } = task;
    if (record !== undefined) return this.#verifyBlobs(record, bytes);
    if (!bytesEqual(blake3(bytes), fromHex(task.pack))) {
      return { ...nothing, fault: "its bytes are not what its name says" };
    }
    const contents = await this.#contents(bytes);
    if (contents instanceof VarveError) return { ...nothing, fault: contents.message };
    const { recordDigest: expected } = task;
    const differs = expected !== undefined && !bytesEqual(recordDigest(contents), expected);
    const answer = this.#verifyBlobs(contents, bytes);
    if (differs) return { ...answer, fault: "it holds other blobs than the index says" };
    if (answer.lost.length === 0) return answer;
    return { ...answer, fault: `${answer.lost.length} of its blobs are not what their ids say` };
  }

  async #contents(bytes: Uint8Array): Promise<PackContents | VarveError> {
    try {
      return await readPackContents(this.#keys, rangesOf(bytes));
    } catch (error) {
      if (hasCode(error, "object-damaged", "repo-future")) return error;
      throw error;
    }
  }

  #verifyBlobs(contents: PackContents, bytes: Uint8Array): Answer {
    const pack = this.#tryOpenPack(contents);
    const bases = basesWithin(contents.blobs);
    const answer = { lost: [] as number[], onForeignBase: [] as ForeignBase[], rawBytes: 0 };
    for (const [ordinal, blob] of contents.blobs.entries()) {
      const base = blob.baseId === undefined ? undefined : bases.get(toHex(blob.baseId));
      const found = pack === undefined ? "lost" : this.#look(pack, blob, bytes, base);
      if (found === "lost") answer.lost.push(ordinal);
      if (found === "base") answer.onForeignBase.push({ ordinal, kind: blob.kind, id: blob.id });
      answer.rawBytes += blob.rawLength;
    }
    return { ...answer, blobs: contents.blobs.length };
  }

  /** "base": the blob is as it was sealed, and its base has to be looked for elsewhere. */
  #look(
    pack: PackOpener,
    blob: PackTableEntry,
    bytes: Uint8Array,
    base: PackTableEntry | undefined,
  ): "sound" | "lost" | "base" {
    if (blob.encoding !== Encoding.zstdOnBase) {
      return this.#tryOpen(pack, blob, bytes) === undefined ? "lost" : "sound";
    }
    if (!this.#isSealed(pack, blob, bytes)) return "lost";
    const lent = base === undefined ? undefined : this.#tryOpen(pack, base, bytes);
    if (lent === undefined) return "base";
    // A copy: what is opened is only lent.
    const plaintext = new Uint8Array(lent);
    return this.#tryOpen(pack, blob, bytes, plaintext) === undefined ? "lost" : "sound";
  }

  #tryOpenPack(contents: PackContents): PackOpener | undefined {
    try {
      return this.#opener.openPack(contents);
    } catch (error) {
      if (hasCode(error, "object-damaged", "repo-future")) return undefined;
      throw error;
    }
  }

  #isSealed(pack: PackOpener, blob: PackTableEntry, bytes: Uint8Array): boolean {
    try {
      this.#opener.decrypt(pack, blob, sealedIn(bytes, blob));
      return true;
    } catch (error) {
      if (hasCode(error, "blob-damaged")) return false;
      throw error;
    }
  }

  /** Lent; undefined when it does not open. */
  #tryOpen(
    pack: PackOpener,
    blob: PackTableEntry,
    bytes: Uint8Array,
    base?: Uint8Array,
  ): Uint8Array | undefined {
    try {
      return this.#opener.open(pack, blob, sealedIn(bytes, blob), base);
    } catch (error) {
      if (hasCode(error, "blob-damaged")) return undefined;
      throw error;
    }
  }
}

function sealedIn(bytes: Uint8Array, { offset, length }: PackTableEntry): Uint8Array {
  return bytes.subarray(offset, offset + length);
}

/** The blobs of the pack that others of it are compressed against. */
function basesWithin(blobs: IndexPack["blobs"]): Map<string, PackTableEntry> {
  const wanted = new Set<string>();
  for (const { baseId } of blobs) if (baseId !== undefined) wanted.add(toHex(baseId));
  const bases = new Map<string, PackTableEntry>();
  if (wanted.size === 0) return bases;
  for (const blob of blobs) {
    const id = toHex(blob.id);
    if (wanted.has(id) && blob.encoding !== Encoding.zstdOnBase) bases.set(id, blob);
  }
  return bases;
}
