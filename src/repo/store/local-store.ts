/**
 * A store in a folder: each object a file of its name.
 *
 * Put writes a temporary file in the folder where the object will be, syncs it, renames it and
 * syncs the folder, so that a name only ever shows whole content, and a finished put survives a
 * power cut. A crash leaves at most a temporary file (".tmp-…"), which no list shows and
 * `sweepTemporary` removes. A list syncs each folder before it yields from it: otherwise somebody
 * could build on an object which he saw and which a power cut then takes away. Objects are plain
 * files: links are not followed, so a planted link shows no other file (folders that the user
 * links elsewhere do work as long as nothing lists the folder above them).
 * How many calls run at once is the caller's choice; each takes one thread of libuv's pool.
 */
import { join } from "node:path";
import { type Random, systemRandom } from "../../base/clock.ts";
import { toHex } from "../../base/ids.ts";
import { type FileOps, nodeFileOps } from "./file-ops.ts";
import { type LocalFailure, localError, notPlain } from "./local-errors.ts";
import {
  factsOrNone,
  readFolderStable,
  readFully,
  walkFiles,
  withFile,
  writeFully,
} from "./local-files.ts";
import { LocalFolders } from "./local-folders.ts";
import { checkObjectName, checkRange, folderOf, isObjectName } from "./object-name.ts";
import type { ObjectInfo, Store, StoreCallOptions, StoreGetOptions } from "./store.ts";
import { checkReadSize, checkWriteSize, objectTooShort } from "./store-errors.ts";

export interface LocalStoreOptions {
  /** Makes the folder, with those above it, at the first put. Without it, a put there fails. */
  readonly create?: boolean;
  readonly ops?: FileOps;
  /** For the names of temporary files. */
  readonly random?: Random;
}

/** How file systems without hard links (FAT, some networks) refuse them. */
const noHardLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL"]);
const temporaryPrefix = ".tmp-";
const temporaryName = /(?:^|\/)\.tmp-[0-9a-f]{32}$/;

export class LocalStore implements Store {
  readonly url: string;
  readonly isNear = true;
  readonly #ops: FileOps;
  readonly #random: Random;
  readonly #folders: LocalFolders;

  /** `root` is an absolute path; nothing is touched yet. */
  constructor(root: string, options: LocalStoreOptions = {}) {
    this.url = root;
    this.#ops = options.ops ?? nodeFileOps;
    this.#random = options.random ?? systemRandom;
    this.#folders = new LocalFolders(root, options.create ?? false, this.#ops);
  }

  async put(name: string, data: Uint8Array, options?: StoreCallOptions): Promise<void> {
    const rename = (from: string, to: string) => this.#ops.rename(from, to);
    await this.#putAs(rename, name, data, options);
  }

  async putIfAbsent(name: string, data: Uint8Array, options?: StoreCallOptions): Promise<void> {
    const nameUnlessTaken = (from: string, to: string) => this.#nameUnlessTaken(from, to);
    await this.#putAs(nameUnlessTaken, name, data, options);
  }

  /** Writes under a temporary name, which `giveName` then changes to that of the object. */
  async #putAs(
    giveName: (from: string, to: string) => Promise<void>,
    name: string,
    data: Uint8Array,
    { signal }: StoreCallOptions = {},
  ): Promise<void> {
    checkObjectName(name);
    checkWriteSize(name, this.url, data.length);
    signal?.throwIfAborted();
    await this.#mapped("write", name, async () => {
      const folder = folderOf(name);
      const path = this.#temporaryPath(folder);
      const handle = await this.#createIn(folder, path);
      try {
        await withFile(this.#ops, handle, () => writeFully(this.#ops, handle, data, signal));
        await giveName(path, join(this.url, name));
      } catch (error) {
        await this.#ops.unlink(path).catch(() => undefined);
        throw error;
      }
      await this.#folders.sync(folder);
    });
  }

  async #nameUnlessTaken(from: string, to: string): Promise<void> {
    try {
      await this.#ops.link(from, to);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!noHardLinks.has(code)) {
        if (code !== "EEXIST") throw error;
      } else if ((await factsOrNone(this.#ops, to)) === undefined) {
        // As good as it gets there: two at the same instant both find nothing.
        await this.#ops.rename(from, to);
        return;
      }
    }
    await this.#ops.unlink(from);
  }

  async get(name: string, { signal, into }: StoreGetOptions = {}): Promise<Uint8Array> {
    return this.#withObject(name, signal, async (handle, size) => {
      checkReadSize(name, this.url, size);
      return this.#readExactly(handle, { name, offset: 0, length: size, size }, signal, into);
    });
  }

  async getRange(
    name: string,
    offset: number,
    length: number,
    { signal, into }: StoreGetOptions = {},
  ): Promise<Uint8Array> {
    checkRange(offset, length);
    return this.#withObject(name, signal, async (handle, size) => {
      if (offset + length > size) throw objectTooShort(name, this.url, { offset, length }, size);
      checkReadSize(name, this.url, length);
      return this.#readExactly(handle, { name, offset, length, size }, signal, into);
    });
  }

  async size(name: string, { signal }: StoreCallOptions = {}): Promise<number> {
    checkObjectName(name);
    signal?.throwIfAborted();
    return this.#mapped("read", name, async (failure) => {
      const facts = await this.#ops.factsAt(join(this.url, name));
      if (facts.kind !== "file") throw notPlain(failure);
      return facts.size;
    });
  }

  async *list(folder: string, { signal }: StoreCallOptions = {}): AsyncGenerator<ObjectInfo> {
    checkObjectName(folder);
    const failure: LocalFailure = { action: "list", name: folder, root: this.url };
    // The folder's own name is durable: whoever put into it saw to that first. Errors are passed
    // over: a disk that fails must still be read from, and no put on it will be answered.
    const beforeYield = (inside: string) => this.#folders.sync(inside).catch(() => undefined);
    const options = { root: this.url, folder, accept: isObjectName, beforeYield, signal };
    try {
      for await (const { name, facts } of walkFiles(this.#ops, options)) {
        if (facts.kind !== "file") throw notPlain({ ...failure, name });
        yield { name, size: facts.size };
      }
    } catch (error) {
      throw localError(error, failure);
    }
  }

  async listNames(folder: string, options: StoreCallOptions = {}): Promise<string[]> {
    const names = await this.namesIn(folder, options);
    // As in `list`.
    if (names.length > 0) await this.#folders.sync(folder).catch(() => undefined);
    return names;
  }

  async namesIn(folder: string, { signal }: StoreCallOptions = {}): Promise<string[]> {
    checkObjectName(folder);
    signal?.throwIfAborted();
    try {
      const names = await readFolderStable(this.#ops, join(this.url, folder));
      return names.filter((name) => isObjectName(`${folder}/${name}`));
    } catch (error) {
      throw localError(error, { action: "list", name: folder, root: this.url });
    }
  }

  async delete(name: string, { signal }: StoreCallOptions = {}): Promise<void> {
    checkObjectName(name);
    signal?.throwIfAborted();
    await this.#mapped("delete", name, async () => {
      await this.#ignoreAbsent(() => this.#ops.unlink(join(this.url, name)));
      // Also when it was gone: another's removal need not be durable yet.
      await this.#ignoreAbsent(() => this.#folders.sync(folderOf(name)));
    });
  }

  async close(): Promise<void> {}

  /**
   * Removes temporary files that crashed puts left, if they are older than `olderThanMs` by the
   * clock of the file system; gives their number. Hours, so that no put under way loses its file.
   */
  async sweepTemporary(olderThanMs: number): Promise<number> {
    return this.#mapped("delete", `${temporaryPrefix}*`, async () => {
      const now = await this.#fileSystemNow();
      if (now === undefined) return 0;
      const accept = (name: string) => isObjectName(name) || temporaryName.test(name);
      let count = 0;
      for await (const { name, facts } of walkFiles(this.#ops, {
        root: this.url,
        folder: "",
        accept,
      })) {
        if (!temporaryName.test(name) || facts.kind !== "file") continue;
        if (now - facts.mtimeMs < olderThanMs) continue;
        await this.#ignoreAbsent(() => this.#ops.unlink(join(this.url, name)));
        count++;
      }
      return count;
    });
  }

  /** The time stamp of a file made now; undefined when there is no repository folder. */
  async #fileSystemNow(): Promise<number | undefined> {
    if ((await factsOrNone(this.#ops, `${this.url}/.`)) === undefined) return undefined;
    const path = this.#temporaryPath("");
    const handle = await this.#ops.createFile(path);
    try {
      const facts = await withFile(this.#ops, handle, () => this.#ops.facts(handle));
      return facts.mtimeMs;
    } finally {
      await this.#ops.unlink(path);
    }
  }

  #temporaryPath(folder: string): string {
    return join(this.url, folder, temporaryPrefix + toHex(this.#random(16)));
  }

  async #createIn(folder: string, path: string): Promise<number> {
    await this.#folders.ensure(folder);
    try {
      return await this.#ops.createFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      this.#folders.forget();
      await this.#folders.ensure(folder);
      return await this.#ops.createFile(path);
    }
  }

  async #withObject(
    name: string,
    signal: AbortSignal | undefined,
    use: (handle: number, size: number) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    checkObjectName(name);
    signal?.throwIfAborted();
    return this.#mapped("read", name, async (failure) => {
      const opened = await this.#ops.openFile(join(this.url, name));
      return withFile(this.#ops, opened, async (handle) => {
        const facts = await this.#ops.facts(handle);
        if (facts.kind !== "file") throw notPlain(failure);
        return use(handle, facts.size);
      });
    });
  }

  /** Into the memory given, or into its own, never a slice of Node's shared pool. */
  async #readExactly(
    handle: number,
    range: { name: string; offset: number; length: number; size: number },
    signal: AbortSignal | undefined,
    into?: ArrayBuffer,
  ): Promise<Uint8Array> {
    const { name, offset, length } = range;
    const fits = into !== undefined && length <= into.byteLength;
    const memory = fits ? into : Buffer.allocUnsafeSlow(length).buffer;
    const target = new Uint8Array(memory, 0, length);
    const done = await readFully(this.#ops, handle, target, offset, signal);
    if (done < length) throw objectTooShort(name, this.url, range, offset + done);
    return target;
  }

  async #mapped<T>(
    action: LocalFailure["action"],
    name: string,
    run: (failure: LocalFailure) => Promise<T>,
  ): Promise<T> {
    const failure: LocalFailure = { action, name, root: this.url };
    try {
      return await run(failure);
    } catch (error) {
      throw localError(error, failure);
    }
  }

  async #ignoreAbsent(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
