/**
 * A disk in memory that forgets, as a hard one at a power cut: what was written to a file and not
 * synced is there, or cut off, or zeros, or old and new in stripes; a name made, replaced or
 * removed in a folder that was not synced since is there or not, each on its own (also both or none
 * of the two names of a rename, which is worse than any real file system does); and with a lost
 * name of a folder goes all below it.
 *
 * Every operation is one step; between steps other tasks run in an order drawn from the seed. After
 * `cutAt` steps the power is off: that operation is done in part or not at all, and everything
 * fails with PowerCut until `restart` has settled what is left.
 */
import { constants } from "node:os";
import type { FileFacts, FileOps } from "../../src/repo/store/file-ops.ts";
import { Seeded } from "../../src/repo/store/seeded.ts";

/** No system error: a store must not take it for one. */
export class PowerCut extends Error {
  override readonly name = "PowerCut";
}

interface FileNode {
  readonly kind: "file";
  readonly number: number;
  content: Uint8Array;
  durable: Uint8Array;
  mtimeMs: number;
}

interface FolderNode {
  readonly kind: "folder";
  readonly number: number;
  readonly names: Map<string, Node>;
  /** For each name changed since the last sync: what it was then and after each change. */
  readonly pasts: Map<string, Past[]>;
}

interface Past {
  readonly node: Node | undefined;
  /** The number of the change that made it so. */
  readonly change: number;
}

type Node = FileNode | FolderNode;

export type FaultyCode =
  | "ENOSPC"
  | "EIO"
  | "EDQUOT"
  | "EACCES"
  | "EPERM"
  | "EROFS"
  | "ENOENT"
  | "EEXIST";
type SystemCode = FaultyCode | "ENOTDIR" | "EISDIR";

export function systemError(code: SystemCode): Error {
  const errno = -constants.errno[code];
  return Object.assign(new Error(`${code}: simulated`), { code, errno });
}

export interface DiskOptions {
  readonly seed: number;
  /** The step at which the power fails, from 1; never by default. */
  readonly cutAt?: number;
  /** May throw to fail an operation. */
  readonly beforeStep?: (operation: keyof FileOps, path: string) => void;
}

type Step = <T>(operation: keyof FileOps, path: string, act: () => T) => Promise<T>;

export class SimulatedDisk {
  readonly #root: FolderNode;
  readonly #beforeStep: DiskOptions["beforeStep"];
  #seeded: Seeded;
  #cutAt: number;
  #isOff = false;
  #epoch = 0;
  #lastNumber = 0;
  #changes = 0;
  #handles = new Map<number, { readonly node: FileNode; readonly path: string }>();
  steps = 0;
  nowMs = 1_000_000;

  constructor(options: DiskOptions) {
    this.#seeded = new Seeded(options.seed);
    this.#cutAt = options.cutAt ?? Number.POSITIVE_INFINITY;
    this.#beforeStep = options.beforeStep;
    this.#root = this.#newFolder();
  }

  get isOff(): boolean {
    return this.#isOff;
  }

  get openHandles(): number {
    return this.#handles.size;
  }

  /** Turns the power off now, if it is on, settles what survived, and turns it on again. */
  restart(seed: number): void {
    this.#seeded = new Seeded(seed);
    this.#settle(this.#root);
    this.#handles = new Map();
    this.#cutAt = Number.POSITIVE_INFINITY;
    this.#isOff = false;
    this.#epoch++;
  }

  /** Lets the power fail after so many steps from now, at least 1. */
  cutAfter(steps: number): void {
    this.#cutAt = this.steps + steps;
  }

  /** The files there are now, by absolute path. */
  paths(): string[] {
    const walk = (folder: FolderNode, above: string): string[] =>
      [...folder.names].flatMap(([name, node]) =>
        node.kind === "file" ? [`${above}/${name}`] : walk(node, `${above}/${name}`),
      );
    return walk(this.#root, "");
  }

  /** The operations as one process sees them; those begun before a restart never succeed. */
  ops(): FileOps {
    const epoch = this.#epoch;
    const step: Step = (operation, path, act) => this.#step(epoch, operation, path, act);
    const stepOn = <T>(
      operation: keyof FileOps,
      handle: number,
      act: (node: FileNode) => T,
    ): Promise<T> => {
      const open = this.#handles.get(handle);
      return step(operation, open?.path ?? "", () => {
        if (open === undefined) throw new PowerCut("the handle is from before the power cut");
        return act(open.node);
      });
    };
    return {
      openFile: (path) => step("openFile", path, () => this.#open(this.#file(path), path)),
      createFile: (path) => step("createFile", path, () => this.#create(path)),
      read: (handle, target, position) =>
        stepOn("read", handle, (node) => this.#read(node, target, position)),
      write: (handle, data, position) =>
        stepOn("write", handle, (node) => this.#write(node, data, position)),
      // What comes while a sync runs need not be in it.
      sync: (handle) => {
        const content = this.#handles.get(handle)?.node.content ?? new Uint8Array(0);
        return stepOn("sync", handle, (node) => {
          node.durable = content;
        });
      },
      close: async (handle) => {
        this.#handles.delete(handle);
      },
      facts: (handle) => stepOn("facts", handle, (node) => this.#facts(node)),
      factsAt: (path) => step("factsAt", path, () => this.#facts(this.#node(path))),
      rename: (from, to) => step("rename", to, () => this.#rename(from, to)),
      link: (from, to) => step("link", to, () => this.#link(from, to)),
      unlink: (path) => step("unlink", path, () => this.#unlink(path)),
      makeFolder: (path) => step("makeFolder", path, () => this.#makeFolder(path)),
      syncFolder: (path) => {
        const until = this.#changes;
        return step("syncFolder", path, () => this.#syncFolder(path, until));
      },
      readFolder: (path) => step("readFolder", path, () => [...this.#folder(path).names.keys()]),
    };
  }

  async #step<T>(epoch: number, operation: keyof FileOps, path: string, act: () => T): Promise<T> {
    // Syncs are slow: others get far meanwhile.
    await this.#yield(operation === "sync" || operation === "syncFolder" ? 150 : 6);
    this.#throwIfOff(epoch);
    this.#tick();
    this.#beforeStep?.(operation, path);
    const result = act();
    await this.#yield(6);
    this.#throwIfOff(epoch);
    return result;
  }

  #throwIfOff(epoch: number): void {
    if (this.#isOff || epoch !== this.#epoch) throw new PowerCut("the power is off");
  }

  #tick(): void {
    this.steps++;
    if (this.steps < this.#cutAt) return;
    this.#isOff = true;
    // What this step did is among what is not synced: done in part, or not at all.
    if (this.#seeded.chance(0.5)) throw new PowerCut("the power went off");
  }

  async #yield(turnsMax: number): Promise<void> {
    for (let turns = this.#seeded.below(turnsMax); turns > 0; turns--) await null;
  }

  #newFolder(): FolderNode {
    return { kind: "folder", number: ++this.#lastNumber, names: new Map(), pasts: new Map() };
  }

  #node(path: string): Node {
    let node: Node = this.#root;
    for (const part of path.split("/")) {
      if (part === "" || part === ".") continue;
      if (node.kind !== "folder") throw systemError("ENOTDIR");
      const next = node.names.get(part);
      if (next === undefined) throw systemError("ENOENT");
      node = next;
    }
    return node;
  }

  #folder(path: string): FolderNode {
    const node = this.#node(path);
    if (node.kind !== "folder") throw systemError("ENOTDIR");
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#node(path);
    if (node.kind !== "file") throw systemError("EISDIR");
    return node;
  }

  #place(path: string): { folder: FolderNode; name: string } {
    const cut = path.lastIndexOf("/");
    return { folder: this.#folder(path.slice(0, cut)), name: path.slice(cut + 1) };
  }

  #set({ folder, name }: { folder: FolderNode; name: string }, node: Node | undefined): void {
    const pasts = folder.pasts.get(name) ?? [{ node: folder.names.get(name), change: 0 }];
    folder.pasts.set(name, [...pasts, { node, change: ++this.#changes }]);
    if (node === undefined) folder.names.delete(name);
    else folder.names.set(name, node);
  }

  #syncFolder(path: string, until: number): void {
    const { pasts } = this.#folder(path);
    for (const [name, states] of pasts) {
      const durable = states.findLastIndex(({ change }) => change <= until);
      if (durable === states.length - 1) pasts.delete(name);
      else if (durable > 0) pasts.set(name, states.slice(durable));
    }
  }

  #open(node: FileNode, path: string): number {
    const handle = ++this.#lastNumber;
    this.#handles.set(handle, { node, path });
    return handle;
  }

  #create(path: string): number {
    const place = this.#place(path);
    if (place.folder.names.has(place.name)) throw systemError("EEXIST");
    const nothing = new Uint8Array(0);
    const number = ++this.#lastNumber;
    const mtimeMs = this.nowMs;
    const node: FileNode = { kind: "file", number, content: nothing, durable: nothing, mtimeMs };
    this.#set(place, node);
    return this.#open(node, path);
  }

  #makeFolder(path: string): void {
    const place = this.#place(path);
    if (place.folder.names.has(place.name)) throw systemError("EEXIST");
    this.#set(place, this.#newFolder());
  }

  #rename(from: string, to: string): void {
    const source = this.#place(from);
    const node = this.#node(from);
    this.#set(this.#place(to), node);
    this.#set(source, undefined);
  }

  #link(from: string, to: string): void {
    const place = this.#place(to);
    if (place.folder.names.has(place.name)) throw systemError("EEXIST");
    this.#set(place, this.#file(from));
  }

  #unlink(path: string): void {
    this.#file(path);
    this.#set(this.#place(path), undefined);
  }

  /** Short more often than not. */
  #some(length: number): number {
    return length <= 1 || this.#seeded.chance(0.4) ? length : 1 + this.#seeded.below(length);
  }

  #read(node: FileNode, target: Uint8Array, position: number): number {
    const there = node.content.subarray(position, position + target.length);
    const count = this.#some(there.length);
    target.set(there.subarray(0, count));
    return count;
  }

  #write(node: FileNode, data: Uint8Array, position: number): number {
    const count = this.#some(data.length);
    const length = Math.max(node.content.length, position + count);
    const content = new Uint8Array(length);
    content.set(node.content);
    content.set(data.subarray(0, count), position);
    node.content = content;
    node.mtimeMs = this.nowMs;
    return count;
  }

  #facts(node: Node): FileFacts {
    const identity = String(node.number);
    if (node.kind === "folder") return { kind: "folder", size: 0, mtimeMs: 0, identity };
    return { kind: "file", size: node.content.length, mtimeMs: node.mtimeMs, identity };
  }

  #settle(folder: FolderNode): void {
    for (const [name, pasts] of folder.pasts) {
      const survivor = pasts[this.#seeded.below(pasts.length)]?.node;
      if (survivor === undefined) folder.names.delete(name);
      else folder.names.set(name, survivor);
    }
    folder.pasts.clear();
    for (const node of folder.names.values()) {
      if (node.kind === "folder") this.#settle(node);
      else this.#settleFile(node);
    }
  }

  #settleFile(node: FileNode): void {
    if (node.content === node.durable) return;
    const { content, durable } = node;
    const fate = this.#seeded.below(5);
    if (fate === 0) node.content = durable;
    if (fate === 1) node.content = content.slice(0, this.#seeded.below(content.length + 1));
    if (fate === 2) node.content = new Uint8Array(content.length);
    if (fate === 3) node.content = this.#stripes(content, durable);
    node.durable = node.content;
  }

  /** Of each 512 bytes, the new or the old. */
  #stripes(content: Uint8Array, durable: Uint8Array): Uint8Array {
    const mixed = content.slice();
    for (let at = 0; at < mixed.length; at += 512) {
      if (this.#seeded.chance(0.5)) continue;
      const end = Math.min(at + 512, mixed.length);
      mixed.fill(0, at, end);
      mixed.set(durable.subarray(at, Math.min(end, durable.length)), at);
    }
    return mixed;
  }
}
