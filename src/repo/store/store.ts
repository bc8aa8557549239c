/**
 * A store: named bytes and nothing else. It knows neither keys nor formats.
 *
 * What every store must offer (docs/concurrency in design; nothing more may be relied upon):
 * an object appears whole or not at all; a get, size or list sees every put and delete that
 * finished before it began; what a list yields is as durable as a finished put; put over an
 * existing name replaces it whole; deleting what is not there is no error. No rename, no append,
 * no clock, and no condition (but see `putIfAbsent`). A put or delete that fails or is aborted may
 * have taken effect.
 *
 * Names look like "snapshots/<hex>" or "packs/ab/abcd…": lowercase ASCII letters, digits, "-", "."
 * and "/", never absolute, no segment starts with "."; another name is `internal`. Errors are
 * VarveError: `object-absent` when a name is not there, `store-denied`, `store-full`,
 * `store-unreachable` for the rest; an aborted call rejects with the reason of its signal.
 */

/**
 * Bytes of the largest object: put of more is `limit-exceeded`, get of more `object-damaged`, so
 * that a hostile store cannot make us allocate what it likes.
 */
export const objectBytesMax = 1024 ** 3;

export interface ObjectInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

export interface StoreCallOptions {
  readonly signal?: AbortSignal;
}

export interface StoreGetOptions extends StoreCallOptions {
  /** Memory that the answer may lie in, where it is large enough; a store need not use it. */
  readonly into?: ArrayBuffer;
}

export interface Store {
  /** For messages and the cache: no credentials in it. */
  readonly url: string;

  /** Whether a read costs next to nothing, so that reading in order to store less pays. */
  readonly isNear?: boolean;

  /**
   * Stores `data` under `name`. When it resolves, the object is durable: it survives a power cut.
   * `data` may be a view on shared memory; the caller leaves it alone until this settles.
   */
  put(name: string, data: Uint8Array, options?: StoreCallOptions): Promise<void>;

  /**
   * For stores that can: like `put`, but an object that has this name stays as it is, and of calls
   * that run at once one takes effect. Whoever has to know whose object is there reads it back.
   * Nothing but the making of a repository may use it: the protocol needs no condition.
   */
  putIfAbsent?(name: string, data: Uint8Array, options?: StoreCallOptions): Promise<void>;

  /** The whole object. The caller owns the array. */
  get(name: string, options?: StoreGetOptions): Promise<Uint8Array>;

  /**
   * `length` bytes from `offset`, both at least 0. An object that ends before that is
   * `object-damaged`: the caller knew how long it ought to be.
   */
  getRange(
    name: string,
    offset: number,
    length: number,
    options?: StoreGetOptions,
  ): Promise<Uint8Array>;

  /** Size in bytes; `object-absent` when it is not there. */
  size(name: string, options?: StoreCallOptions): Promise<number>;

  /** All objects whose name starts with `folder + "/"`, at any depth, in no order. */
  list(folder: string, options?: StoreCallOptions): AsyncIterable<ObjectInfo>;

  /**
   * For stores where it costs next to nothing: base names of the objects directly in `folder`, in
   * no order; none when the folder is not there. What it shows need not be durable yet: only that
   * a name is absent may be built upon.
   */
  namesIn?(folder: string, options?: StoreCallOptions): Promise<string[]>;

  /**
   * For stores where sizes cost something apart: base names of the objects directly in `folder`, in
   * no order, otherwise as `list` gives them.
   */
  listNames?(folder: string, options?: StoreCallOptions): Promise<string[]>;

  /** Removes the object; absent is fine. Durable when it resolves. */
  delete(name: string, options?: StoreCallOptions): Promise<void>;

  /** For stores that remove many at a lower price: as if `delete` were called for each. */
  deleteMany?(names: readonly string[], options?: StoreCallOptions): Promise<void>;

  /**
   * For stores that write under temporary names first: removes what crashed puts left, when it is
   * older than `olderThanMs`; gives their number.
   */
  sweepTemporary?(olderThanMs: number): Promise<number>;

  /** Gives back what the store holds open. Nothing may be called after. */
  close(): Promise<void>;
}
