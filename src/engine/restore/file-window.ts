/**
 * A window: as many files in catalog order as are planned together, bounded in content bytes,
 * files and folders. Within a window each blob is opened once however often it occurs, and each
 * range of a pack is read once; across windows nothing is kept. A file that is larger than a
 * window goes on in the next.
 */
import type { ContentItem, Entry } from "../../base/entry.ts";
import type { BlobId } from "../../base/ids.ts";
import type { TargetFile } from "../../sources/target/target-file.ts";
import type { TargetFolder } from "../../sources/target/target-tree.ts";
import type { FolderFrame } from "./folder-frames.ts";

const windowBytesMax = 64 * 1024 * 1024;
const windowFilesMax = 3000;
/** Their folders stay open until the window is done. */
const windowFoldersMax = 256;
/** They may all be open at once. */
const windowLongFilesMax = 256;
const windowLinksMax = 20_000;

/** A file as far as it is in one window. */
export interface PlannedFile {
  readonly entry: Entry;
  readonly target: TargetFile;
  readonly folder: TargetFolder;
  /** Written by several tasks; completed by the main thread. */
  span: FileSpan | undefined;
  /** Its first chunk is in this window. */
  readonly isFirst: boolean;
  /** Its last chunk is in this window. */
  isLast: boolean;
  chunks: number;
}

/** A file that several tasks, perhaps of several windows, write into. */
export interface FileSpan {
  /** Descriptor; -1 before it is created and after it is closed. */
  fd: number;
  /** Already told; nothing more is written. */
  failed: boolean;
}

/** A further name of a file, made when the first is complete. */
export interface PlannedLink {
  readonly entry: Entry;
  readonly folder: TargetFolder;
  readonly name: string;
}

export class FileWindow {
  readonly files: PlannedFile[] = [];
  readonly links: PlannedLink[] = [];
  /** Folders that were left, inner ones first. */
  readonly left: FolderFrame[] = [];
  /** Blobs with the length that the catalog gives them. */
  readonly blobs: { readonly id: BlobId; readonly length: number; readonly uses: number[] }[] = [];
  readonly #blobOrdinals = new Map<string, number>();
  readonly #folders = new Set<TargetFolder>();
  #bytes = 0;
  #longFiles = 0;

  get isFull(): boolean {
    return (
      this.#bytes >= windowBytesMax ||
      this.files.length >= windowFilesMax ||
      this.links.length + this.left.length >= windowLinksMax ||
      this.#folders.size >= windowFoldersMax ||
      this.#longFiles >= windowLongFilesMax
    );
  }

  get isEmpty(): boolean {
    return this.files.length + this.links.length + this.left.length === 0;
  }

  /** Ordinal of the file in this window. */
  addFile(file: PlannedFile): number {
    this.#folders.add(file.folder);
    return this.files.push(file) - 1;
  }

  addLink(link: PlannedLink): void {
    this.links.push(link);
  }

  /** A chunk of file number `file`. */
  addChunk(file: number, { id, length }: ContentItem & { readonly id: BlobId }, at: number): void {
    const planned = this.files[file] as PlannedFile;
    planned.chunks++;
    if (planned.chunks === 2) this.#longFiles++;
    // The same id with another length is damage, and must not hide behind the right one.
    const key = `${Buffer.from(id.buffer, id.byteOffset, id.length).latin1Slice()}${length}`;
    let ordinal = this.#blobOrdinals.get(key);
    if (ordinal === undefined) {
      ordinal = this.blobs.push({ id, length, uses: [] }) - 1;
      this.#blobOrdinals.set(key, ordinal);
      this.#bytes += length;
    }
    (this.blobs[ordinal] as { uses: number[] }).uses.push(file, at);
  }
}
