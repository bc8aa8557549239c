/** What a walk says of entries that it cannot deliver. */
import os from "node:os";
import { getSystemErrorMap } from "node:util";
import { type CatalogKey, pathFromKey } from "../base/raw-path.ts";
import { errnoName } from "./linux/libc.ts";
import type { WalkProblem, WalkProblemKind } from "./source-entry.ts";

const { ENOENT, ESTALE } = os.constants.errno;
const systemTexts = getSystemErrorMap();
const ownTexts = new Map([
  [ESTALE, "the folder was moved or replaced while its content was being read"],
]);

/** `isNamed`: the user named this path, so that it cannot just have vanished. */
export function walkFailure(
  key: CatalogKey,
  operation: string,
  errno: number,
  isNamed: boolean,
): WalkProblem {
  const isVanished = errno === ENOENT && !isNamed;
  const kind = isVanished ? "vanished" : "error";
  const text = ownTexts.get(errno) ?? systemTexts.get(-errno)?.[1] ?? "unknown failure";
  const message = isVanished ? "it vanished while its folder was being read" : text;
  return { key, path: pathFromKey(key), kind, operation, code: errnoName(errno), message };
}

const notes = {
  "socket-skipped": "a socket has no content and is not stored",
  "link-only": 'a symbolic link; name it with "/" at its end to follow it',
} as const satisfies Partial<Record<WalkProblemKind, string>>;

export function walkNote(key: CatalogKey, kind: keyof typeof notes): WalkProblem {
  const path = pathFromKey(key);
  return { key, path, kind, operation: "stat", code: kind, message: notes[kind] };
}
