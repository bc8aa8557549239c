/**
 * System calls for tests, apart from those of src: what tests make and compare must not depend on
 * the code under test. Paths are binary strings (one code unit a byte); a name in a deep folder is
 * reached by `inFolder`, so that paths have no length limit.
 */
import fs from "node:fs";
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const rawMknod = libc.func("mknod", "int", ["const void *", "uint32_t", "uint64_t"]);
const rawUtimensat = libc.func("utimensat", "int", ["int", "const void *", "const void *", "int"]);
const rawLsetxattr = libc.func("lsetxattr", "int", [
  "const void *",
  "const void *",
  "const void *",
  "size_t",
  "int",
]);
const rawLgetxattr = libc.func("lgetxattr", "long", [
  "const void *",
  "const void *",
  "void *",
  "size_t",
]);
const rawLlistxattr = libc.func("llistxattr", "long", ["const void *", "void *", "size_t"]);
const rawLseek = libc.func("lseek", "int64_t", ["int", "int64_t", "int"]);
const rawSetgroups = libc.func("setgroups", "int", ["size_t", "const void *"]);
const rawMount = libc.func("mount", "int", [
  "const void *",
  "const void *",
  "const void *",
  "uint64_t",
  "const void *",
]);
const rawUmount2 = libc.func("umount2", "int", ["const void *", "int"]);

const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));

function check(result: number | bigint, what: string): void {
  if (Number(result) >= 0) return;
  const code = names.get(koffi.errno()) ?? "?";
  throw Object.assign(new Error(`${code}: ${what}`), { code });
}

const text = (value: string) => Buffer.from(`${value}\0`, "latin1");

/** What node:fs takes for any binary string. */
export const bytes = (raw: string) => Buffer.from(raw, "latin1");

/** The path of a name in an open folder. */
export const inFolder = (fd: number, name: string) => `/proc/self/fd/${fd}/${name}`;

export function openFolder(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
  return fs.openSync(bytes(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/** `mode` with the type's bits, as S_IFSOCK. */
export function mknod(path: string, mode: number, major = 0, minor = 0): void {
  const [high, low] = [BigInt(major), BigInt(minor)];
  const device = (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n);
  check(rawMknod(text(path), mode, device), `mknod ${path}`);
}

/** Access and modification time; of the link itself when it is a symbolic link. */
export function setTimes(path: string, timeNs: bigint): void {
  const second = 1_000_000_000n;
  const ns = ((timeNs % second) + second) % second;
  const times = Buffer.alloc(32);
  for (const at of [0, 16]) {
    times.writeBigInt64LE((timeNs - ns) / second, at);
    times.writeBigInt64LE(ns, at + 8);
  }
  check(rawUtimensat(-100, text(path), times, 0x100), `utimensat ${path}`);
}

export function setXattr(path: string, name: string, value: Uint8Array): void {
  check(rawLsetxattr(text(path), text(name), value, value.length, 0), `lsetxattr ${name} ${path}`);
}

/** Names in bytewise order, values in hex. */
export function xattrsOf(path: string): [string, string][] {
  const list = Buffer.alloc(65536);
  const length = Number(rawLlistxattr(text(path), list, list.length));
  check(length, `llistxattr ${path}`);
  const found = list.latin1Slice(0, length).split("\0").slice(0, -1).sort();
  const value = Buffer.alloc(65536);
  return found.map((name) => {
    const size = Number(rawLgetxattr(text(path), text(name), value, value.length));
    check(size, `lgetxattr ${name} ${path}`);
    return [name, value.toString("hex", 0, size)];
  });
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Where a file has data: pairs of start and end. */
export function dataExtents(fd: number): [number, number][] {
  const extents: [number, number][] = [];
  for (let at = 0; ; ) {
    const start = Number(rawLseek(fd, at, SEEK_DATA));
    if (start < 0) return extents;
    at = Number(rawLseek(fd, start, SEEK_HOLE));
    check(at, "lseek SEEK_HOLE");
    extents.push([start, at]);
  }
}

/** No further groups; for a child process that gives up root. */
export function dropGroups(): void {
  check(rawSetgroups(0, null), "setgroups");
}

export function mountTmpfs(path: string): void {
  check(rawMount(text("tmpfs"), text(path), text("tmpfs"), 0, null), `mount ${path}`);
}

export function unmount(path: string): void {
  const MNT_DETACH = 2;
  check(rawUmount2(text(path), MNT_DETACH), `umount ${path}`);
}

/** A POSIX ACL as the kernel keeps it in `system.posix_acl_*`; entries are tag, permissions, id. */
export function encodeAcl(entries: readonly (readonly [AclTag, number, number?])[]): Buffer {
  const acl = Buffer.alloc(4 + 8 * entries.length);
  acl.writeUInt32LE(2, 0);
  for (const [at, [tag, permissions, id]] of entries.entries()) {
    acl.writeUInt16LE(aclTags[tag], 4 + at * 8);
    acl.writeUInt16LE(permissions, 6 + at * 8);
    acl.writeUInt32LE(id ?? 0xffffffff, 8 + at * 8);
  }
  return acl;
}

const aclTags = { owner: 1, user: 2, ownerGroup: 4, group: 8, mask: 16, other: 32 };
export type AclTag = keyof typeof aclTags;

/** `security.capability` of version 2 with these capabilities permitted and effective. */
export function encodeCapabilities(permitted: number): Buffer {
  const value = Buffer.alloc(20);
  value.writeUInt32LE(0x02000001, 0);
  value.writeUInt32LE(permitted, 4);
  return value;
}
