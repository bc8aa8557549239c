/**
 * A store in memory, for tests and simulations: as asynchronous as the others, and as careful with
 * buffers: it shares no memory with its callers.
 */
import { checkObjectName, checkRange } from "./object-name.ts";
import type { ObjectInfo, Store, StoreCallOptions } from "./store.ts";
import { checkWriteSize, objectAbsent, objectTooShort } from "./store-errors.ts";

export class MemoryStore implements Store {
  readonly url: string;
  readonly isNear = true;
  readonly #objects: Map<string, Uint8Array>;

  constructor(url = "memory:") {
    this.url = url;
    this.#objects = new Map();
  }

  async put(name: string, data: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    checkWriteSize(name, this.url, data.length);
    await this.#enter(name, options);
    this.#objects.set(name, Uint8Array.from(data));
  }

  async get(name: string, options: StoreCallOptions = {}): Promise<Uint8Array> {
    await this.#enter(name, options);
    return this.#object(name).slice();
  }

  async getRange(
    name: string,
    offset: number,
    length: number,
    options: StoreCallOptions = {},
  ): Promise<Uint8Array> {
    checkRange(offset, length);
    await this.#enter(name, options);
    const { length: size } = this.#object(name);
    if (offset + length > size) throw objectTooShort(name, this.url, { offset, length }, size);
    return this.#object(name).slice(offset, offset + length);
  }

  async size(name: string, options: StoreCallOptions = {}): Promise<number> {
    await this.#enter(name, options);
    return this.#object(name).length;
  }

  async *list(folder: string, options: StoreCallOptions = {}): AsyncGenerator<ObjectInfo> {
    await this.#enter(folder, options);
    for (const name of this.names(folder)) {
      options.signal?.throwIfAborted();
      const size = this.#objects.get(name)?.length;
      if (size !== undefined) yield { name, size };
    }
  }

  async namesIn(folder: string, options: StoreCallOptions = {}): Promise<string[]> {
    await this.#enter(folder, options);
    const inside = this.names(folder).map((name) => name.slice(folder.length + 1));
    return inside.filter((name) => !name.includes("/"));
  }

  async delete(name: string, options: StoreCallOptions = {}): Promise<void> {
    await this.#enter(name, options);
    this.#objects.delete(name);
  }

  async close(): Promise<void> {}

  /** The names there are, in the order in which they came; of all folders by default. */
  names(folder?: string): string[] {
    const names = [...this.#objects.keys()];
    return folder === undefined ? names : names.filter((name) => name.startsWith(`${folder}/`));
  }

  /** Another store with the same objects, from now on independent of this one. */
  fork(): MemoryStore {
    const other = new MemoryStore(this.url);
    // Stored arrays are never written to, so both may hold the same.
    for (const [name, data] of this.#objects) other.#objects.set(name, data);
    return other;
  }

  #object(name: string): Uint8Array {
    const data = this.#objects.get(name);
    if (data === undefined) throw objectAbsent(name, this.url);
    return data;
  }

  /** One turn of the microtask queue, as every store takes at least. */
  async #enter(name: string, { signal }: StoreCallOptions): Promise<void> {
    checkObjectName(name);
    signal?.throwIfAborted();
    await null;
  }
}
