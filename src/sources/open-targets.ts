/**
 * How the files that a walk met are opened, by whatever thread, when the walk is elsewhere. Nearly
 * all by their paths. A path that is too long for the system is gone down name by name from "/";
 * only where the walk followed a symbolic link on its way to a named path is one followed here.
 */
import fs from "node:fs";
import { type CatalogKey, pathFromKey, type RawPath } from "../base/raw-path.ts";
import { tryOpenFile } from "./file-reader.ts";
import { AT_FDCWD } from "./linux/libc.ts";
import { closeFd, lastErrno, O_CLOEXEC, O_PATH, tryOpenAt } from "./linux/read-calls.ts";
import type { OpenTarget } from "./source-entry.ts";
import { type PlanNode, planRoots } from "./source-plan.ts";

const { O_DIRECTORY, O_NOFOLLOW } = fs.constants;
/** Below PATH_MAX (4,096 with the NUL at the end). */
const openPathMax = 3900;

export class OpenTargets {
  readonly #plan: PlanNode;

  /** For a walk of these roots; throws `usage` when one is not absolute. */
  constructor(roots: readonly RawPath[]) {
    this.#plan = planRoots(roots);
  }

  /** Never throws; see OpenTarget. */
  of(key: CatalogKey): OpenTarget {
    const path = pathFromKey(key);
    return path.length <= openPathMax ? { path } : { fd: this.#open(key) };
  }

  /** The negated errno on failure. */
  #open(key: CatalogKey): number {
    const names = key.split("\0");
    const last = names.pop() ?? "";
    let folder = tryOpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    let node: PlanNode | undefined = this.#plan;
    for (const name of names) {
      if (folder < 0) return -lastErrno();
      node = node?.children.get(name);
      const flags = O_PATH | O_DIRECTORY | O_CLOEXEC | (node?.follow === true ? 0 : O_NOFOLLOW);
      const inner = tryOpenAt(folder, name, flags);
      const errno = inner < 0 ? lastErrno() : 0;
      closeFd(folder);
      if (inner < 0) return -errno;
      folder = inner;
    }
    if (folder < 0) return -lastErrno();
    const fd = tryOpenFile(folder, last);
    closeFd(folder);
    return fd;
  }
}
