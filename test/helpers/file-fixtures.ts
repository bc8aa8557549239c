/**
 * A file tree with one of everything that a file system can hold: what a snapshot must store and a
 * restore must bring back. It has to be made by root; whatever the system refuses is an error, but
 * for the few attributes that containers deny, which are listed in `refused`.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import {
  bytes,
  encodeAcl,
  encodeCapabilities,
  inFolder,
  mknod,
  openFolder,
  setTimes,
  setXattr,
} from "./file-calls.ts";

export { compareTrees } from "./compare-trees.ts";

const { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK } = fs.constants;

/** All paths are relative to `dir`, as binary strings. */
export interface RichTree {
  readonly dir: string;
  readonly sockets: readonly string[];
  /** Groups of names of one inode each. */
  readonly hardLinks: readonly (readonly string[])[];
  readonly sparse: readonly string[];
  /** A file whose path, from `dir` on, is longer than 4,096 bytes. */
  readonly deepFile: string;
  /** Attributes that this system did not let us set. */
  readonly refused: readonly string[];
}

/** Nanoseconds; before 1970, just after it, an ordinary moment, after 2038. */
export const oddTimes = {
  "time-1969": -1_500_000_001n,
  "time-1970": 1n,
  "time-2001": 1_000_000_000_123_456_789n,
  "time-2040": 2_208_988_800_987_654_321n,
} as const;

class TreeMaker {
  readonly dir: string;
  readonly refused: string[] = [];
  #time = 1_600_000_000_000_000_000n;

  constructor(dir: string) {
    this.dir = dir;
  }

  at(path: string): string {
    return `${this.dir}/${path}`;
  }

  /** Another odd time for each entry. */
  stamp(path: string): void {
    this.#time += 86_400_123_456_789n;
    setTimes(this.at(path), this.#time);
  }

  folder(path: string, mode = 0o755): void {
    fs.mkdirSync(bytes(this.at(path)));
    fs.chmodSync(bytes(this.at(path)), mode);
  }

  file(path: string, content: string | Uint8Array = path, mode = 0o644): void {
    fs.writeFileSync(bytes(this.at(path)), content);
    fs.chmodSync(bytes(this.at(path)), mode);
    this.stamp(path);
  }

  symlink(path: string, target: string): void {
    fs.symlinkSync(bytes(target), bytes(this.at(path)));
    this.stamp(path);
  }

  link(path: string, other: string): void {
    fs.linkSync(bytes(this.at(path)), bytes(this.at(other)));
  }

  node(path: string, mode: number, major = 0, minor = 0): void {
    mknod(this.at(path), mode, major, minor);
    this.stamp(path);
  }

  own(path: string, uid: number, gid: number): void {
    fs.lchownSync(bytes(this.at(path)), uid, gid);
  }

  xattr(path: string, name: string, value: string | Uint8Array): void {
    setXattr(this.at(path), name, Buffer.from(value as string, "latin1"));
  }

  /** For names that need a privilege which containers do not have. */
  xattrIfAllowed(path: string, name: string, value: string): void {
    try {
      this.xattr(path, name, value);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EPERM" && code !== "EOPNOTSUPP") throw error;
      this.refused.push(`${name} of ${path}`);
    }
  }
}

/** Bytes that do not compress and are the same on every run. */
export function noise(length: number, seed = 1): Buffer {
  const out = Buffer.alloc(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state;
  }
  return out;
}

function makeFiles(make: TreeMaker): void {
  make.folder("files");
  make.file("files/empty", "");
  make.file("files/one-byte", "x");
  make.file("files/text", "a varve is one year's layer in a lake bed\n".repeat(1000));
  make.file("files/noise", noise(3_000_000));
  make.file("files/zeros", Buffer.alloc(300_000));
  make.file("files/same-as-text", "a varve is one year's layer in a lake bed\n".repeat(1000));
  for (const [name, timeNs] of Object.entries(oddTimes)) {
    make.file(`files/${name}`);
    setTimes(make.at(`files/${name}`), timeNs);
  }
}

function makeNames(make: TreeMaker): void {
  make.folder("names");
  const names = [
    "not-utf8-\xff\xfe\x80",
    Buffer.from("grüße-日本-🏔", "utf8").latin1Slice(),
    "n".repeat(255),
    Buffer.from("é".repeat(127), "utf8").latin1Slice(),
    "new\nline",
    "back\\slash",
    "control\x01\x7f\t",
    " space ",
    "-dash",
    "star*[a]?{b}",
    ".hidden",
    "...",
    "\x01",
    "\xff",
  ];
  for (const name of names) make.file(`names/${name}`);
  // Siblings whose bytes sort around "/": the order of keys is not that of paths.
  for (const name of ["a!", "a-b", "a.b", "a0", "a b"]) make.file(`names/${name}`);
  make.folder("names/a");
  make.file("names/a/inside");
  make.stamp("names/a");
  make.folder("names/folder-\xff\x80");
  make.file("names/folder-\xff\x80/inside");
  make.stamp("names/folder-\xff\x80");
}

function makeLinks(make: TreeMaker): string[][] {
  make.folder("links");
  make.folder("links/one");
  make.folder("links/two");
  make.file("links/one/first", noise(10_000, 7));
  make.link("links/one/first", "links/one/second");
  make.link("links/one/first", "links/two/third");
  make.symlink("links/to-folder", "one");
  make.symlink("links/to-file", "one/first");
  make.symlink("links/dangling", "/nowhere/at all");
  make.symlink("links/not-utf8", "../names/\xff\xfe");
  make.symlink("links/long-target", `x/${"y".repeat(4000)}`);
  make.symlink("links/owned", "owner");
  make.own("links/owned", 1234, 5678);
  make.symlink("links/one/linked-link", "itself");
  make.link("links/one/linked-link", "links/two/linked-link");
  make.node("links/one/linked-fifo", S_IFIFO | 0o600);
  make.link("links/one/linked-fifo", "links/two/linked-fifo");
  for (const name of ["one", "two"]) make.stamp(`links/${name}`);
  return [
    ["links/one/first", "links/one/second", "links/two/third"],
    ["links/one/linked-link", "links/two/linked-link"],
    ["links/one/linked-fifo", "links/two/linked-fifo"],
  ];
}

function makeNodes(make: TreeMaker): string[] {
  make.folder("nodes");
  make.node("nodes/fifo", S_IFIFO | 0o640);
  make.node("nodes/null", S_IFCHR | 0o666, 1, 3);
  make.node("nodes/loop", S_IFBLK | 0o660, 7, 99);
  make.node("nodes/large-numbers", S_IFCHR | 0o600, 511, 1_000_000);
  make.own("nodes/loop", 0, 6);
  make.node("nodes/socket", S_IFSOCK | 0o755);
  return ["nodes/socket"];
}

/** Data at some places of a file of this size; the rest are holes. */
function makeSparse(make: TreeMaker, path: string, size: number, places: readonly number[]): void {
  const fd = fs.openSync(bytes(make.at(path)), "w", 0o644);
  for (const place of places) fs.writeSync(fd, noise(65_536, place + 1), 0, 65_536, place);
  fs.ftruncateSync(fd, size);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  make.stamp(path);
}

function makeSparseFiles(make: TreeMaker): string[] {
  const mebi = 1 << 20;
  make.folder("sparse");
  makeSparse(make, "sparse/hole-first", 4 * mebi + 65_536, [4 * mebi]);
  makeSparse(make, "sparse/hole-last", 5 * mebi + 17, [0]);
  makeSparse(make, "sparse/holes-between", 40 * mebi, [mebi, 9 * mebi, 30 * mebi]);
  makeSparse(make, "sparse/only-hole", 2 ** 33 + 5, []);
  makeSparse(make, "sparse/far", 2 ** 33, [2 ** 33 - 65_536]);
  return ["hole-first", "hole-last", "holes-between", "only-hole", "far"].map((n) => `sparse/${n}`);
}

function makeModes(make: TreeMaker): void {
  make.folder("modes");
  make.file("modes/none", "secret", 0);
  make.file("modes/owned", "owned", 0o640);
  make.own("modes/owned", 1234, 5678);
  make.file("modes/nobody", "nobody's");
  make.own("modes/nobody", 65534, 65534);
  make.file("modes/large-ids", "large");
  make.own("modes/large-ids", 4_294_967_293, 4_294_967_292);
  for (const [name, mode] of Object.entries({ setuid: 0o4755, setgid: 0o2755, both: 0o6711 })) {
    make.file(`modes/${name}`);
    make.own(`modes/${name}`, 1234, 5678);
    fs.chmodSync(make.at(`modes/${name}`), mode);
    make.stamp(`modes/${name}`);
  }
  make.folder("modes/sticky", 0o1777);
  make.folder("modes/setgid-folder", 0o2775);
  make.own("modes/setgid-folder", 0, 5678);
  fs.chmodSync(make.at("modes/setgid-folder"), 0o2775);
  make.folder("modes/read-only");
  make.file("modes/read-only/inside", "inside", 0o400);
  make.folder("modes/read-only/empty", 0o700);
  make.stamp("modes/read-only/empty");
  fs.chmodSync(make.at("modes/read-only"), 0o500);
  for (const name of ["sticky", "setgid-folder", "read-only"]) make.stamp(`modes/${name}`);
}

const accessAcl = encodeAcl([
  ["owner", 6],
  ["user", 7, 1234],
  ["ownerGroup", 4],
  ["group", 5, 5678],
  ["mask", 7],
  ["other", 0],
]);

function makeAttributes(make: TreeMaker): void {
  make.folder("attributes");
  make.file("attributes/user");
  make.xattr("attributes/user", "user.empty", "");
  make.xattr("attributes/user", "user.binary", "\x00\xff\x00line\n");
  make.xattr("attributes/user", "user.name-\xc3\xa9\xff", "not UTF-8");
  make.xattr("attributes/user", "user.large", "v".repeat(2000));
  make.file("attributes/linked");
  make.xattr("attributes/linked", "user.linked", "yes");
  make.link("attributes/linked", "attributes/linked-too");
  make.file("attributes/acl");
  make.xattr("attributes/acl", "system.posix_acl_access", accessAcl);
  make.file("attributes/capable", "#!", 0o755);
  make.xattr("attributes/capable", "security.capability", encodeCapabilities(1 << 10));
  make.folder("attributes/folder");
  make.xattr("attributes/folder", "user.folder", "yes");
  make.xattr("attributes/folder", "system.posix_acl_access", accessAcl);
  make.folder("attributes/default-acl");
  make.file("attributes/default-acl/before");
  make.xattr("attributes/default-acl", "system.posix_acl_default", accessAcl);
  make.file("attributes/default-acl/after");
  make.folder("attributes/default-acl/folder");
  make.stamp("attributes/default-acl/folder");
  make.node("attributes/fifo", S_IFIFO | 0o600);
  make.xattr("attributes/fifo", "system.posix_acl_access", accessAcl);
  make.node("attributes/device", S_IFCHR | 0o600, 1, 3);
  make.xattr("attributes/device", "system.posix_acl_access", accessAcl);
  make.symlink("attributes/symlink", "user");
  for (const name of ["user", "folder", "symlink", "fifo"]) {
    make.xattrIfAllowed(`attributes/${name}`, "trusted.varve", "trusted");
  }
  make.stamp("attributes/folder");
  make.stamp("attributes/default-acl");
}

/** Folders in folders until the path is longer than the 4,096 bytes that one call takes. */
function makeDeep(make: TreeMaker): string {
  make.folder("deep");
  let path = "deep";
  const fds = [openFolder(make.at("deep"))];
  while (path.length < 5000) {
    const name = `${fds.length}-`.padEnd(200, "d");
    const place = inFolder(fds.at(-1) ?? -1, name);
    fs.mkdirSync(place);
    fds.push(openFolder(place));
    path += `/${name}`;
    const level = inFolder(fds.at(-1) ?? -1, "level");
    fs.writeFileSync(level, path);
    setTimes(level, BigInt(path.length));
  }
  const last = fds.at(-1) ?? -1;
  fs.writeFileSync(inFolder(last, "bottom"), noise(100_000, 9));
  setXattr(inFolder(last, "bottom"), "user.deep", Buffer.from("yes"));
  fs.symlinkSync("bottom", inFolder(last, "link"));
  mknod(inFolder(last, "fifo"), S_IFIFO | 0o644);
  for (const name of ["bottom", "link", "fifo"]) setTimes(inFolder(last, name), 1_111_111_111n);
  for (const fd of fds.reverse()) {
    setTimes(inFolder(fd, "."), 1_500_000_000_000_000_000n + BigInt(fds.length));
    fs.closeSync(fd);
  }
  return `${path}/bottom`;
}

/** Fills `dir`, which must be an empty folder, with one of everything. */
export async function makeRichTree(dir: string): Promise<RichTree> {
  const make = new TreeMaker(dir);
  makeFiles(make);
  makeNames(make);
  const hardLinks = makeLinks(make);
  const sockets = makeNodes(make);
  const sparse = makeSparseFiles(make);
  makeModes(make);
  makeAttributes(make);
  const deepFile = makeDeep(make);
  hardLinks.push(["attributes/linked", "attributes/linked-too"]);
  make.folder("empty-folder", 0o711);
  for (const name of fs.readdirSync(dir)) make.stamp(name);
  fs.chmodSync(dir, 0o750);
  setTimes(dir, 1_234_567_890_987_654_321n);
  return { dir, sockets, hardLinks, sparse, deepFile, refused: make.refused };
}

/** `count` empty files "f000000"… in one new folder. */
export function makeManyFiles(dir: string, count: number): void {
  fs.mkdirSync(dir);
  for (let i = 0; i < count; i++) {
    fs.closeSync(fs.openSync(`${dir}/f${String(i).padStart(6, "0")}`, "w"));
  }
}

/** Removes a tree of any depth. */
export function removeTree(dir: string): void {
  const { status, stderr } = spawnSync("rm", ["-rf", "--", dir], { encoding: "utf8" });
  if (status !== 0) throw new Error(`rm: ${stderr}`);
}
