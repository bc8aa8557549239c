/**
 * The named paths of a file source as one tree: what a walk visits on its way from "/" to them.
 * Equal and nested paths fall together here.
 */
import { VarveError } from "../base/errors.ts";
import { displayPath, type RawPath } from "../base/raw-path.ts";

export interface PlanNode {
  /** Named itself: it is taken whole. Otherwise it only lies on the way to a named path. */
  isRoot: boolean;
  /** A symbolic link here is followed: it lies on the way, or was named with "/" at its end. */
  follow: boolean;
  readonly children: Map<string, PlanNode>;
}

const newNode = (): PlanNode => ({ isRoot: false, follow: false, children: new Map() });

/**
 * The path without "//", "." and ".."; the last is taken by its letters, as a shell's `cd` does,
 * not through links. A "/" at the end stays. Throws `usage` for a path that is not absolute.
 */
export function normalizePath(path: RawPath): RawPath {
  if (!path.startsWith("/") || path.includes("\0")) {
    throw new VarveError("usage", `"${displayPath(path)}" is not an absolute path.`, {
      hint: 'Give a path that begins with "/".',
    });
  }
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  const isFolder = names.length > 0 && /\/\.{0,2}$/.test(path);
  return `/${names.join("/")}${isFolder ? "/" : ""}` as RawPath;
}

/** The plan for these absolute paths; its top is "/". */
export function planRoots(roots: readonly RawPath[]): PlanNode {
  const top = newNode();
  top.follow = true;
  for (const root of roots) {
    const path = normalizePath(root);
    let node = top;
    for (const name of path.split("/")) {
      if (name === "") continue;
      node.follow = true;
      const child = node.children.get(name) ?? newNode();
      node.children.set(name, child);
      node = child;
    }
    node.isRoot = true;
    if (path.endsWith("/")) node.follow = true;
  }
  return top;
}
