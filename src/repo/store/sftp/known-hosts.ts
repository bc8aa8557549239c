/**
 * The files in which OpenSSH keeps the keys of hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"):
 * patterns and hashed names, `[host]:port`, `@revoked`. Certificates (`@cert-authority`) are passed
 * over: ssh2 knows none. Lines that are not understood count for nothing, as there.
 */
import { createHash, createHmac } from "node:crypto";

export interface KnownKey {
  /** Such as "ssh-ed25519". */
  readonly type: string;
  /** The public key as SSH encodes it. */
  readonly key: Buffer;
  readonly isRevoked: boolean;
}

/** What is known of the key that a host shows. */
export type Verdict = "known" | "unknown" | "changed" | "revoked";

/** The name under which a host is kept. */
export function knownName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** The keys that the file's text has for a name. */
export function knownKeys(text: string, name: string): KnownKey[] {
  const keys: KnownKey[] = [];
  for (const line of text.split(/\r?\n/)) {
    const fields = line.trim().split(/[ \t]+/);
    const marker = fields[0]?.startsWith("@") === true ? fields.shift() : undefined;
    const [hosts = "", type = "", encoded = ""] = fields;
    if (hosts.startsWith("#") || encoded === "") continue;
    if (marker !== undefined && marker !== "@revoked") continue;
    if (!hasName(hosts, name)) continue;
    const key = Buffer.from(encoded, "base64");
    if (typeOfKey(key) === type) keys.push({ type, key, isRevoked: marker !== undefined });
  }
  return keys;
}

export function verdictOn(shown: Buffer, known: readonly KnownKey[]): Verdict {
  const same = known.filter(({ key }) => key.equals(shown));
  if (same.some(({ isRevoked }) => isRevoked)) return "revoked";
  if (same.length > 0) return "known";
  return known.some(({ isRevoked }) => !isRevoked) ? "changed" : "unknown";
}

/** As `ssh-keygen -l` prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** The name of its kind, with which every encoded key begins; "" when it is none. */
export function typeOfKey(key: Buffer): string {
  if (key.length < 4) return "";
  const length = key.readUInt32BE(0);
  return length > 64 ? "" : key.toString("latin1", 4, 4 + length);
}

/**
 * Signatures to ask the host for: of keys that are known first, since a host that has several kinds
 * would else show one that is not (what OpenSSH does as well). SHA-1 is not among them.
 */
export function signaturesFor(known: readonly KnownKey[]): string[] {
  const kinds = new Set(known.filter(({ isRevoked }) => !isRevoked).map(({ type }) => type));
  const isKnown = (signature: string) =>
    kinds.has(signature.startsWith("rsa-") ? "ssh-rsa" : signature);
  return [...signatures.filter(isKnown), ...signatures.filter((each) => !isKnown(each))];
}

const signatures = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

function hasName(hosts: string, name: string): boolean {
  if (hosts.startsWith("|")) return isHashOf(hosts, name);
  let has = false;
  for (const pattern of hosts.split(",")) {
    const isNot = pattern.startsWith("!");
    if (!fits(pattern.slice(isNot ? 1 : 0).toLowerCase(), name)) continue;
    if (isNot) return false;
    has = true;
  }
  return has;
}

/** `|1|salt|HMAC-SHA1(salt, name)` */
function isHashOf(field: string, name: string): boolean {
  const [, kind, salt = "", hash] = field.split("|");
  if (kind !== "1") return false;
  return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
}

/** `*` and `?` as in OpenSSH; all else stands for itself. */
function fits(pattern: string, name: string): boolean {
  if (!/[*?]/.test(pattern)) return pattern === name;
  const source = pattern.replace(/[\\^$.|+()[\]{}]/g, "\\$&").replace(/\*+/g, ".*");
  return new RegExp(`^${source.replaceAll("?", ".")}$`).test(name);
}
