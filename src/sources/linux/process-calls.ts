/**
 * Who this process is, and which numbers the users and groups of a snapshot have on this host.
 *
 * getpwnam and getgrnam answer in memory that the next call overwrites: only the main thread
 * calls them.
 */
import koffi from "koffi";
import { cString, libc } from "./libc.ts";

// The first members are the same in glibc and musl; more follow.
const passwdStart = koffi.struct({ name: "void *", password: "void *", uid: "uint32_t" });
const groupStart = koffi.struct({ name: "void *", password: "void *", gid: "uint32_t" });
const rawGetpwnam = libc.func("getpwnam", koffi.pointer(passwdStart), ["const void *"]);
const rawGetgrnam = libc.func("getgrnam", koffi.pointer(groupStart), ["const void *"]);
const rawGeteuid = libc.func("geteuid", "uint32_t", []);
const rawGetegid = libc.func("getegid", "uint32_t", []);
const rawGetgroups = libc.func("getgroups", "int", ["int", "void *"]);

/** The user's number on this host; undefined when there is no such user. One thread only. */
export function findUid(user: string): number | undefined {
  const found: unknown = rawGetpwnam(cString(user));
  if (found === null) return undefined;
  return (koffi.decode(found, passwdStart) as { uid: number }).uid;
}

/** The group's number on this host; undefined when there is no such group. */
export function findGid(group: string): number | undefined {
  const found: unknown = rawGetgrnam(cString(group));
  if (found === null) return undefined;
  return (koffi.decode(found, groupStart) as { gid: number }).gid;
}

export interface Credentials {
  readonly uid: number;
  /** The effective group and the further ones. */
  readonly gids: ReadonlySet<number>;
}

/** As whom this process acts on files. */
export function credentials(): Credentials {
  const count = Math.max(0, rawGetgroups(0, null) as number);
  const list = Buffer.alloc(4 * Math.max(1, count));
  const filled = Math.max(0, rawGetgroups(count, list) as number);
  const gids = new Set<number>([rawGetegid() as number]);
  for (let at = 0; at < filled; at++) gids.add(list.readUInt32LE(at * 4));
  return { uid: rawGeteuid() as number, gids };
}
