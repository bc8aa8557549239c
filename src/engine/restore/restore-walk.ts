/**
 * Goes through the selected entries once: makes folders and nodes at once, and plans the content
 * of files in windows.
 */
import { type Content, type Entry, EntryType } from "../../base/entry.ts";
import { hasCode, VarveError } from "../../base/errors.ts";
import { type CatalogKey, keyParent, pathFromKey } from "../../base/raw-path.ts";
import type { NodeDamage } from "../../repo/catalog/node-reader.ts";
import { readContentRuns } from "../../repo/format/content-list.ts";
import type { TargetAttributes } from "../../sources/target/target-attributes.ts";
import { faultOf } from "../../sources/target/target-faults.ts";
import { placeEntry } from "./entry-steps.ts";
import { FileWindow, type PlannedFile } from "./file-window.ts";
import { type FolderFrame, FolderFrames } from "./folder-frames.ts";
import { enterFolder, leaveFolder, rootFrame, strippedFrame } from "./folder-steps.ts";
import { keyDepth, type RestoreContext } from "./restore-context.ts";
import type { WindowRunner } from "./window-runner.ts";

export interface RestoreWalkOptions {
  readonly context: RestoreContext;
  /** Undefined in a dry run. */
  readonly runner: WindowRunner | undefined;
  readonly readList: (id: Uint8Array) => Promise<Uint8Array>;
  readonly sparse: boolean;
}

export class RestoreWalk {
  readonly #options: RestoreWalkOptions;
  readonly #context: RestoreContext;
  readonly #root: FolderFrame;
  readonly #frames: FolderFrames;
  #window = new FileWindow();
  #isDamaged = false;

  constructor(options: RestoreWalkOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#root = rootFrame(options.context);
    this.#frames = new FolderFrames(this.#root);
  }

  /** A part of the catalog is lost; what follows may lie in folders that are not known. */
  noteDamage(damage: NodeDamage): void {
    this.#isDamaged = true;
    const { entries = 1, after, error } = damage;
    const path = pathFromKey(after);
    this.#context.report.problem(path, {
      operation: "catalog",
      code: error.code,
      message: `${entries} entries after this path are lost: ${error.message}`,
    });
    this.#context.report.counts.failed += entries;
  }

  /**
   * A promise only where there is something to wait for: one for each of many small files costs
   * more than to plan them.
   */
  take(entry: Entry, isSelected: boolean): Promise<void> | undefined {
    this.#moveTo(entry);
    const depth = keyDepth(entry.key);
    if (entry.type === EntryType.folder) this.#enter(entry, depth, isSelected);
    else if (depth > this.#context.strip) {
      const wait = this.#place(entry);
      if (wait !== undefined) return wait.then(() => this.#submitFull());
    } else this.#context.report.counts.stripped++;
    return this.#submitFull();
  }

  /** Leaves all folders and waits until everything is done. */
  async finish(): Promise<void> {
    this.#leave(this.#frames.leaveAll());
    await this.#submit();
    await this.#options.runner?.drain();
  }

  #moveTo(entry: Entry): void {
    const { left, isSound } = this.#frames.moveTo(entry.key);
    this.#leave(left);
    if (isSound) return;
    const parent = keyParent(entry.key);
    if (!this.#isDamaged || !(parent > this.#frames.top.key)) {
      throw new VarveError("object-damaged", "The snapshot's catalog is not in its order.", {
        hint: "Run `varve check` to see what is hurt.",
      });
    }
    for (const key of missingFolders(this.#frames.top.key, parent)) {
      this.#enter(unknownFolder(key, entry), keyDepth(key), false);
    }
  }

  #enter(entry: Entry, depth: number, isSelected: boolean): void {
    const frame =
      depth <= this.#context.strip
        ? strippedFrame(this.#context, entry, this.#root, depth, isSelected)
        : enterFolder(this.#context, this.#frames.top, entry, isSelected);
    this.#frames.push(frame);
  }

  #leave(frames: readonly FolderFrame[]): void {
    if (this.#options.runner !== undefined) this.#window.left.push(...frames);
    else for (const frame of frames) leaveFolder(this.#context, frame);
  }

  #place(entry: Entry): Promise<void> | undefined {
    const parent = this.#frames.top;
    const placement = placeEntry(this.#context, parent, entry);
    const { folder } = parent;
    if (placement.step === "done" || folder === undefined) return undefined;
    if (placement.step === "link") {
      this.#window.addLink({ entry, folder, name: placement.name });
      return undefined;
    }
    return this.#planFile(entry, parent, placement.name, placement.to);
  }

  #planFile(
    entry: Entry,
    parent: FolderFrame,
    name: string,
    to: TargetAttributes,
  ): Promise<void> | undefined {
    const { tree, names } = this.#context;
    const { folder } = parent;
    if (tree === undefined || folder === undefined) return undefined;
    const content = entry.content ?? { depth: 0, items: [] };
    // Written out: spreading costs as much as writing a small file.
    const target = {
      mode: to.mode,
      uid: to.uid,
      gid: to.gid,
      mtimeNs: to.mtimeNs,
      xattrs: to.xattrs,
      folder: tree.pin(folder),
      name,
      temporaryName: names.next(),
      size: entry.size,
      dropAcl: parent.givesAcls,
      extend: this.#options.sparse || endsInHole(content),
      reportInode: entry.hardLink !== undefined,
      inNewFolder: !parent.existed,
    };
    const file: PlannedFile = {
      entry,
      target,
      folder,
      span: undefined,
      isFirst: true,
      isLast: true,
      chunks: 0,
    };
    const start = { file, number: this.#window.addFile(file) };
    return this.#planWhole(start, content) ? undefined : this.#planParts(start, content);
  }

  /** The content of most small files: at most one chunk. False where it is more. */
  #planWhole({ file, number }: NumberedFile, { depth, items }: Content): boolean {
    const [item] = items;
    if (depth > 0 || items.length > 1 || file.entry.size !== (item?.length ?? 0)) return false;
    if (item === undefined) return true;
    const { id, length } = item;
    if (id !== null) this.#window.addChunk(number, { id, length }, 0);
    return true;
  }

  async #planParts(start: NumberedFile, content: Content): Promise<void> {
    const { entry } = start.file;
    let now = start;
    try {
      now = await this.#planContent(now, content);
    } catch (error) {
      if (!hasCode(error, "blob-absent", "blob-damaged", "object-damaged")) throw error;
      now = this.#current(now);
      now.file.span ??= { fd: -1, failed: false };
      if (!now.file.span.failed) {
        this.#context.report.failed(pathFromKey(entry.key), faultOf("read", error));
      }
      now.file.span.failed = true;
      now.file.isLast = true;
    }
  }

  async #planContent(start: NumberedFile, content: Content): Promise<NumberedFile> {
    let now = start;
    let end = 0;
    for await (const run of readContentRuns(content, this.#options.readList)) {
      for (const { id, length, fileOffset } of run) {
        if (this.#window.isFull) now = await this.#continue(now);
        if (id !== null) this.#window.addChunk(now.number, { id, length }, fileOffset);
        end = fileOffset + length;
      }
    }
    if (end === now.file.entry.size) return now;
    throw new VarveError("object-damaged", `Its content has ${end} bytes, unlike its size.`);
  }

  /** Ends this window in the middle of a file, which goes on in the next. */
  async #continue({ file }: NumberedFile): Promise<NumberedFile> {
    file.isLast = false;
    file.span ??= { fd: -1, failed: false };
    this.#context.tree?.pin(file.folder);
    const next = { ...file, isFirst: false, isLast: true, chunks: 0 };
    await this.#submit();
    return { file: next, number: this.#window.addFile(next) };
  }

  /** After a failure in the middle of a file: its part in the present window. */
  #current(now: NumberedFile): NumberedFile {
    const file = this.#window.files.at(-1);
    return file === undefined ? now : { file, number: this.#window.files.length - 1 };
  }

  #submitFull(): Promise<void> | undefined {
    return this.#window.isFull ? this.#submit() : undefined;
  }

  async #submit(): Promise<void> {
    const window = this.#window;
    this.#window = new FileWindow();
    if (!window.isEmpty) await this.#options.runner?.submit(window);
  }
}

interface NumberedFile {
  readonly file: PlannedFile;
  readonly number: number;
}

function endsInHole({ depth, items }: Content): boolean {
  return depth > 0 || items.at(-1)?.id === null;
}

/** Folders below `above` on the way down to `parent`, and that itself. */
function missingFolders(above: CatalogKey, parent: CatalogKey): CatalogKey[] {
  const keys: CatalogKey[] = [];
  for (let key = parent; key.length > above.length; key = keyParent(key)) keys.push(key);
  return keys.reverse();
}

/** Stands for a folder whose entry is lost: only the owner may enter. */
function unknownFolder(key: CatalogKey, below: Entry): Entry {
  const { uid, gid, user, group, mtimeNs, ctimeNs } = below;
  const base = { uid, gid, user, group, mtimeNs, ctimeNs, inode: 0n, size: 0 };
  return { ...base, key, type: EntryType.folder, mode: 0o700 };
}
