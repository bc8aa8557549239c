/**
 * Walks file trees and yields their entries in key order (base/raw-path.ts): depth first, siblings
 * sorted bytewise, every folder on the way to a named path among them.
 *
 * Memory: the names of the folders between "/" and the present entry, a byte or so more each than
 * they have (100 while a folder's are sorted), and nothing else that grows. Failures are yielded,
 * not thrown.
 *
 * A named path that is a symbolic link is taken as the link itself. With "/" at its end, or on the
 * way to a named path, a link is followed and stands in the snapshot as the folder it leads to.
 * Named paths are never excluded, whatever the rules and tags say; what lies below them is.
 */
import fs from "node:fs";
import os from "node:os";
import { EntryType, type Xattr } from "../base/entry.ts";
import { invariant } from "../base/errors.ts";
import type { CatalogKey, RawPath } from "../base/raw-path.ts";
import { EntryMaker, type OwnerLookup } from "./entry-maker.ts";
import { entryTypeOf } from "./entry-type.ts";
import type { ExcludeRules, PresenceRule } from "./exclude.ts";
import type { SystemError } from "./linux/libc.ts";
import {
  type FileStat,
  lastErrno,
  readLinkAt,
  readNames,
  tryStatAt,
  xattrsOfFd,
  xattrsOfPath,
} from "./linux/read-calls.ts";
import { NameList } from "./name-list.ts";
import { type OpenFolder, OpenFolders } from "./open-folders.ts";
import { hasTag } from "./presence-tags.ts";
import type { SourceEntry, WalkItem, WalkProblem } from "./source-entry.ts";
import { type PlanNode, planRoots } from "./source-plan.ts";
import { walkFailure, walkNote } from "./walk-problems.ts";

export type { OpenTarget, SourceEntry, WalkItem, WalkProblem } from "./source-entry.ts";

const { S_IFREG, S_IFDIR, S_IFLNK } = fs.constants;
const { EACCES, ENOENT, ENOTDIR } = os.constants.errno;

const openFoldersMax = 256;

export interface TreeWalkerOptions {
  /** Absolute; they may be equal, or lie in each other. */
  readonly roots: readonly RawPath[];
  readonly excludes?: ExcludeRules | undefined;
  /** Folders with such a file are taken without content but for that file. */
  readonly excludeIfPresent?: readonly PresenceRule[] | undefined;
  /** Bytes; regular files above are left out. */
  readonly excludeLargerThan?: number | undefined;
  /** Folders on other devices than their named path are taken without content. */
  readonly oneFileSystem?: boolean | undefined;
  /** Descriptors of folders held at a time. */
  readonly openFoldersMax?: number | undefined;
  /** Where owners get their names from; the system's user database. Main thread only. */
  readonly owners?: OwnerLookup | undefined;
}

/** A folder that is being walked. */
interface Level {
  readonly key: CatalogKey;
  /** What comes before the names of its entries. */
  readonly keyPrefix: string;
  readonly plan: PlanNode | undefined;
  /** All its entries are wanted; otherwise only those of the plan. */
  readonly isWhole: boolean;
  readonly isNamed: boolean;
  readonly isListable: boolean;
  /** Ordinal of the device of the named path that this lies in. */
  readonly device: number;
  /** Sorted; undefined until the folder's own entry was yielded. */
  names: NameList | undefined;
}

function sortedUnion(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])].sort();
}

/** The path of an open folder, or of a name in it, for calls that take no descriptor. */
const procPath = (folder: number, name?: string) =>
  name === undefined ? `/proc/self/fd/${folder}` : `/proc/self/fd/${folder}/${name}`;

export class TreeWalker {
  readonly #excludes: ExcludeRules | undefined;
  readonly #oneFileSystem: boolean;
  readonly #excludeIfPresent: readonly PresenceRule[];
  readonly #largerThan: number;
  readonly #maker: EntryMaker;
  readonly #plan: PlanNode;
  readonly #folders: OpenFolders;
  readonly #levels: Level[] = [];
  /** Names from "/" to the present entry, and older ones behind it. */
  readonly #names: string[] = [];
  readonly #problems: WalkProblem[] = [];
  /** The present entry is the innermost open folder itself, not a name in it. */
  #isInside = false;

  /** Throws `usage` when a root is not absolute. */
  constructor(options: TreeWalkerOptions) {
    this.#excludes = options.excludes;
    this.#oneFileSystem = options.oneFileSystem ?? false;
    this.#excludeIfPresent = options.excludeIfPresent ?? [];
    this.#largerThan = options.excludeLargerThan ?? Number.POSITIVE_INFINITY;
    this.#maker = new EntryMaker(options.owners);
    this.#plan = planRoots(options.roots);
    this.#folders = new OpenFolders(options.openFoldersMax ?? openFoldersMax);
  }

  /** To be run once. While it is suspended, the methods below speak of the entry it yielded. */
  *walk(): Generator<WalkItem, void, void> {
    try {
      this.#enterTop();
      for (;;) {
        const problem = this.#problems.shift();
        const item = problem === undefined ? this.#advance() : { problem };
        if (item !== undefined) yield item;
        else if (this.#problems.length === 0) return;
      }
    } finally {
      this.#folders.closeAll();
    }
  }

  /** The present symbolic link's text; throws a SystemError. */
  readLink(): RawPath {
    return readLinkAt(this.#folders.fd(), this.#name()) as RawPath;
  }

  /**
   * Extended attributes of the present entry, for all but regular files. Those that cannot be read
   * are left out; `onProblem` is told of each, or else the walk yields a problem.
   */
  xattrs(
    onProblem: (problem: WalkProblem) => void = (problem) => this.#problems.push(problem),
  ): readonly Xattr[] {
    const key = this.#key();
    const onFault = (name: string, error: SystemError) =>
      onProblem(walkFailure(key, `xattr ${name}`, -error.errno, false));
    try {
      const fd = this.#folders.fd();
      if (!this.#isInside) return xattrsOfPath(procPath(fd, this.#name()), false, onFault);
      if (this.#level().isListable) return xattrsOfFd(fd, onFault);
      return xattrsOfPath(procPath(fd), true, onFault);
    } catch (error) {
      onProblem(walkFailure(key, "xattr", -(error as SystemError).errno, false));
      return [];
    }
  }

  #level(): Level {
    const level = this.#levels[this.#levels.length - 1];
    invariant(level !== undefined, "a walk's entry was asked for outside of the walk");
    return level;
  }

  /** Of the present entry. */
  #name(): string {
    return this.#names[this.#levels.length - (this.#isInside ? 2 : 1)] ?? "";
  }

  #key(): CatalogKey {
    const level = this.#level();
    return this.#isInside ? level.key : ((level.keyPrefix + this.#name()) as CatalogKey);
  }

  #enterTop(): void {
    const top = this.#folders.enter("/", true);
    const { isRoot } = this.#plan;
    const device = isRoot ? this.#maker.deviceOrdinal(top.stat) : -1;
    const key = "" as CatalogKey;
    this.#pushLevel(undefined, key, top, this.#plan, isRoot, device);
  }

  #pushLevel(
    parent: Level | undefined,
    key: CatalogKey,
    folder: OpenFolder,
    plan: PlanNode | undefined,
    isWhole: boolean,
    device: number,
  ): void {
    this.#isInside = true;
    this.#levels.push({
      key,
      keyPrefix: parent === undefined ? "" : `${key}\0`,
      plan,
      isWhole,
      isNamed: plan?.isRoot === true,
      isListable: folder.isListable,
      device,
      names: undefined,
    });
  }

  /** The next entry; undefined when a problem comes first, or when the walk is over. */
  #advance(): SourceEntry | undefined {
    for (;;) {
      const level = this.#levels[this.#levels.length - 1];
      if (level === undefined) return undefined;
      level.names ??= new NameList(this.#listNames(level));
      if (this.#problems.length > 0) return undefined;
      const name = level.names.take();
      const folder = name === undefined ? undefined : this.#reach(level);
      if (name === undefined || folder === undefined) {
        this.#levels.pop();
        this.#folders.leave();
        continue;
      }
      const entry = this.#visit(level, folder, name);
      if (entry !== undefined || this.#problems.length > 0) return entry;
    }
  }

  /** Descriptor of the level's folder; undefined, and told, when it is where it was no more. */
  #reach(level: Level): number | undefined {
    try {
      return this.#folders.fd();
    } catch (error) {
      this.#fail(level.key, "reopen", -(error as SystemError).errno, true);
      return undefined;
    }
  }

  /** Called when the folder is the innermost one and has just been opened. */
  #listNames(level: Level): string[] {
    const planned = [...(level.plan?.children.keys() ?? [])].sort();
    if (!level.isWhole) return planned;
    if (!level.isListable) {
      this.#fail(level.key, "open", EACCES, level.isNamed);
      return planned;
    }
    const folder = this.#folders.fd();
    const names: string[] = [];
    let status = readNames(folder, names);
    while (status > 0) status = readNames(folder, names);
    if (status < 0) this.#fail(level.key, "list", lastErrno(), level.isNamed);
    names.sort();
    if (!level.isNamed) {
      const tag = this.#excludeIfPresent.find((rule) => hasTag(folder, names, rule));
      if (tag !== undefined) return sortedUnion([tag.name], planned);
    }
    return planned.length === 0 ? names : sortedUnion(names, planned);
  }

  #visit(level: Level, folder: number, name: string): SourceEntry | undefined {
    const planned = level.plan?.children.get(name);
    const key = (level.keyPrefix + name) as CatalogKey;
    const depth = this.#levels.length;
    this.#isInside = false;
    this.#names[depth - 1] = name;
    let stat = tryStatAt(folder, name);
    const isFollowed = stat?.kind === S_IFLNK && planned?.follow === true;
    if (isFollowed) stat = tryStatAt(folder, name, true);
    if (stat === undefined) {
      this.#fail(key, "stat", lastErrno(), planned !== undefined);
      return undefined;
    }
    if (stat.kind === S_IFDIR) {
      // What lies behind a link that is only on the way is not the level's own.
      const isOwn = level.isWhole && !isFollowed;
      return this.#visitFolder(level, isOwn, key, stat, planned);
    }
    if (planned === undefined) {
      if (this.#excludes?.excludes(this.#names, depth, false)) return undefined;
      if (stat.size > this.#largerThan && stat.kind === S_IFREG) return undefined;
    } else if (!this.#takesPlanned(key, stat, planned)) {
      return undefined;
    }
    const type = entryTypeOf(stat.kind);
    if (type !== undefined) return this.#maker.make(key, type, stat);
    this.#problems.push(walkNote(key, "socket-skipped"));
    return undefined;
  }

  /** For a named path, or one on the way to it, that is no folder. */
  #takesPlanned(key: CatalogKey, stat: FileStat, planned: PlanNode): boolean {
    if (planned.follow) {
      this.#fail(key, "open", ENOTDIR, true);
      return false;
    }
    if (stat.kind === S_IFLNK) this.#problems.push(walkNote(key, "link-only"));
    return true;
  }

  #visitFolder(
    level: Level,
    isOwn: boolean,
    key: CatalogKey,
    stat: FileStat,
    planned: PlanNode | undefined,
  ): SourceEntry | undefined {
    const isNamed = planned?.isRoot === true;
    const isExcluded =
      !isNamed && this.#excludes?.excludes(this.#names, this.#levels.length, true) === true;
    if (isExcluded && planned === undefined) return undefined;
    const device = this.#maker.deviceOrdinal(stat);
    const isElsewhere = this.#oneFileSystem && !isNamed && device !== level.device;
    const isWhole = isNamed || (isOwn && !isExcluded && !isElsewhere);
    if (!isWhole && planned === undefined) return this.#maker.make(key, EntryType.folder, stat);
    try {
      const opened = this.#folders.enter(this.#name(), planned?.follow ?? false);
      this.#pushLevel(level, key, opened, planned, isWhole, isNamed ? device : level.device);
      return this.#maker.make(key, EntryType.folder, opened.stat);
    } catch (error) {
      const { errno } = error as SystemError;
      this.#fail(key, "open", -errno, planned !== undefined);
      return errno === -ENOENT ? undefined : this.#maker.make(key, EntryType.folder, stat);
    }
  }

  /** `isNamed`: the user named this path, so that it cannot just have vanished. */
  #fail(key: CatalogKey, operation: string, errno: number, isNamed = false): void {
    this.#problems.push(walkFailure(key, operation, errno, isNamed));
  }
}
