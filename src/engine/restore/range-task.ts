/**
 * What a worker is given at a time: the blobs of one range of a pack, and the files that they fill.
 * When blobs of it turn out to be unreadable, the files that need them are written anew from other
 * copies, if there are any.
 */
import type { BlobReader } from "../../repo/blob-reader.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import { type Written, writeFieldCount } from "../workers/restore-protocol.ts";
import type { WantedBlob } from "./blob-fetcher.ts";
import type { FileWindow, PlannedFile } from "./file-window.ts";

/** A blob of a window with its place and where it goes: file and offset, alternating. */
export interface PlacedBlob extends WantedBlob {
  readonly uses: readonly number[];
}

export class RangeTask {
  readonly range: PlacedBlob[] = [];
  /** Made whole by the worker. */
  readonly files: PlannedFile[] = [];
  readonly shared: PlannedFile[] = [];
  readonly writes: Float64Array;
  readonly window: FileWindow;

  /** `isLeftOut`: files, by their number in the window, that are not written. */
  constructor(
    window: FileWindow,
    range: readonly PlacedBlob[],
    isLeftOut: (file: number) => boolean,
  ) {
    this.window = window;
    const numbers = new Map<number, number>();
    const wanted: { blob: number; file: number; at: number }[] = [];
    for (const blob of range) {
      let isWanted = false;
      for (let use = 0; use < blob.uses.length; use += 2) {
        const file = blob.uses[use] as number;
        if (isLeftOut(file)) continue;
        isWanted = true;
        if (!numbers.has(file)) numbers.set(file, this.#add(window.files[file] as PlannedFile));
        wanted.push({ blob: this.range.length, file, at: blob.uses[use + 1] as number });
      }
      if (isWanted) this.range.push(blob);
    }
    this.writes = new Float64Array(wanted.length * writeFieldCount);
    for (const [number, { blob, file, at }] of wanted.entries()) {
      const ordinal = numbers.get(file) as number;
      const isShared = (window.files[file] as PlannedFile).span !== undefined;
      const place = isShared ? this.files.length + ordinal : ordinal;
      this.writes.set([blob, place, at], number * writeFieldCount);
    }
  }

  get isEmpty(): boolean {
    return this.range.length === 0;
  }

  /** As the worker numbers them. */
  get all(): readonly PlannedFile[] {
    return [...this.files, ...this.shared];
  }

  #add(file: PlannedFile): number {
    return (file.span === undefined ? this.files : this.shared).push(file) - 1;
  }

  /** The files of which the worker could not read a blob. */
  unreadFiles({ faults }: Written): Set<PlannedFile> {
    const unread = faults.filter(({ operation }) => operation === "read");
    if (unread.length === 0) return new Set();
    const { all } = this;
    return new Set(unread.map(({ file }) => all[file] as PlannedFile));
  }
}

/** What was written without what is told of `files`. */
export function withoutFaultsOf(
  task: RangeTask,
  written: Written,
  files: ReadonlySet<PlannedFile>,
): Written {
  const { all } = task;
  const faults = written.faults.filter(({ file }) => !files.has(all[file] as PlannedFile));
  return { ...written, faults };
}

/**
 * A task that writes those of `unread` whose blobs of this task all have a copy that opens;
 * undefined when there are none. Reads each of these blobs, which only damage makes worth while.
 */
export async function spareTask(
  blobs: Pick<BlobReader, "findIntact">,
  { window, range }: RangeTask,
  unread: ReadonlySet<PlannedFile>,
): Promise<RangeTask | undefined> {
  const left = new Set([...window.files.keys()].filter((at) => unread.has(fileOf(window, at))));
  const spares: PlacedBlob[] = [];
  for (const { id, uses } of range) {
    const files = uses.filter((file, at) => at % 2 === 0 && left.has(file));
    if (files.length === 0) continue;
    const intact = await blobs.findIntact(BlobKind.data, id);
    if (intact === undefined) for (const file of files) left.delete(file);
    else {
      const { place, base } = intact;
      spares.push(base === undefined ? { id, uses, place } : { id, uses, place, base });
    }
  }
  return left.size === 0 ? undefined : new RangeTask(window, spares, (file) => !left.has(file));
}

const fileOf = (window: FileWindow, at: number) => window.files[at] as PlannedFile;
