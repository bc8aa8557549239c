/** Whether what stands in the target gives way to what the snapshot has. */
import { type EntryMeta, EntryType } from "../../base/entry.ts";
import { entryTypeOf } from "../../sources/entry-type.ts";
import type { StatAt } from "../../sources/linux/write-calls.ts";
import type { OverwritePolicy } from "./restore-options.ts";

/**
 * `create`: nothing is there. `replace`: what is there goes. `keep`: it stays, untouched.
 * `refresh`: its content is taken to be right, its attributes are to be made right.
 */
export type Decision = "create" | "replace" | "keep" | "refresh";

export function decideOverwrite(
  policy: OverwritePolicy,
  entry: EntryMeta,
  existing: StatAt | undefined,
): Decision {
  if (existing === undefined) return "create";
  switch (policy) {
    case "always":
      return "replace";
    case "never":
      return "keep";
    case "if-newer":
      return entry.mtimeNs > existing.mtimeNs ? "replace" : "keep";
    case "if-changed":
      return looksUnchanged(entry, existing) ? "refresh" : "replace";
  }
}

/** The rule by which snapshots skip files, as far as a restored file can meet it. */
function looksUnchanged(entry: EntryMeta, existing: StatAt): boolean {
  if (entryTypeOf(existing.mode) !== entry.type || existing.mtimeNs !== entry.mtimeNs) return false;
  return entry.type !== EntryType.file || existing.size === entry.size;
}
