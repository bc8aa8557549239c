/**
 * A store on any remote that rclone knows, by `rclone:REMOTE:PATH`.
 *
 * A put writes the bytes to a file of this host and has rclone copy that, which knows its size then
 * and compares checksums afterwards. From version 1.63 on, rclone itself sees to it that a name
 * only shows whole content where the remote can rename. Before, a new object is copied to a
 * temporary name and moved; one that is there is written over, and may be met half-written:
 * moving would take its name away for a moment, and a lease that is absent seems ended.
 * What is durable when, and whether a list shows it at once, is the remote's affair
 * (docs/decisions/0032-rclone.md).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, type Random, systemClock, systemRandom } from "../../../base/clock.ts";
import { VarveError } from "../../../base/errors.ts";
import { toHex } from "../../../base/ids.ts";
import { checkObjectName, checkRange, folderOf, isObjectName } from "../object-name.ts";
import type { ObjectInfo, Store, StoreCallOptions, StoreGetOptions } from "../store.ts";
import { checkReadSize, checkWriteSize, objectTooShort } from "../store-errors.ts";
import { isAbsent, RcloneCalls, RcloneFailure } from "./rclone-calls.ts";
import { type Environment, placeAlias } from "./rclone-process.ts";

export interface RcloneStoreOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly environment?: Environment;
  readonly interrupt?: AbortSignal;
}

interface ListedItem {
  readonly Path: string;
  readonly Size: number;
  readonly IsDir: boolean;
  readonly ModTime?: string;
}

const deletesAtOnce = 16;
/** Ours, and rclone's own. */
const temporaryName = /(?:^|\/)(\.tmp-[0-9a-f]{32}|[^/]+\.partial)$/;

/** The store at this URL. Errors: `usage`. */
export function openRclone(url: string, options: RcloneStoreOptions): RcloneStore {
  return new RcloneStore(parseRcloneUrl(url), options);
}

/** Gives rclone's own name of the place. */
export function parseRcloneUrl(url: string): string {
  const place = url.slice("rclone:".length).replace(/\/+$/, "");
  if (/^[^:/][^:]*:|^:[^:]+:/.test(place) && !/[\0-\x1f\x7f]/.test(place)) {
    const settings = place.slice(0, place.lastIndexOf(":"));
    if (!/(pass|secret|token|key)[^,=]*=/i.test(settings)) return place;
    throw new VarveError("usage", "An rclone: URL holds no secrets.", {
      hint: "Give the remote a name with `rclone config`, and write rclone:NAME:PATH.",
    });
  }
  throw new VarveError("usage", "This rclone: URL names no remote.", {
    hint: "Write it as rclone:REMOTE:PATH; `rclone listremotes` shows the names of remotes.",
  });
}

export class RcloneStore implements Store {
  readonly url: string;
  readonly isNear = false;
  readonly #fs = placeAlias;
  readonly #calls: RcloneCalls;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #interrupt: AbortSignal | undefined;
  #folder: Promise<string> | undefined;
  #isWhole: Promise<boolean> | undefined;

  /** Nothing is touched yet; `place` is rclone's: "remote:path". */
  constructor(place: string, options: RcloneStoreOptions = {}) {
    this.url = `rclone:${place}`;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#interrupt = options.interrupt;
    this.#calls = new RcloneCalls({
      url: this.url,
      place,
      clock: this.#clock,
      random: this.#random,
      environment: options.environment ?? {},
      interrupt: options.interrupt,
    });
  }

  async put(name: string, data: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    checkObjectName(name);
    checkWriteSize(name, this.url, data.length);
    const signal = name.startsWith("packs/") ? this.#breakable(options.signal) : options.signal;
    signal?.throwIfAborted();
    this.#folder ??= mkdtemp(join(tmpdir(), "varve-rclone-"));
    const folder = await this.#folder;
    const source = toHex(this.#random(16));
    try {
      await writeFile(join(folder, source), data, { mode: 0o600 });
      const what = { action: "written", name } as const;
      await this.#calls.run(what, () => this.#copy(folder, source, name, signal), signal);
    } finally {
      await rm(join(folder, source), { force: true });
    }
  }

  async get(name: string, { signal, into }: StoreGetOptions = {}): Promise<Uint8Array> {
    checkObjectName(name);
    const bytes = await this.#fetch(name, undefined, signal);
    return placed(bytes, into);
  }

  async getRange(
    name: string,
    offset: number,
    length: number,
    { signal, into }: StoreGetOptions = {},
  ): Promise<Uint8Array> {
    checkObjectName(name);
    checkRange(offset, length);
    const isOdd = length === 0 || offset + length > Number.MAX_SAFE_INTEGER;
    if (isOdd || length > 2 ** 31) {
      const size = await this.size(name, signal === undefined ? {} : { signal });
      if (offset + length > size) throw objectTooShort(name, this.url, { offset, length }, size);
      if (length === 0) return new Uint8Array();
      checkReadSize(name, this.url, length);
    }
    const range = `bytes=${offset}-${offset + length - 1}`;
    const bytes = await this.#fetch(name, range, signal);
    if (bytes.length === length) return placed(bytes, into);
    throw objectTooShort(name, this.url, { offset, length }, offset + bytes.length);
  }

  async size(name: string, options: StoreCallOptions = {}): Promise<number> {
    checkObjectName(name);
    const signal = this.#breakable(options.signal);
    const what = { action: "read", name } as const;
    const item = await this.#calls.run(what, () => this.#stat(name, signal), signal);
    return item.Size;
  }

  async *list(folder: string, options: StoreCallOptions = {}): AsyncGenerator<ObjectInfo> {
    checkObjectName(folder);
    const signal = this.#breakable(options.signal);
    for (const { Path: name, Size: size } of await this.#items(folder, false, signal)) {
      if (isObjectName(name) && !temporaryName.test(name)) yield { name, size };
    }
  }

  async delete(name: string, { signal }: StoreCallOptions = {}): Promise<void> {
    checkObjectName(name);
    const what = { action: "deleted", name } as const;
    await this.#calls.run(what, () => this.#remove(name, signal), signal);
  }

  async deleteMany(names: readonly string[], options: StoreCallOptions = {}): Promise<void> {
    for (let at = 0; at < names.length; at += deletesAtOnce) {
      const some = names.slice(at, at + deletesAtOnce);
      await Promise.all(some.map((name) => this.delete(name, options)));
    }
  }

  /** By this host's clock and the remote's time stamps, which may differ: hours, not minutes. */
  async sweepTemporary(olderThanMs: number): Promise<number> {
    const before = Number(this.#clock.nowNs() / 1_000_000n) - olderThanMs;
    let count = 0;
    for (const { Path: name, ModTime = "" } of await this.#items("", true, undefined)) {
      if (!temporaryName.test(name) || !(Date.parse(ModTime) < before)) continue;
      const what = { action: "deleted", name } as const;
      await this.#calls.run(what, () => this.#remove(name, undefined), undefined);
      count++;
    }
    return count;
  }

  async close(): Promise<void> {
    await this.#calls.close();
    const folder = await this.#folder?.catch(() => undefined);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }

  async #copy(
    folder: string,
    source: string,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    this.#isWhole ??= this.#putsWhole();
    const isWhole = await this.#isWhole;
    const isMoved = !isWhole && !(await this.#isThere(name, signal));
    const inside = folderOf(name) === "" ? "" : `${folderOf(name)}/`;
    const target = isMoved ? `${inside}.tmp-${source}` : name;
    await this.#calls.command(
      "operations/copyfile",
      {
        srcFs: folder,
        srcRemote: source,
        dstFs: this.#fs,
        dstRemote: target,
        // Else an object of the same size and age would be left as it is.
        _config: { IgnoreTimes: true },
      },
      signal,
    );
    if (!isMoved) return;
    const ends = { srcFs: this.#fs, srcRemote: target, dstFs: this.#fs, dstRemote: name };
    await this.#calls.command("operations/movefile", ends, signal);
  }

  /**
   * Whether what rclone copies appears whole: by its own doing, or because the remote knows no
   * renaming, which is to say that it is an object store.
   */
  async #putsWhole(): Promise<boolean> {
    try {
      const { decomposed = [] } = await this.#calls.command("core/version", {});
      const [major = 0, minor = 0] = decomposed as number[];
      if (major > 1 || minor >= 63) return true;
      const { Features = {} } = await this.#calls.command("operations/fsinfo", { fs: this.#fs });
      return (Features as { Move?: boolean }).Move !== true;
    } catch (error) {
      this.#isWhole = undefined;
      throw error;
    }
  }

  async #isThere(name: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.#stat(name, signal);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  async #stat(name: string, signal: AbortSignal | undefined): Promise<ListedItem> {
    const input = { fs: this.#fs, remote: name, opt: { noMimeType: true } };
    const { item } = await this.#calls.command("operations/stat", input, signal);
    if (item !== null && item !== undefined) return item as ListedItem;
    throw new RcloneFailure(404, "object not found");
  }

  async #fetch(
    name: string,
    range: string | undefined,
    given: AbortSignal | undefined,
  ): Promise<Buffer> {
    const signal = this.#breakable(given);
    const what = { action: "read", name } as const;
    const fetch = () => this.#calls.fetch(this.#fs, name, range, signal);
    return this.#calls.run(what, fetch, signal);
  }

  async #items(
    folder: string,
    withTimes: boolean,
    signal: AbortSignal | undefined,
  ): Promise<readonly ListedItem[]> {
    const opt = { recurse: true, noModTime: !withTimes, noMimeType: true, filesOnly: true };
    const input = { fs: this.#fs, remote: folder, opt };
    const list = async () => {
      try {
        const { list: items } = await this.#calls.command("operations/list", input, signal);
        return (items ?? []) as readonly ListedItem[];
      } catch (error) {
        if (isAbsent(error)) return [];
        throw error;
      }
    };
    return this.#calls.run({ action: "listed", name: folder }, list, signal);
  }

  async #remove(name: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      const input = { fs: this.#fs, remote: name };
      await this.#calls.command("operations/deletefile", input, signal);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  #breakable(signal: AbortSignal | undefined): AbortSignal | undefined {
    const interrupt = this.#interrupt;
    if (interrupt === undefined || interrupt.aborted) return signal;
    return signal === undefined ? interrupt : AbortSignal.any([signal, interrupt]);
  }
}

/** In the memory given where it fits, or in its own. */
function placed(bytes: Buffer, into: ArrayBuffer | undefined): Uint8Array {
  const fits = into !== undefined && into.byteLength >= bytes.length;
  const target = new Uint8Array(
    fits ? into : Buffer.allocUnsafeSlow(bytes.length).buffer,
    0,
    bytes.length,
  );
  target.set(bytes);
  return target;
}
