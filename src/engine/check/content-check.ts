/**
 * Finds out why the content of a file cannot be restored: chunks are looked up, lists of chunks are
 * read and held against what refers to them.
 */
import type { Content, ContentItem } from "../../base/entry.ts";
import { VarveError } from "../../base/errors.ts";
import { type BlobId, idBytes, toHex } from "../../base/ids.ts";
import { decodeList } from "../../repo/format/content-list.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { BlobCauses, Causes, Looked } from "./blob-causes.ts";
import type { DamageEntry } from "./damage.ts";
import { type Attempt, attempt } from "./data-faults.ts";

/** Lists read at once. */
const batchMax = 32;

interface WantedList {
  readonly id: BlobId;
  readonly length: number;
  readonly looked: Looked;
}

export class ContentCheck {
  readonly #causes: BlobCauses;
  readonly #signal: AbortSignal | undefined;

  constructor(causes: BlobCauses, signal: AbortSignal | undefined) {
    this.#causes = causes;
    this.#signal = signal;
  }

  /** Undefined when the content is there. A promise only where something has to be read. */
  causesOf(content: Content): Causes | undefined | Promise<Causes | undefined> {
    return content.depth === 0 ? this.#chunks(content.items) : this.#lists(content);
  }

  /**
   * Whether this item of a content is there, as far as that is known without reading: of a list,
   * that it was found whole. Its id begins at `at`.
   */
  isSound(depth: number, bytes: Uint8Array, at: number, length: number): boolean {
    if (depth === 0 && this.#causes.sound.has(bytes, length, at)) return true;
    const id: BlobId = bytes.subarray(at, at + idBytes);
    if (depth === 0) return this.#chunk(id, length) === undefined;
    return this.#causes.isWhole(this.#causes.look(BlobKind.list, id));
  }

  #chunks(items: readonly ContentItem[]): Causes | undefined {
    let causes: Causes | undefined;
    for (const { id, length } of items) {
      if (id === null) continue;
      const cause = this.#chunk(id, length);
      if (cause !== undefined) causes = (causes ?? new Set<DamageEntry>()).add(cause);
    }
    return causes;
  }

  #chunk(id: BlobId, length: number): DamageEntry | undefined {
    if (this.#causes.sound.has(id, length)) return undefined;
    const { place, cause, isLiving } = this.#causes.look(BlobKind.data, id);
    if (cause !== undefined) return cause;
    if (place?.rawLength === length) {
      if (isLiving) this.#causes.sound.add(id, length);
      return undefined;
    }
    const message = `It is ${place?.rawLength} bytes long; a file has it with ${length}.`;
    return this.#causes.damage.add("blob", toHex(id), message);
  }

  async #lists({ depth, items }: Content): Promise<Causes | undefined> {
    const causes: Causes = new Set();
    for (let at = 0; at < items.length; at += batchMax) {
      this.#signal?.throwIfAborted();
      await this.#batch(items.slice(at, at + batchMax), depth - 1, causes);
    }
    return causes.size === 0 ? undefined : causes;
  }

  async #batch(items: readonly ContentItem[], depth: number, causes: Causes): Promise<void> {
    const wanted: WantedList[] = [];
    for (const { id, length } of items) {
      if (id === null) continue;
      const looked = this.#causes.look(BlobKind.list, id);
      if (this.#causes.isWhole(looked)) continue;
      if (looked.cause === undefined) wanted.push({ id, length, looked });
      else causes.add(looked.cause);
    }
    const plaintexts = await this.#read(wanted.map(({ id }) => id));
    for (const [i, list] of wanted.entries()) {
      const found = await this.#list(list, plaintexts[i], depth);
      if (found === undefined) this.#causes.addWhole(list.looked);
      else for (const cause of found) causes.add(cause);
    }
  }

  async #list(
    { id, length }: WantedList,
    read: Attempt<Uint8Array> | undefined,
    depth: number,
  ): Promise<Causes | undefined> {
    if (read === undefined) return undefined;
    if (read.error !== undefined) return new Set([this.#causes.unreadable(id, read.error)]);
    const { value } = read;
    const decoded = await attempt(() => decodeList(value));
    if (decoded.error !== undefined) return new Set([this.#causes.unreadable(id, decoded.error)]);
    const list = decoded.value;
    if (list.depth === depth && list.bytes === length) return this.causesOf(list);
    const error = new VarveError("object-damaged", "A list of chunks is not what refers to it.");
    return new Set([this.#causes.unreadable(id, error)]);
  }

  /** All at once, and one by one when that fails. */
  async #read(ids: readonly BlobId[]): Promise<Attempt<Uint8Array>[]> {
    const { blobs } = this.#causes;
    const all = await attempt(() => blobs.readMany(BlobKind.list, ids));
    if (all.error === undefined) return all.value.map((value) => ({ value }));
    const each: Attempt<Uint8Array>[] = [];
    for (const id of ids) each.push(await attempt(() => blobs.read(BlobKind.list, id)));
    return each;
  }
}
