/**
 * `--verify`: reads every restored file back from the target and compares it with the catalog,
 * chunk by chunk, in the workers. What the restore itself could not do is not told twice; what
 * `overwrite` was to leave alone is compared only if it looks as the snapshot has it.
 */
import { type Content, type Entry, EntryType } from "../../base/entry.ts";
import { VarveError } from "../../base/errors.ts";
import { idBytes } from "../../base/ids.ts";
import { BoundedPool } from "../../base/pool.ts";
import { pathFromKey } from "../../base/raw-path.ts";
import { type PlacedItem, readContentRuns } from "../../repo/format/content-list.ts";
import { entryTypeOf } from "../../sources/entry-type.ts";
import { readLinkAt, statAt } from "../../sources/linux/write-calls.ts";
import { faultOf, systemFault } from "../../sources/target/target-faults.ts";
import type { TargetFolder, TargetTree } from "../../sources/target/target-tree.ts";
import type { CompareFile } from "../workers/restore-protocol.ts";
import type { SelectedEntries } from "./entry-selection.ts";
import { type RestoreContext, targetNames } from "./restore-context.ts";
import type { RestoreThreads } from "./restore-threads.ts";

const taskBytesMax = 32 * 1024 * 1024;
const taskPartsMax = 500;
const leftFoldersMax = 256;

export interface ReadBackOptions {
  readonly context: RestoreContext;
  readonly tree: TargetTree;
  readonly threads: RestoreThreads;
  readonly readList: (id: Uint8Array) => Promise<Uint8Array>;
  readonly signal: AbortSignal | undefined;
}

/** A file under comparison; told once, when its last part is. */
interface FileUnderWay {
  readonly entry: Entry;
  parts: number;
  failed: boolean;
}

interface Part {
  readonly file: FileUnderWay;
  readonly folder: TargetFolder;
  readonly compare: CompareFile;
}

export class ReadBack {
  readonly #options: ReadBackOptions;
  readonly #pool: BoundedPool;
  /** The folders from the target down to the current entry's. */
  #path: { readonly name: string; readonly folder: TargetFolder | undefined }[] = [];
  #left: TargetFolder[] = [];
  #parts: Part[] = [];
  #bytes = 0;

  constructor(options: ReadBackOptions) {
    this.#options = options;
    this.#pool = new BoundedPool({ countMax: options.threads.count * 2 + 1, bytesMax: 2 ** 40 });
  }

  async run(selected: AsyncIterable<SelectedEntries>): Promise<void> {
    const { signal, context } = this.#options;
    for await (const { entries } of selected) {
      signal?.throwIfAborted();
      for (const entry of entries) {
        const path = pathFromKey(entry.key);
        try {
          if (!context.report.isKnownFailure(entry.key)) await this.#verify(entry);
        } catch (error) {
          if (signal?.aborted) throw error;
          context.report.failed(path, faultOf("verify", error));
        }
      }
    }
    this.#folder([]);
    await this.#send();
    await this.#pool.drain();
    this.#leaveFolders();
  }

  /** Folders whose files are still being compared are left with a later batch. */
  #leaveFolders(): void {
    this.#left = this.#left.filter((folder) => {
      if (folder.pins > 0) return true;
      this.#options.tree.leave(folder);
      return false;
    });
  }

  async #verify(entry: Entry): Promise<void> {
    const { context, tree } = this.#options;
    const names = targetNames(entry.key, context.strip);
    const name = names.pop();
    if (name === undefined) return;
    const folder = this.#folder(names);
    const existing = folder === undefined ? undefined : statAt(tree.fd(folder), name);
    const mayDiffer = context.overwrite === "never" || context.overwrite === "if-newer";
    if (folder === undefined || existing === undefined) {
      if (mayDiffer) return;
      throw systemFault("ENOENT", "it is not there");
    }
    if (mayDiffer && existing.mtimeNs !== entry.mtimeNs) return;
    if (entryTypeOf(existing.mode) !== entry.type)
      throw systemFault("EINVAL", "it is something else");
    if (
      entry.type === EntryType.symlink &&
      readLinkAt(tree.fd(folder), name) !== entry.linkTarget
    ) {
      throw systemFault("EINVAL", "the symbolic link leads elsewhere");
    }
    if (entry.type === EntryType.file) await this.#compareFile(entry, folder, name);
    else context.report.done(entry);
  }

  /** Undefined when one of the folders cannot be entered. */
  #folder(names: readonly string[]): TargetFolder | undefined {
    const { tree } = this.#options;
    let depth = 0;
    while (depth < names.length && this.#path[depth]?.name === names[depth]) depth++;
    for (const { folder } of this.#path.splice(depth).reverse()) {
      if (folder !== undefined) this.#left.push(folder);
    }
    if (this.#left.length > leftFoldersMax) this.#leaveFolders();
    for (const name of names.slice(depth)) {
      const above = this.#path.length === 0 ? tree.root : this.#path.at(-1)?.folder;
      this.#path.push({ name, folder: above === undefined ? undefined : enter(tree, above, name) });
    }
    return this.#path.length === 0 ? tree.root : this.#path.at(-1)?.folder;
  }

  async #compareFile(entry: Entry, folder: TargetFolder, name: string): Promise<void> {
    const file: FileUnderWay = { entry, parts: 1, failed: false };
    const content: Content = entry.content ?? { depth: 0, items: [] };
    let items: PlacedItem[] = [];
    let [start, end] = [0, 0];
    const add = (last: boolean) => {
      file.parts++;
      this.#add(file, folder, compareFile(name, start, last ? entry.size : -1, items));
      items = [];
      start = end;
    };
    for await (const run of readContentRuns(content, this.#options.readList)) {
      for (const item of run) {
        items.push(item);
        end = item.fileOffset + item.length;
        this.#bytes += item.id === null ? 0 : item.length;
        if (this.#bytes < taskBytesMax) continue;
        add(false);
        await this.#send();
      }
    }
    if (end !== entry.size) {
      throw new VarveError("object-damaged", "The content in the catalog is not as long as said.");
    }
    add(true);
    this.#endPart(file);
    if (this.#parts.length >= taskPartsMax) await this.#send();
  }

  #add(file: FileUnderWay, folder: TargetFolder, compare: CompareFile): void {
    const fd = this.#options.tree.pin(folder);
    this.#parts.push({ file, folder, compare: { ...compare, folder: fd } });
  }

  async #send(): Promise<void> {
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    if (parts.length === 0) return;
    this.#leaveFolders();
    const { signal } = this.#options;
    await this.#pool.submit(0, () => this.#compare(parts), signal);
  }

  async #compare(parts: readonly Part[]): Promise<void> {
    const { threads, context, tree } = this.#options;
    const { faults } = await threads.compare({ files: parts.map((part) => part.compare) });
    for (const fault of faults) {
      const { file } = parts[fault.file] as Part;
      if (!file.failed) context.report.failed(pathFromKey(file.entry.key), fault);
      file.failed = true;
    }
    for (const { file, folder } of parts) {
      tree.unpin(folder);
      this.#endPart(file);
    }
  }

  #endPart(file: FileUnderWay): void {
    file.parts--;
    if (file.parts > 0 || file.failed) return;
    this.#options.context.report.counts.verified++;
    this.#options.context.report.done(file.entry);
  }
}

function enter(tree: TargetTree, above: TargetFolder, name: string): TargetFolder | undefined {
  try {
    return tree.child(above, name);
  } catch {
    return undefined;
  }
}

function compareFile(
  name: string,
  offset: number,
  end: number,
  items: readonly PlacedItem[],
): CompareFile {
  const chunks = items.flatMap(({ id }) => (id === null ? [] : [id]));
  const ids = new Uint8Array(chunks.length * idBytes);
  for (const [at, id] of chunks.entries()) ids.set(id, at * idBytes);
  const lengths = Float64Array.from(items, ({ id, length }) => (id === null ? -length : length));
  return { folder: -1, name, offset, end, lengths, ids };
}
