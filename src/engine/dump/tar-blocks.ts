/**
 * The blocks of a tar archive in the pax format (POSIX.1-2001, "pax Interchange Format").
 *
 * Made here, since the libraries take names and attribute values as text, and ours are bytes.
 * Whatever does not fit the old header goes into a pax header before it: names as raw bytes, as GNU
 * tar writes them, exact times, large numbers, extended attributes as SCHILY.xattr.NAME, as star,
 * GNU tar and bsdtar do.
 */
import { type Entry, EntryType } from "../../base/entry.ts";

export const tarBlockBytes = 512;
/** Two blocks of zeros. */
export const tarEnd: Uint8Array = Buffer.alloc(2 * tarBlockBytes);

const secondNs = 1_000_000_000n;
const nameMax = 100;
const ownerNameMax = 31;

/** Field lengths: all but the last byte are octal digits. */
const octalMax = (digits: number) => 8 ** digits - 1;
const idMax = octalMax(7);
const sizeMax = octalMax(11);

const typeFlags = {
  [EntryType.file]: "0",
  [EntryType.symlink]: "2",
  [EntryType.charDevice]: "3",
  [EntryType.blockDevice]: "4",
  [EntryType.folder]: "5",
  [EntryType.fifo]: "6",
} as const;
const furtherNameFlag = "1";
const paxFlag = "x";

export interface TarMember {
  readonly entry: Entry;
  /** A binary string; folders end in "/". */
  readonly name: string;
  /** Set for further names of a file: they have no content of their own. */
  readonly firstName: string | undefined;
}

/** Zeros that fill the last block of `size` bytes. */
export function tarPadding(size: number): Uint8Array {
  const rest = size % tarBlockBytes;
  return tarEnd.subarray(0, rest === 0 ? 0 : tarBlockBytes - rest);
}

/** All blocks before the content. */
export function tarHeaders(member: TarMember): Uint8Array {
  const { entry, name, firstName } = member;
  const { type, mode, uid, gid, user, group } = entry;
  const linkName = firstName ?? entry.linkTarget ?? "";
  const seconds = floorSeconds(entry.mtimeNs);
  const pax = paxRecords(member, linkName);
  const block = headerBlock({
    name: plain(name, nameMax),
    flag: firstName === undefined ? typeFlags[type] : furtherNameFlag,
    mode,
    uid: Math.min(uid, idMax),
    gid: Math.min(gid, idMax),
    size: firstName === undefined && type === EntryType.file ? entry.size : 0,
    seconds: isOldTime(seconds) ? Number(seconds) : 0,
    linkName: plain(linkName, nameMax),
    user: plain(user, ownerNameMax),
    group: plain(group, ownerNameMax),
    major: Math.min(entry.rdevMajor ?? 0, idMax),
    minor: Math.min(entry.rdevMinor ?? 0, idMax),
  });
  if (pax.length === 0) return block;
  return Buffer.concat([paxBlock(pax.length), pax, tarPadding(pax.length), block]);
}

interface HeaderFields {
  readonly name: string;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly linkName: string;
  readonly user: string;
  readonly group: string;
  readonly major: number;
  readonly minor: number;
}

function paxBlock(size: number): Uint8Array {
  const names = { name: "PaxHeader", linkName: "", user: "", group: "" };
  const numbers = { mode: 0o644, uid: 0, gid: 0, seconds: 0, major: 0, minor: 0 };
  return headerBlock({ ...names, ...numbers, flag: paxFlag, size });
}

function headerBlock(fields: HeaderFields): Uint8Array {
  const block = Buffer.alloc(tarBlockBytes);
  const octal = (value: number, at: number, digits: number) =>
    block.latin1Write(value.toString(8).padStart(digits, "0"), at);
  block.latin1Write(fields.name, 0);
  octal(fields.mode, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(Math.min(fields.size, sizeMax), 124, 11);
  octal(fields.seconds, 136, 11);
  block.fill(" ", 148, 156);
  block.latin1Write(fields.flag, 156);
  block.latin1Write(fields.linkName, 157);
  block.latin1Write("ustar\0" + "00", 257);
  block.latin1Write(fields.user, 265);
  block.latin1Write(fields.group, 297);
  octal(fields.major, 329, 7);
  octal(fields.minor, 337, 7);
  let sum = 0;
  for (const byte of block) sum += byte;
  octal(sum, 148, 6);
  block[154] = 0;
  return block;
}

/** ASCII that fits the old header, for programs that do not know pax: the end of a long name. */
function plain(text: string, max: number): string {
  const ascii = text.replace(/[^\x20-\x7e]/g, "_");
  return ascii.length <= max ? ascii : ascii.slice(-max).replace(/^\/+/, "_");
}

function isPlain(text: string, max: number): boolean {
  return text.length <= max && !/[^\x20-\x7e]/.test(text);
}

function floorSeconds(timeNs: bigint): bigint {
  const rest = ((timeNs % secondNs) + secondNs) % secondNs;
  return (timeNs - rest) / secondNs;
}

function isOldTime(seconds: bigint): boolean {
  return seconds >= 0n && seconds <= BigInt(sizeMax);
}

function paxRecords({ entry, name, firstName }: TarMember, linkName: string): Buffer {
  const records: Buffer[] = [];
  const add = (key: string, value: string | Uint8Array) => {
    const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
    records.push(paxRecord(Buffer.from(key, "latin1"), bytes));
  };
  if (!isPlain(name, nameMax)) add("path", name);
  if (!isPlain(linkName, nameMax)) add("linkpath", linkName);
  const isWholeSecond = entry.mtimeNs % secondNs === 0n;
  if (!isWholeSecond || !isOldTime(floorSeconds(entry.mtimeNs))) {
    add("mtime", paxTime(entry.mtimeNs));
  }
  if (entry.size > sizeMax && firstName === undefined) add("size", String(entry.size));
  if (entry.uid > idMax) add("uid", String(entry.uid));
  if (entry.gid > idMax) add("gid", String(entry.gid));
  if (!isPlain(entry.user, ownerNameMax)) add("uname", Buffer.from(entry.user, "utf8"));
  if (!isPlain(entry.group, ownerNameMax)) add("gname", Buffer.from(entry.group, "utf8"));
  for (const { name: xattr, value } of entry.xattrs ?? []) {
    // A "=" in the name would end it for every reader; GNU tar writes it as %3D.
    const key = xattr.replaceAll("%", "%25").replaceAll("=", "%3D");
    add(`SCHILY.xattr.${key}`, value);
  }
  return Buffer.concat(records);
}

/** Decimal seconds; before 1970 the sign covers the fraction, too: -1.5 is half past 23:59:58. */
function paxTime(timeNs: bigint): string {
  const [sign, value] = timeNs < 0n ? ["-", -timeNs] : ["", timeNs];
  const fraction = (value % secondNs).toString().padStart(9, "0").replace(/0+$/, "");
  const whole = `${sign}${value / secondNs}`;
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** "length key=value\n", the length counting itself. */
function paxRecord(key: Uint8Array, value: Uint8Array): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + 1;
  while (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([
    Buffer.from(`${length} `),
    key,
    Buffer.from("="),
    value,
    Buffer.from("\n"),
  ]);
}
