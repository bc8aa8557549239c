/** Runs a walk to its end and writes down what it yields, for tests. */
import { EntryType } from "../../src/base/entry.ts";
import { type CatalogKey, pathFromKey, type RawPath } from "../../src/base/raw-path.ts";
import { OpenTargets } from "../../src/sources/open-targets.ts";
import {
  type OpenTarget,
  type SourceEntry,
  TreeWalker,
  type TreeWalkerOptions,
  type WalkProblem,
} from "../../src/sources/tree-walker.ts";

export interface Walked {
  readonly entry: SourceEntry;
  readonly xattrs: readonly string[];
  readonly link: string | undefined;
  readonly target: OpenTarget | undefined;
}

export interface WalkReport {
  readonly entries: Map<string, Walked>;
  /** Paths in the order in which they came. */
  readonly paths: string[];
  readonly keys: CatalogKey[];
  readonly problems: WalkProblem[];
}

function look(walker: TreeWalker, targets: OpenTargets, entry: SourceEntry): Walked {
  const isFile = entry.type === EntryType.file;
  return {
    entry,
    xattrs: isFile
      ? []
      : walker
          .xattrs()
          .map(({ name, value }) => `${name}=${Buffer.from(value).toString("latin1")}`),
    link: entry.type === EntryType.symlink ? walker.readLink() : undefined,
    target: isFile ? targets.of(entry.key) : undefined,
  };
}

/** `onEntry` is called while the walk is suspended at the entry. */
export function walkAll(
  options: Omit<TreeWalkerOptions, "roots"> & { readonly roots: readonly string[] },
  onEntry: (path: RawPath, walked: Walked) => void = () => undefined,
): WalkReport {
  const roots = options.roots as readonly RawPath[];
  const walker = new TreeWalker({ ...options, roots });
  const targets = new OpenTargets(roots);
  const report: WalkReport = { entries: new Map(), paths: [], keys: [], problems: [] };
  for (const item of walker.walk()) {
    if ("problem" in item) {
      report.problems.push(item.problem);
      continue;
    }
    const path = pathFromKey(item.key);
    const walked = look(walker, targets, item);
    report.entries.set(path, walked);
    report.paths.push(path);
    report.keys.push(item.key);
    onEntry(path, walked);
  }
  return report;
}

/** Problems in one line each: "kind operation code path". */
export const problemLines = (report: WalkReport) =>
  report.problems.map(({ kind, operation, code, path }) => `${kind} ${operation} ${code} ${path}`);
