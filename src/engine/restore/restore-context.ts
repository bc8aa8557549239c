/** What all steps of one restore share. */
import type { Entry } from "../../base/entry.ts";
import type { CatalogKey, RawPath } from "../../base/raw-path.ts";
import type { TargetAttributes } from "../../sources/target/target-attributes.ts";
import type { TemporaryNames } from "../../sources/target/target-names.ts";
import type { TargetOwners } from "../../sources/target/target-owners.ts";
import type { TargetTree } from "../../sources/target/target-tree.ts";
import type { HardLinkTable } from "./hard-link-table.ts";
import type { OverwritePolicy } from "./restore-options.ts";
import type { RestoreReport } from "./restore-report.ts";

export interface RestoreContext {
  readonly target: RawPath;
  /** Undefined in a dry run whose target does not exist. */
  readonly tree: TargetTree | undefined;
  readonly names: TemporaryNames;
  readonly owners: TargetOwners;
  readonly links: HardLinkTable;
  readonly report: RestoreReport;
  readonly overwrite: OverwritePolicy;
  readonly delete: boolean;
  readonly dryRun: boolean;
  readonly strip: number;
  /** Not root: folders of our own may need their mode widened to work in them. */
  readonly widenModes: boolean;
  readonly isProcessGone: (pid: number) => boolean;
  /** Keys of what was snapshotted: below these, the snapshot holds folders whole. */
  readonly wholeKeys: ReadonlySet<CatalogKey>;
}

export function attributesOf(context: RestoreContext, entry: Entry): TargetAttributes {
  const { uid, gid, mode } = context.owners.plan(entry);
  const { mtimeNs } = entry;
  if (entry.xattrs === undefined) return { mode, uid, gid, mtimeNs };
  // Copies: the values look at a whole catalog leaf, which would cross threads with them.
  const xattrs = entry.xattrs.map(({ name, value }) => ({ name, value: Uint8Array.from(value) }));
  return { mode, uid, gid, mtimeNs, xattrs };
}

/** The same, for an entry that now gets them: owners that cannot be given are counted. */
export function finalAttributesOf(context: RestoreContext, entry: Entry): TargetAttributes {
  context.owners.count(entry);
  return attributesOf(context, entry);
}

/** Names of the folders and, last, of the entry in the target; empty when all are stripped. */
export function targetNames(key: CatalogKey, strip: number): string[] {
  return key.split("\0").slice(strip);
}

/** Where the entry is in the target, for people. */
export function placeOf({ target, strip }: RestoreContext, key: CatalogKey): RawPath {
  return `${target === "/" ? "" : target}/${targetNames(key, strip).join("/")}` as RawPath;
}

/** Components of a key. */
export function keyDepth(key: string): number {
  let depth = key === "" ? 0 : 1;
  for (let at = key.indexOf("\0"); at >= 0; at = key.indexOf("\0", at + 1)) depth++;
  return depth;
}
