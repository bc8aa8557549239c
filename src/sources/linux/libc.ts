/**
 * The C library, for the system calls that Node lacks. Each neighbour module declares the few
 * functions it needs with `libc.func(...)`. Errors become Node-like system errors with `code`
 * ("ENOENT"), `errno` (negative, as in Node) and `syscall`.
 *
 * Read `errno` at once after a failed call: anything in between may change it.
 */
import os from "node:os";
import koffi from "koffi";
import { VarveError } from "../../base/errors.ts";

function load(): ReturnType<typeof koffi.load> {
  if (process.platform !== "linux") {
    throw new VarveError("system-unsupported", `File trees need Linux; this is ${os.platform()}.`, {
      hint: "Run varve on Linux, or snapshot a stream.",
    });
  }
  // glibc by its name; musl answers to the process's own symbols.
  try {
    return koffi.load("libc.so.6");
  } catch {
    return koffi.load(null);
  }
}

export const libc = load();

export const AT_FDCWD = -100;

const names = new Map<number, string>(
  Object.entries(os.constants.errno).map(([name, value]) => [value, name]),
);

export interface SystemError extends Error {
  code: string;
  errno: number;
  syscall: string;
}

/** "ENOENT" for 2. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** The error of the call that just failed in this thread. */
export function lastSystemError(syscall: string, subject: string): SystemError {
  return systemError(koffi.errno(), syscall, subject);
}

/** The error of a call that failed with this errno, which is above 0. */
export function systemError(errno: number, syscall: string, subject: string): SystemError {
  const code = errnoName(errno);
  const error = new Error(`${code}: ${syscall} '${subject}'`) as SystemError;
  error.code = code;
  error.errno = -errno;
  error.syscall = syscall;
  return error;
}

const scratch = Buffer.alloc(8192);

/**
 * A NUL-terminated C string of a binary string, in scratch memory that the next call overwrites:
 * pass it straight to a synchronous call.
 */
export function cString(raw: string): Buffer {
  if (raw.length >= scratch.length) return Buffer.from(`${raw}\0`, "latin1");
  const length = scratch.latin1Write(raw, 0);
  scratch[length] = 0;
  return scratch;
}

/** Like `cString`, in memory of its own, for calls that take two. */
export function cStringCopy(raw: string): Buffer {
  return Buffer.from(`${raw}\0`, "latin1");
}
