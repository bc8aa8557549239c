/**
 * The folders of a local store: makes them, and makes their names durable.
 *
 * Invariants: a folder is only written to once every name on the way from the root to it is durable
 * (another process may have made it a moment ago without having synced it yet). Folders are never
 * removed, so what was durable stays so. Syncs of one folder are shared: whoever asks while one is
 * running waits for the next, which serves all who asked before it began.
 * The root is made only when asked for; and when another root stands in its place (its disk went
 * away and the bare mount point is left), no folder is made in it: a backup must not split.
 */
import { dirname, join } from "node:path";
import { VarveError } from "../../base/errors.ts";
import type { FileOps } from "./file-ops.ts";
import { folderOf } from "./object-name.ts";

/** What of the file operations folders need; the errors that count are ENOENT and EEXIST. */
export type FolderOps = Pick<FileOps, "makeFolder" | "syncFolder" | "factsAt">;

export class LocalFolders {
  readonly #root: string;
  readonly #create: boolean;
  readonly #ops: FolderOps;
  /** Folders whose own name is durable, or being made so. Relative; "" is the root. */
  readonly #durable = new Map<string, Promise<void>>();
  readonly #syncing = new Map<string, Promise<void>>();
  readonly #nextSync = new Map<string, Promise<void>>();
  #rootIdentity: string | undefined;

  constructor(root: string, create: boolean, ops: FolderOps) {
    this.#root = root;
    this.#create = create;
    this.#ops = ops;
  }

  /** The folder exists, and survives a power cut, when it resolves. */
  ensure(folder: string): Promise<void> {
    const known = this.#durable.get(folder);
    if (known !== undefined) return known;
    const made = folder === "" ? this.#establishRoot() : this.#establish(folder);
    this.#durable.set(folder, made);
    made.catch(() => this.#durable.delete(folder));
    return made;
  }

  /** After a folder turned out to be gone: nothing is known any more. */
  forget(): void {
    this.#durable.clear();
  }

  /** The names in the folder, as they are when this is called, are durable when it resolves. */
  sync(folder: string): Promise<void> {
    const running = this.#syncing.get(folder);
    if (running === undefined) return this.#startSync(folder);
    const next = this.#nextSync.get(folder);
    if (next !== undefined) return next;
    const start = () => {
      this.#nextSync.delete(folder);
      return this.#startSync(folder);
    };
    const following = running.then(start, start);
    this.#nextSync.set(folder, following);
    return following;
  }

  #startSync(folder: string): Promise<void> {
    const done = this.#ops.syncFolder(join(this.#root, folder)).finally(() => {
      if (this.#syncing.get(folder) === done) this.#syncing.delete(folder);
    });
    this.#syncing.set(folder, done);
    return done;
  }

  async #establish(folder: string): Promise<void> {
    const parent = folderOf(folder);
    await this.ensure(parent);
    await this.#checkRoot();
    await this.#make(join(this.#root, folder));
    await this.sync(parent);
  }

  async #make(path: string): Promise<void> {
    try {
      await this.#ops.makeFolder(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }

  async #establishRoot(): Promise<void> {
    try {
      await this.#checkRoot();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || !this.#create) throw error;
      await this.#makeWithParents(this.#root);
      await this.#checkRoot();
    }
  }

  /** The root is there, and is the one that was there before. */
  async #checkRoot(): Promise<void> {
    // "/." so that a root that is a symbolic link is followed.
    const { identity } = await this.#ops.factsAt(`${this.#root}/.`);
    this.#rootIdentity ??= identity;
    if (this.#rootIdentity === identity) return;
    throw new VarveError("store-unreachable", `${this.#root} is not the folder it was before.`, {
      hint: "Is its disk still mounted? Nothing was written to what is there now.",
      context: { store: this.#root },
    });
  }

  async #makeWithParents(path: string): Promise<void> {
    const parent = dirname(path);
    try {
      await this.#make(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === path) throw error;
      await this.#makeWithParents(parent);
      await this.#make(path);
    }
    await this.#ops.syncFolder(parent);
  }
}
