/** What dumps have in common. */
import type { Entry } from "../../base/entry.ts";
import type { RawPath } from "../../base/raw-path.ts";
import type { DumpStep } from "./content-stream.ts";

/** Takes a piece of output; resolves when more may come. The piece may be reused after. */
export type WriteOutput = (bytes: Uint8Array) => Promise<void>;

/** An entry that the archive cannot hold, or not as it is. */
export interface DumpProblem {
  readonly path: RawPath;
  readonly message: string;
}

export interface DumpOptions {
  /** Worker threads; as many as the machine runs at once when not given. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProblem?: (problem: DumpProblem) => void;
}

export interface DumpResult {
  readonly entries: number;
  /** Sum of the sizes of the files. */
  readonly bytes: number;
  readonly problems: number;
}

export interface ArchiveInput {
  readonly steps: AsyncIterable<DumpStep>;
  /** Name in the archive, as a binary string; without leading "/". */
  readonly nameOf: (entry: Entry) => string;
  /** Name in the archive of the same file, when this entry is a further name of it. */
  readonly firstNameOf: (entry: Entry) => string | undefined;
  readonly problem: (entry: Entry, message: string) => void;
}
