/** What differs between two entries of the same path, in the terms that people ask in. */
import { bytesEqual } from "../../base/bytes.ts";
import type { Content, Entry, Xattr } from "../../base/entry.ts";

/**
 * type: a folder became a file, for example. content: a file's bytes, a link's target, a device's
 * numbers. meta: mode, owner, mtime, attributes. internal: only what serves change detection and
 * hard links (ctime, inode, device ordinal).
 */
export type EntryDifference = "type" | "content" | "meta" | "internal";

/** The greatest difference; undefined when the entries are equal in everything. */
export function entryDifference(before: Entry, after: Entry): EntryDifference | undefined {
  if (before.type !== after.type) return "type";
  if (!isContentEqual(before, after)) return "content";
  if (!isMetaEqual(before, after)) return "meta";
  const isInternalEqual =
    before.ctimeNs === after.ctimeNs &&
    before.inode === after.inode &&
    before.hardLink === after.hardLink;
  return isInternalEqual ? undefined : "internal";
}

function isContentEqual(a: Entry, b: Entry): boolean {
  return (
    a.size === b.size &&
    a.linkTarget === b.linkTarget &&
    a.rdevMajor === b.rdevMajor &&
    a.rdevMinor === b.rdevMinor &&
    areItemsEqual(a.content, b.content)
  );
}

/** Equal bytes: contents are cut and listed by the bytes alone. */
function areItemsEqual(a: Content | undefined, b: Content | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.depth !== b.depth || a.items.length !== b.items.length) return false;
  return a.items.every((item, at) => {
    const other = b.items[at];
    if (other === undefined || item.length !== other.length) return false;
    if (item.id === null || other.id === null) return item.id === other.id;
    return bytesEqual(item.id, other.id);
  });
}

function isMetaEqual(a: Entry, b: Entry): boolean {
  return (
    a.mode === b.mode &&
    a.mtimeNs === b.mtimeNs &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.user === b.user &&
    a.group === b.group &&
    areXattrsEqual(a.xattrs ?? [], b.xattrs ?? [])
  );
}

/** Both as the catalog gives them: by name. */
function areXattrsEqual(a: readonly Xattr[], b: readonly Xattr[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((xattr, at) => {
    const other = b[at];
    return other?.name === xattr.name && bytesEqual(other.value, xattr.value);
  });
}
