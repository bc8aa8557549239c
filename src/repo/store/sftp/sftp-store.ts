/**
 * A store in a folder behind SSH: each object a file of its name, as in a local folder.
 *
 * Put writes a temporary file (".tmp-…") in the folder where the object will be, syncs it, and
 * renames it over whatever has the name; OpenSSH syncs the folder as well. What other servers do
 * not promise is told in docs/decisions/0030-sftp.md. Lists sync each folder first, as
 * the local store does and for the same reason. A call is repeated whole on another connection when
 * its own is lost; a temporary file that it leaves then is removed by `sweepTemporary`.
 */
import type { Attributes } from "ssh2";
import { type Clock, type Random, systemClock, systemRandom } from "../../../base/clock.ts";
import { VarveError } from "../../../base/errors.ts";
import { toHex } from "../../../base/ids.ts";
import { type FolderOps, LocalFolders } from "../local-folders.ts";
import { checkObjectName, checkRange, folderOf, isObjectName } from "../object-name.ts";
import type { ObjectInfo, Store, StoreCallOptions, StoreGetOptions } from "../store.ts";
import { checkWriteSize } from "../store-errors.ts";
import { abortable, SftpCalls } from "./sftp-calls.ts";
import { hasStatus, LinkFailure, sftpStatus } from "./sftp-failure.ts";
import {
  createFile,
  fillFile,
  kindOf,
  makeFolder,
  nameUnlessTaken,
  removeFile,
  removeLater,
  replaceFile,
  syncFolder,
  tellFull,
} from "./sftp-files.ts";
import type { SftpChannel } from "./sftp-link.ts";
import { readFolder, walk } from "./sftp-list.ts";
import { parseSftpUrl, type SftpLocation } from "./sftp-location.ts";
import type { Environment } from "./sftp-login.ts";
import { type ObjectPlace, readObject, readRange } from "./sftp-read.ts";

export interface SftpStoreOptions {
  /** Makes the folder, with those above it, at the first put. Without it, a put there fails. */
  readonly create?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Where SSH_AUTH_SOCK and HOME are looked for. */
  readonly environment?: Environment;
  /** As for stores in S3: ends reads, and puts of packs, that are under way. */
  readonly interrupt?: AbortSignal;
}

/** The store at this URL. Errors: `usage`. */
export function openSftp(url: string, options: SftpStoreOptions): SftpStore {
  return new SftpStore(parseSftpUrl(url), options);
}

type GiveName = (channel: SftpChannel, from: string, to: string) => Promise<void>;

/** Bytes from which a call is taken to move many. */
const bulkBytes = 256 * 1024;
const deletesAtOnce = 64;
const temporaryPrefix = ".tmp-";
const temporaryName = /(?:^|\/)\.tmp-[0-9a-f]{32}$/;

export class SftpStore implements Store {
  readonly url: string;
  readonly isNear = false;
  readonly #path: string;
  readonly #calls: SftpCalls;
  readonly #random: Random;
  readonly #interrupt: AbortSignal | undefined;
  readonly #folders: LocalFolders;

  /** Nothing is touched yet. */
  constructor(location: SftpLocation, options: SftpStoreOptions = {}) {
    this.url = location.url;
    this.#path = location.path;
    this.#random = options.random ?? systemRandom;
    this.#interrupt = options.interrupt;
    this.#calls = new SftpCalls(location, {
      clock: options.clock ?? systemClock,
      random: this.#random,
      environment: options.environment ?? {},
      interrupt: options.interrupt,
    });
    this.#folders = new LocalFolders(this.#path, options.create ?? false, this.#folderOps());
  }

  put(name: string, data: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    const signal = name.startsWith("packs/") ? this.#breakable(options.signal) : options.signal;
    const transfer = { rate: undefined, signal };
    return this.#putAs(name, data, signal, (channel, from, to) =>
      replaceFile(channel, { from, to, data }, transfer),
    );
  }

  putIfAbsent(name: string, data: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    const { signal } = options;
    return this.#putAs(name, data, signal, async (channel, from, to) => {
      if (!(await nameUnlessTaken(channel, from, to, signal))) removeLater(channel, from);
    });
  }

  async get(name: string, { signal, into }: StoreGetOptions = {}): Promise<Uint8Array> {
    checkObjectName(name);
    const given = this.#breakable(signal);
    const rate = this.#calls.download;
    return this.#calls.run(
      { action: "read", name },
      (channel) => readObject({ channel, rate, signal: given }, this.#object(name), into),
      { signal: given, isBulk: true },
    );
  }

  async getRange(
    name: string,
    offset: number,
    length: number,
    { signal, into }: StoreGetOptions = {},
  ): Promise<Uint8Array> {
    checkObjectName(name);
    checkRange(offset, length);
    const given = this.#breakable(signal);
    const rate = this.#calls.download;
    return this.#calls.run(
      { action: "read", name },
      (channel) =>
        readRange({ channel, rate, signal: given }, this.#object(name), { offset, length }, into),
      { signal: given, isBulk: length >= bulkBytes },
    );
  }

  async size(name: string, { signal }: StoreCallOptions = {}): Promise<number> {
    checkObjectName(name);
    const given = this.#breakable(signal);
    const { path } = this.#object(name);
    const attributes = await this.#calls.run(
      { action: "read", name },
      (channel) => channel.ask<Attributes>((sftp, done) => sftp.lstat(path, done), given),
      { signal: given },
    );
    if (kindOf(attributes) !== "file") throw this.#notPlain(name);
    return attributes.size ?? 0;
  }

  async *list(folder: string, { signal }: StoreCallOptions = {}): AsyncGenerator<ObjectInfo> {
    checkObjectName(folder);
    const given = this.#breakable(signal);
    given?.throwIfAborted();
    const read = (inside: string) => this.#readFolder(inside, given, true);
    for await (const { name, attributes } of walk({ read, folder, accept: isObjectName })) {
      given?.throwIfAborted();
      if (kindOf(attributes) !== "file") throw this.#notPlain(name);
      yield { name, size: attributes.size ?? 0 };
    }
  }

  async delete(name: string, options: StoreCallOptions = {}): Promise<void> {
    checkObjectName(name);
    await this.#delete([name], options.signal);
  }

  async deleteMany(names: readonly string[], options: StoreCallOptions = {}): Promise<void> {
    for (const name of names) checkObjectName(name);
    for (let at = 0; at < names.length; at += deletesAtOnce) {
      await this.#delete(names.slice(at, at + deletesAtOnce), options.signal);
    }
  }

  /**
   * Removes temporary files that crashed puts left, if they are older than `olderThanMs` by the
   * server's clock; gives their number. Hours, so that no put under way loses its file.
   */
  async sweepTemporary(olderThanMs: number): Promise<number> {
    const before = (await this.#serverMs()) - olderThanMs;
    const accept = (name: string) => isObjectName(name) || temporaryName.test(name);
    const read = (inside: string) => this.#readFolder(inside, undefined, false);
    let count = 0;
    for await (const { name, attributes } of walk({ read, folder: "", accept })) {
      if (!temporaryName.test(name) || kindOf(attributes) !== "file") continue;
      if ((attributes.mtime ?? Infinity) * 1000 > before) continue;
      await this.#calls.run({ action: "deleted", name }, (channel) =>
        removeFile(channel, this.#at(name), undefined),
      );
      count++;
    }
    return count;
  }

  async close(): Promise<void> {
    await this.#calls.close();
  }

  /** Writes under a temporary name, which `giveName` then changes to that of the object. */
  async #putAs(
    name: string,
    data: Uint8Array,
    signal: AbortSignal | undefined,
    giveName: GiveName,
  ): Promise<void> {
    checkObjectName(name);
    checkWriteSize(name, this.url, data.length);
    const folder = folderOf(name);
    const write = async (channel: SftpChannel) => {
      const path = this.#temporaryPath(folder);
      try {
        const handle = await this.#createIn(channel, folder, path, signal);
        await fillFile(channel, handle, data, { rate: this.#calls.upload, signal });
        await giveName(channel, path, this.#at(name));
      } catch (error) {
        removeLater(channel, path);
        await tellFull(channel, error, this.#path, data.length);
        throw error;
      }
      await abortable(this.#folders.sync(folder), signal);
    };
    const isBulk = data.length >= bulkBytes;
    await this.#calls.run({ action: "written", name }, write, { signal, isBulk });
  }

  async #createIn(
    channel: SftpChannel,
    folder: string,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    await abortable(this.#folders.ensure(folder), signal);
    try {
      return await createFile(channel, path, signal);
    } catch (error) {
      if (!hasStatus(error, sftpStatus.noSuchFile)) throw error;
      this.#folders.forget();
      await abortable(this.#folders.ensure(folder), signal);
      return await createFile(channel, path, signal);
    }
  }

  async #delete(names: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const [name = ""] = names;
    await this.#calls.run(
      { action: "deleted", name },
      async (channel) => {
        await Promise.all(names.map((each) => removeFile(channel, this.#at(each), signal)));
        // Also where it was gone: another's removal need not be durable yet.
        const folders = new Set(names.map(folderOf));
        const syncs = [...folders].map((folder) => this.#folders.sync(folder));
        await abortable(Promise.all(syncs), signal);
      },
      { signal },
    );
  }

  async #readFolder(
    folder: string,
    signal: AbortSignal | undefined,
    isDurable: boolean,
  ): Promise<Map<string, Attributes>> {
    return this.#calls.run(
      { action: "listed", name: folder },
      async (channel) => {
        const found = await readFolder(channel, this.#at(folder), signal);
        // Not of what failed to be synced: a disk that fails must still be read from.
        if (isDurable && found.size > 0) await this.#folders.sync(folder).catch(linkLost);
        return found;
      },
      { signal },
    );
  }

  /** The time stamp of a file made now; long ago where there is no repository. */
  async #serverMs(): Promise<number> {
    const path = this.#temporaryPath("");
    return this.#calls.run({ action: "deleted", name: `${temporaryPrefix}*` }, async (channel) => {
      try {
        channel.closeLater(await createFile(channel, path, undefined));
        const { mtime } = await channel.ask<Attributes>((sftp, done) => sftp.lstat(path, done));
        return (mtime ?? 0) * 1000;
      } catch (error) {
        if (hasStatus(error, sftpStatus.noSuchFile)) return 0;
        throw error;
      } finally {
        removeLater(channel, path);
      }
    });
  }

  #folderOps(): FolderOps {
    const on = async <T>(work: (channel: SftpChannel) => Promise<T>) =>
      work(await this.#calls.channel());
    return {
      makeFolder: (path) => on((channel) => makeFolder(channel, path)),
      syncFolder: (path) => on((channel) => syncFolder(channel, path)),
      factsAt: (path) =>
        on(async (channel) => {
          await channel.ask<Attributes>((sftp, done) => sftp.stat(path, done));
          return { kind: "folder", size: 0, mtimeMs: 0, identity: "the server's" };
        }),
    };
  }

  #breakable(signal: AbortSignal | undefined): AbortSignal | undefined {
    const interrupt = this.#interrupt;
    if (interrupt === undefined || interrupt.aborted) return signal;
    return signal === undefined || signal === interrupt
      ? interrupt
      : AbortSignal.any([signal, interrupt]);
  }

  #notPlain(name: string): VarveError {
    return new VarveError("store-unreachable", `${name} in ${this.url} is no plain file.`, {
      hint: "varve makes only plain files and folders; find out what put it there, and move it.",
      context: { name, store: this.url },
    });
  }

  #object(name: string): ObjectPlace {
    return { name, url: this.url, path: this.#at(name) };
  }

  #at(name: string): string {
    return name === "" ? this.#path : `${this.#path}/${name}`;
  }

  #temporaryPath(folder: string): string {
    const inside = folder === "" ? "" : `${folder}/`;
    return this.#at(inside + temporaryPrefix + toHex(this.#random(16)));
  }
}

function linkLost(error: unknown): void {
  if (error instanceof LinkFailure) throw error;
}
