/**
 * A second reader of repositories, written from docs/format.md alone: it shares no code with src,
 * and where it can no library either (noble's AES-GCM and ChaCha20-Poly1305 instead of OpenSSL's,
 * hash-wasm's BLAKE3 instead of the native one). It reads every object whole, checks every rule
 * that the page gives, holds everything in memory, and throws at the first fault: what it says of a
 * repository is what the page says.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { argon2id } from "hash-wasm";
import { Decompressor } from "zstd-napi";
import {
  type Bytes,
  Cursor,
  canonical,
  derive,
  type Hash,
  hashOf,
  hex,
  type Json,
  type JsonObject,
  MiB,
  nonce,
  open,
  openBulk,
  openSmall,
  padme,
} from "./reader-bytes.ts";
import { GoldenCatalogs } from "./reader-catalog.ts";

interface Blob {
  readonly code: number;
  readonly id: string;
  readonly offset: number;
  readonly length: number;
  readonly rawLength: number;
  readonly base: string | undefined;
  /** 0 without a base. */
  readonly generation: number;
}
interface Pack {
  readonly id: string;
  readonly key: Bytes;
  readonly cipher: number;
  readonly bytes: Buffer;
  readonly blobs: readonly Blob[];
}
const depthMax = 4;
/** How many bits of the generation are set. */
const depthOf = ({ generation }: Pick<Blob, "generation">) =>
  generation.toString(2).replaceAll("0", "").length;
const codeNames = ["raw", "zstd", "zstd on base"];
const kindNames = ["", "data", "catalog", "list"];

export class GoldenReader {
  readonly #objects = new Map<string, Buffer>();
  readonly #keys = new Map<string, Bytes>();
  #plain: Hash = () => Buffer.alloc(0);
  #idHashes: Hash[] = [];
  #cutSeed = 0;
  readonly #packs = new Map<string, Pack>();
  readonly #places = new Map<string, { pack: Pack; blob: Blob }[]>();
  readonly #blobs = new Map<string, Buffer>();

  /** `secret`: a passphrase, or the 32 bytes of a key file. */
  static async open(folder: string, secret: string | Bytes): Promise<GoldenReader> {
    const reader = new GoldenReader();
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath, file.name);
      if (file.isFile()) reader.#objects.set(relative(folder, path), readFileSync(path));
    }
    reader.#plain = await hashOf();
    for (const [name, bytes] of reader.#objects) reader.#checkName(name, bytes);
    await reader.#unlock(secret);
    return reader;
  }

  /** "Names" */
  #checkName(name: string, bytes: Bytes): void {
    if (/^(packs\/[0-9a-f]{2}|index|snapshots)\//.test(name)) {
      const [hash = ""] = name.split("/").reverse();
      assert.equal(hex(this.#plain(bytes)), hash, `${name} is named by its hash`);
      if (name.startsWith("packs")) assert.equal(name.split("/")[1], hash.slice(0, 2));
    } else {
      const id = "[0-9a-f]{32}";
      const form = `^(varve.json|(keys|sessions|tombstones)/${id}|fences/${id}-${id})$`;
      assert.match(name, new RegExp(form));
    }
  }

  #named(folder: string): [string, Buffer][] {
    return [...this.#objects]
      .filter(([name]) => name.startsWith(`${folder}/`))
      .map(([name, bytes]): [string, Buffer] => [name.slice(name.lastIndexOf("/") + 1), bytes])
      .sort();
  }

  #key(name: string): Bytes {
    const key = this.#keys.get(name);
    assert.ok(key !== undefined, name);
    return key;
  }

  /** "Key slots", the outer part: what the secret opens. */
  async #openSlot(bytes: Bytes, secret: string | Bytes): Promise<Bytes | undefined> {
    const cursor = open(bytes, "K");
    const isPassphrase = cursor.u8() === 1;
    const [memory = 0, passes = 0, lanes = 0] = isPassphrase ? [0, 0, 0].map(cursor.u32) : [];
    const salt = cursor.take(32);
    if (isPassphrase !== (typeof secret === "string")) return undefined;
    const kek =
      typeof secret === "string"
        ? await argon2id({
            password: secret.normalize("NFC"),
            salt,
            memorySize: memory,
            iterations: passes,
            parallelism: lanes,
            hashLength: 32,
            outputType: "binary",
          })
        : (await hashOf(secret))(salt);
    const aad = cursor.bytes.subarray(0, cursor.at);
    return openSmall(kek, cursor.take(24), cursor.take(cursor.u16()), aad);
  }

  /** "Hashes and keys" */
  async #unlock(secret: string | Bytes): Promise<void> {
    for (const [, bytes] of this.#named("keys")) {
      const bundle = await this.#openSlot(bytes, secret);
      if (bundle === undefined) continue;
      assert.equal(bundle.length, 65);
      assert.equal(bundle[0], 1, "the owner's role");
      const [master, chunker] = [bundle.subarray(1, 33), bundle.subarray(33)];
      const ids = await derive(master, "varve v1 ids");
      const index = await derive(master, "varve v1 index");
      for (const name of ["object", "session", "tombstone", "fence"])
        this.#keys.set(name, await derive(index, `varve v1 index ${name}`));
      for (const name of ["pack wrap", "snapshot", "description", "slot info"])
        this.#keys.set(name, await derive(master, `varve v1 ${name}`));
      for (const [kind, name] of kindNames.entries())
        this.#idHashes[kind] = await hashOf(await derive(ids, `varve v1 id ${name}`));
      this.#cutSeed = (await derive(chunker, "varve v1 catalog cut")).readUInt32LE(0);
      return;
    }
    assert.fail("no slot opens");
  }

  /** Everything that the repository says, in the form of expected.json. */
  async read(): Promise<JsonObject> {
    const description = await this.#description();
    const slots = this.#each("keys", (id, bytes) => this.#slotInfo(id, bytes));
    const sessions = this.#each("sessions", (id, bytes) =>
      JSON.parse(this.#small("L", "session", bytes, id).toString()),
    );
    const tombstones = this.#each("tombstones", (id, bytes) => this.#tombstone(id, bytes));
    const fences = this.#each("fences", (id, bytes) => this.#fence(id, bytes));
    const packBytes = new Map(this.#named("packs"));
    for (const [id, bytes] of packBytes) this.#packs.set(id, this.#pack(id, bytes));
    const named = new Set<string>();
    const index: Record<string, Json> = {};
    for (const [id, bytes] of this.#named("index"))
      index[id] = await this.#indexObject(bytes, named, packBytes);
    const dead = new Set(Object.values(tombstones).flatMap((each) => each["packs"] as string[]));
    for (const id of named) assert.ok(dead.has(id) || packBytes.has(id), "what counts is there");
    const packs: Record<string, Json> = {};
    for (const pack of this.#packs.values())
      packs[pack.id] = this.#showPack(pack, named.has(pack.id), dead.has(pack.id));
    const snapshots = this.#each("snapshots", (id, bytes) => this.#snapshot(id, bytes, fences));
    const reader = new GoldenCatalogs((kind, id) => this.#blob(kind, id), this.#cutSeed);
    const catalogs: Record<string, JsonObject> = {};
    for (const [id, { root, totals }] of Object.entries(snapshots)) {
      const catalog = catalogs[root as string] ?? reader.read(root as string);
      assert.deepEqual(totals, catalog["totals"], `totals of snapshot ${id}`);
      catalogs[root as string] = catalog;
    }
    return { description, slots, sessions, tombstones, fences, index, packs, snapshots, catalogs };
  }

  #each(folder: string, read: (id: string, bytes: Buffer) => JsonObject) {
    return Object.fromEntries(this.#named(folder).map(([id, bytes]) => [id, read(id, bytes)]));
  }

  async #description(): Promise<JsonObject> {
    const bytes = this.#objects.get("varve.json");
    assert.ok(bytes !== undefined);
    const all = JSON.parse(bytes.toString()) as JsonObject;
    assert.equal(canonical(all), bytes.toString(), "varve.json is canonical");
    const { mac, ...facts } = all;
    assert.equal(hex((await hashOf(this.#key("description")))(canonical(facts))), mac);
    return all;
  }

  #slotInfo(id: string, bytes: Bytes): JsonObject {
    const cursor = open(bytes, "K");
    const kdf = cursor.u8();
    assert.ok(kdf < 2, "kdf");
    const cost = kdf === 0 ? [] : [cursor.u32(), cursor.u32(), cursor.u32()];
    cursor.take(32 + 24);
    cursor.take(cursor.u16());
    const aad = Buffer.concat([Buffer.from(id, "hex"), cursor.bytes.subarray(0, cursor.at)]);
    const info = openSmall(this.#key("slot info"), cursor.take(24), cursor.take(cursor.u16()), aad);
    cursor.end();
    return { kdf: kdf === 0 ? "key-file" : "argon2id", cost, ...JSON.parse(info.toString()) };
  }

  #small(kind: string, key: string, bytes: Bytes, name: string): Buffer {
    const cursor = open(bytes, kind);
    assert.equal(cursor.u8(), 1, "wrap method");
    assert.equal(cursor.u16(), 0, "wrap length");
    const aad = Buffer.concat([cursor.bytes.subarray(0, cursor.at), Buffer.from(name)]);
    return openSmall(this.#key(key), cursor.take(24), cursor.rest(), aad);
  }

  #tombstone(id: string, bytes: Bytes): JsonObject {
    const cursor = new Cursor(this.#small("T", "tombstone", bytes, id));
    const flags = cursor.u8();
    assert.ok(flags < 2, "flags");
    const replaces = cursor.list(() => hex(cursor.take(16)));
    const packs = cursor.list(() => hex(cursor.take(32)));
    const sessions = cursor.list(() => [hex(cursor.take(16)), Number(cursor.u64())]);
    cursor.end();
    return { swept: flags === 1, replaces, packs, sessions };
  }

  #fence(name: string, bytes: Bytes): JsonObject {
    const cursor = new Cursor(this.#small("F", "fence", bytes, name));
    const flags = cursor.u8();
    assert.ok(flags < 2, "flags");
    const snapshots = cursor.list(() => hex(cursor.take(32)));
    cursor.end();
    assert.ok(flags === 1 || snapshots.length === 0);
    return { listed: flags === 1, snapshots };
  }

  /** "Packs" */
  #pack(id: string, bytes: Buffer): Pack {
    const cursor = open(bytes, "P");
    const cipher = cursor.u8();
    const { key, wrapEnd } = this.#wrapped(cursor);
    const trailer = new Cursor(bytes.subarray(-16));
    const offset = Number(trailer.u64());
    const length = trailer.u32();
    assert.equal(trailer.rest().toString("latin1"), "VEND");
    const padding = bytes.subarray(offset + length, -16);
    assert.ok(padding.equals(Buffer.alloc(padding.length)), "padding is zeros");
    if (padding.length > 0) assert.equal(bytes.length, padme(offset + length + 16));
    const sealed = bytes.subarray(offset, offset + length);
    const aad = Buffer.from("varve pack table");
    const table = new Cursor(openBulk(cipher, key, nonce(1, offset), sealed, aad));
    const blobs = readTable(table, wrapEnd);
    table.end();
    const last = blobs.at(-1);
    assert.equal(last === undefined ? wrapEnd : last.offset + last.length, offset);
    return { id, key, cipher, bytes, blobs };
  }

  /** The wrap behind the cipher, in a pack; its associated data are the 12 bytes before it. */
  #wrapped(cursor: Cursor): { key: Bytes; wrapEnd: number } {
    assert.equal(cursor.u8(), 1, "wrap method");
    assert.equal(cursor.u16(), 72, "wrap length");
    const aad = cursor.bytes.subarray(0, cursor.at);
    const key = openSmall(this.#key("pack wrap"), cursor.take(24), cursor.take(48), aad);
    return { key, wrapEnd: cursor.at };
  }

  #showPack(pack: Pack, named: boolean, dead: boolean): JsonObject {
    const blobs: Record<string, number> = {};
    for (const { code } of pack.blobs) {
      const name = `${kindNames[code & 15]} ${codeNames[code >> 4]}`;
      blobs[name] = (blobs[name] ?? 0) + 1;
    }
    if (named && !dead) {
      for (const blob of pack.blobs) {
        const places = this.#places.get(`${blob.code & 15} ${blob.id}`) ?? [];
        this.#places.set(`${blob.code & 15} ${blob.id}`, [...places, { pack, blob }]);
      }
    }
    const state = dead ? "dead" : named ? "living" : "unlisted";
    return { size: pack.bytes.length, state, blobs };
  }

  /** "Index": what it says of a pack must be what the pack says. */
  async #indexObject(bytes: Bytes, named: Set<string>, packs: Map<string, Buffer>) {
    const cursor = open(bytes, "I");
    const cipher = cursor.u8();
    const key = (await hashOf(this.#key("object")))(cursor.take(32));
    const aad = cursor.bytes.subarray(0, cursor.at);
    const payload = new Cursor(openBulk(cipher, key, Buffer.alloc(12), cursor.rest(), aad));
    const replaces = payload.list(() => hex(payload.take(32)));
    const names = payload.list(() => {
      const name = hex(payload.take(32));
      const size = payload.varint();
      // cipher, wrap method, wrap length and wrap stand in the pack behind its header.
      const start = payload.at;
      payload.take(2);
      payload.take(payload.u16());
      const record = payload.bytes.subarray(start, payload.at);
      const blobs = readTable(payload, 8 + record.length);
      const pack = packs.get(name);
      if (pack !== undefined) {
        assert.equal(pack.length, size);
        assert.ok(pack.subarray(8, 8 + record.length).equals(record), "the wrap is the pack's");
        assert.deepEqual(blobs, this.#packs.get(name)?.blobs, "the table is the pack's");
      }
      named.add(name);
      return name;
    });
    payload.end();
    return { replaces, packs: names.sort() };
  }

  #snapshot(id: string, bytes: Bytes, fences: Record<string, JsonObject>): JsonObject {
    const manifest = JSON.parse(this.#small("S", "snapshot", bytes, "").toString()) as JsonObject;
    assert.equal(manifest["version"], 1);
    const exists = Object.entries(fences)
      .filter(([name, fence]) => name.startsWith(`${manifest["session"]}-`) && fence["listed"])
      .every(([, fence]) => (fence["snapshots"] as string[]).includes(id));
    return { exists, ...manifest };
  }

  /** "Bases": the copies of less depth than this that count. */
  #copies(kind: number, id: string, depthEnd: number): { pack: Pack; blob: Blob }[] {
    const places = this.#places.get(`${kind} ${id}`) ?? [];
    return places.filter(({ blob }) => {
      const depth = depthOf(blob);
      const { base } = blob;
      return depth < depthEnd && (base === undefined || this.#copies(kind, base, depth).length > 0);
    });
  }

  /** A blob's plaintext: "A blob is sealed…", and every copy of it that counts must be good. */
  #blob(kind: number, id: string): Buffer {
    const known = this.#blobs.get(`${kind} ${id}`);
    if (known !== undefined) return known;
    const copies = this.#copies(kind, id, depthMax + 1);
    copies.sort((a, b) => depthOf(a.blob) - depthOf(b.blob));
    const plaintexts = copies.map(({ pack, blob }) => this.#openBlob(pack, blob, kind));
    const [plaintext] = plaintexts;
    assert.ok(plaintext !== undefined, `blob ${id} is in no living pack`);
    this.#blobs.set(`${kind} ${id}`, plaintext);
    return plaintext;
  }

  #openBlob(pack: Pack, blob: Blob, kind: number): Buffer {
    const facts = Buffer.from([1, kind, blob.code >> 4, 0, 0, 0, 0]);
    facts.writeUInt32LE(blob.rawLength, 3);
    const on = blob.base === undefined ? "" : blob.base + hex(Buffer.of(blob.generation));
    const aad = Buffer.concat([facts, Buffer.from(blob.id + on, "hex")]);
    const sealed = pack.bytes.subarray(blob.offset, blob.offset + blob.length);
    const encoded = openBulk(pack.cipher, pack.key, nonce(0, blob.offset), sealed, aad);
    const plaintext = this.#decoded(blob, encoded, kind);
    assert.equal(plaintext.length, blob.rawLength);
    assert.equal(this.#idHashes[kind]?.(plaintext).toString("hex"), blob.id, "a blob's id");
    return plaintext;
  }

  /** The plaintext of what stands lower than `depth`. */
  #base(kind: number, id: string, depth: number): Buffer {
    const known = this.#blobs.get(`${kind} ${id}`);
    if (known !== undefined) return known;
    const [copy] = this.#copies(kind, id, depth);
    assert.ok(copy !== undefined, "a base has a copy of less depth");
    return this.#openBlob(copy.pack, copy.blob, kind);
  }

  #decoded(blob: Blob, encoded: Buffer, kind: number): Buffer {
    const encoding = blob.code >> 4;
    if (encoding === 0) return encoded;
    const decompressor = new Decompressor();
    if (blob.base !== undefined) {
      const base = this.#base(kind, blob.base, depthOf(blob));
      assert.ok(base.length >= 8 && base.readUInt32LE(0) !== 0xec30a437, "it can be a base");
      decompressor.loadDictionary(base);
    }
    return decompressor.decompress(encoded);
  }
}

function readTable(cursor: Cursor, start: number): Blob[] {
  let offset = start;
  return cursor.list(() => {
    const code = cursor.u8();
    assert.ok((code & 15) >= 1 && (code & 15) <= 3 && code >> 4 <= 2, "kind and encoding");
    const id = hex(cursor.take(32));
    const [length, rawLength] = [cursor.varint(), cursor.varint()];
    const encoded = length - 16;
    assert.ok(code >> 4 === 0 ? encoded === rawLength : encoded >= 1 && encoded < rawLength);
    assert.ok(rawLength <= 16 * MiB);
    const base = code >> 4 === 2 ? hex(cursor.take(32)) : undefined;
    assert.notEqual(base, id);
    const generation = base === undefined ? 0 : cursor.u8();
    const depth = depthOf({ generation });
    assert.ok(base === undefined || (depth >= 1 && depth <= depthMax), "generation");
    offset += length;
    return { code, id, offset: offset - length, length, rawLength, base, generation };
  });
}
