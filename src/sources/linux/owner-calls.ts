/**
 * Names of users and groups by number, from the system's user database.
 *
 * getpwuid and getgrgid answer in memory that the next call overwrites: only the main thread calls
 * them. The first member of both structures is the name, in glibc and in musl.
 */
import koffi from "koffi";
import { libc } from "./libc.ts";

const named = koffi.struct({ name: "char *" });
const rawGetpwuid = libc.func("getpwuid", koffi.pointer(named), ["uint32_t"]);
const rawGetgrgid = libc.func("getgrgid", koffi.pointer(named), ["uint32_t"]);

function nameIn(found: unknown): string {
  if (found === null) return "";
  return (koffi.decode(found, named) as { name: string | null }).name ?? "";
}

/** "" when there is no such user. */
export function userName(uid: number): string {
  return nameIn(rawGetpwuid(uid));
}

/** "" when there is no such group. */
export function groupName(gid: number): string {
  return nameIn(rawGetgrgid(gid));
}
