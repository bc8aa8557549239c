/** What can go wrong with one path of a restore target, in a form that crosses threads. */
import type { SystemError } from "../linux/libc.ts";

/** Something about one entry that could not be restored. */
export interface TargetFault {
  /** The step: "create", "write", "owner", "mode", "times", "xattr user.x", "rename"… */
  readonly operation: string;
  /** A system error's name ("EPERM") or a VarveError's code. */
  readonly code: string;
  readonly message: string;
}

export function faultOf(operation: string, error: unknown): TargetFault {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  return { operation, code: typeof code === "string" ? code : "EIO", message };
}

/** An error like those of failed system calls, for what varve itself finds wrong. */
export function systemFault(code: string, message: string): SystemError {
  return Object.assign(new Error(`${code}: ${message}`), { code, errno: 0, syscall: "" });
}

/** Faults after which nothing more can be written: going on would only repeat them. */
export function isFatalFault(code: string): boolean {
  return code === "ENOSPC" || code === "EDQUOT" || code === "EROFS";
}
