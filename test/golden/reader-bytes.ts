/**
 * The second reader's tools: numbers, hashes and ciphers as docs/format.md has them ("Notation",
 * "Hashes and keys"). Nothing here comes from src; see reader.ts.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { createBLAKE3 } from "hash-wasm";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export type JsonObject = { readonly [name: string]: Json };
export type Bytes = Uint8Array;
export type Hash = (data: Bytes | string) => Buffer;

export const hex = (bytes: Bytes) => Buffer.from(bytes).toString("hex");
export const sha256 = (text: string | Bytes) => createHash("sha256").update(text).digest("hex");
export const MiB = 1 << 20;

/** BLAKE3, keyed or not. */
export async function hashOf(key?: Bytes): Promise<Hash> {
  const hasher = await createBLAKE3(256, key);
  return (data) => Buffer.from(hasher.init().update(data).digest("binary"));
}
export const derive = async (key: Bytes, context: string) => (await hashOf(key))(context);

/** "Notation": little-endian integers, varints in their shortest form. */
export class Cursor {
  readonly bytes: Buffer;
  at = 0;
  constructor(bytes: Bytes) {
    this.bytes = Buffer.from(bytes);
  }
  take(count: number): Buffer {
    assert.ok(count <= this.bytes.length - this.at, "it ends too early");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  u8 = () => this.take(1).readUInt8();
  u16 = () => this.take(2).readUInt16LE();
  u32 = () => this.take(4).readUInt32LE();
  u64 = () => this.take(8).readBigUInt64LE();
  i64 = () => this.take(8).readBigInt64LE();
  text = (count: number) => new TextDecoder("utf-8", { fatal: true }).decode(this.take(count));
  varint(): number {
    let value = 0n;
    for (let count = 0; ; count++) {
      assert.ok(count < 8, "a varint has at most 8 bytes");
      const byte = this.u8();
      value += BigInt(byte & 127) << BigInt(7 * count);
      if (byte < 128) {
        assert.ok(byte > 0 || count === 0, "a varint has its shortest form");
        break;
      }
    }
    assert.ok(value <= 2n ** 53n - 1n, "a varint is below 2^53");
    return Number(value);
  }
  list<T>(read: () => T): T[] {
    const count = this.varint();
    assert.ok(count <= this.bytes.length - this.at, "a count fits what is left");
    return Array.from({ length: count }, read);
  }
  rest = () => this.take(this.bytes.length - this.at);
  end = () => assert.equal(this.at, this.bytes.length, "nothing follows");
}

/** "Object header"; a cursor behind it. */
export function open(bytes: Bytes, kind: string): Cursor {
  const cursor = new Cursor(bytes);
  assert.equal(cursor.take(5).toString("latin1"), `VARV${kind}`);
  assert.equal(cursor.u8(), 1, "version");
  assert.equal(cursor.u16(), 0, "flags");
  return cursor;
}

/** "Small sealed objects" from the nonce on. */
export const openSmall = (key: Bytes, nonce: Bytes, sealed: Bytes, aad: Bytes) =>
  Buffer.from(xchacha20poly1305(key, nonce, aad).decrypt(sealed));

export function openBulk(
  cipher: number,
  key: Bytes,
  nonce: Bytes,
  sealed: Bytes,
  aad: Bytes,
): Buffer {
  assert.ok(cipher === 1 || cipher === 2, "cipher");
  const suite = cipher === 1 ? gcm : chacha20poly1305;
  return Buffer.from(suite(key, nonce, aad).decrypt(sealed));
}

export function nonce(domain: number, offset: number): Buffer {
  const bytes = Buffer.alloc(12, 0);
  bytes.writeUInt32LE(domain);
  bytes.writeBigUInt64LE(BigInt(offset), 4);
  return bytes;
}

export function padme(size: number): number {
  const e = Math.floor(Math.log2(size));
  const unit = 2 ** (e - Math.floor(Math.log2(e)) - 1);
  return Math.ceil(size / unit) * unit;
}

/** "Canonical" */
export function canonical(value: Json): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = fields.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`);
  return `{${texts.join(",")}}`;
}

/** A key file's line: the secret. */
export function readKeyFile(path: string): Buffer {
  const [, secret = ""] = readFileSync(path, "utf8").trim().split(":");
  return Buffer.from(secret, "hex");
}
