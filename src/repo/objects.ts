/**
 * Joins format and crypto for whole objects: naming and verifying, sealing and opening of
 * snapshots, leases, tombstones, fences and index objects, and the wrapping of pack keys
 * (format.md, "Objects"). Key slots and the description: key-slots.ts. Blobs: blob-codec.ts.
 *
 * Everything that comes in is untrusted. What is named by its hash is checked against its name
 * first, so that bit rot is told from a wrong key and no hostile byte reaches a decoder.
 */
import { ByteWriter, bytesEqual } from "../base/bytes.ts";
import { type CipherSuite, tagBytes } from "../base/cipher-suite.ts";
import type { Random } from "../base/clock.ts";
import { VarveError } from "../base/errors.ts";
import {
  fromHex,
  type IndexId,
  indexId,
  type SessionId,
  type SnapshotId,
  snapshotId,
  type TombstoneId,
  toHex,
} from "../base/ids.ts";
import { BulkCipher } from "./crypto/bulk-seal.ts";
import { blake3, KeyedHash } from "./crypto/hash.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import { openSmall, sealSmall, smallNonceBytes } from "./crypto/small-seal.ts";
import { decodeFence, encodeFence, type Fence } from "./format/fence.ts";
import { futureError, ObjectKind } from "./format/header.ts";
import {
  decodeIndex,
  type EncodedIndex,
  type IndexContent,
  indexBytesBound,
  writeIndex,
} from "./format/index-object.ts";
import { indexBytesMax, smallObjectBytesMax } from "./format/limits.ts";
import {
  encodePackPrefix,
  type PackHeader,
  symmetricWrapBytes,
  WrapMethod,
} from "./format/pack-header.ts";
import {
  decodeIndexEnvelope,
  decodeSmallEnvelope,
  encodeIndexPrefix,
  encodeSmallEnvelope,
  encodeSmallPrefix,
  indexNonce,
  kindNames,
  type SmallObjectKind,
} from "./format/sealed-envelope.ts";
import { decodeSession, encodeSession, type SessionLease } from "./format/session.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "./format/snapshot.ts";
import { decodeTombstone, encodeTombstone, type Tombstone } from "./format/tombstone.ts";

/** The hash that names a pack, index object or snapshot: hex of BLAKE3 of its stored bytes. */
export function objectHash(bytes: Uint8Array): string {
  return toHex(blake3(bytes));
}

/** `object-damaged` unless the bytes are those that the name was made from. */
export function verifyName(bytes: Uint8Array, hex: string, what = "object"): void {
  if (bytesEqual(blake3(bytes), fromHex(hex))) return;
  throw new VarveError("object-damaged", `Damaged ${what}: its bytes are not what its name says.`, {
    hint: "Run `varve check` to see which snapshots are hurt.",
    context: { name: hex, size: bytes.length },
  });
}

function requireSize(kind: ObjectKind, size: number, max: number): void {
  if (size <= max) return;
  throw new VarveError("limit-exceeded", `A ${kindNames[kind]} of ${size} bytes is too large.`, {
    context: { max },
  });
}

/** Never writes what no reader would take: texts, counts and numbers beyond the limits. */
function readable<T>(kind: ObjectKind, payload: Uint8Array, decode: (bytes: Uint8Array) => T) {
  try {
    decode(payload);
  } catch (error) {
    throw new VarveError("limit-exceeded", `A ${kindNames[kind]} is beyond the format's limits.`, {
      cause: error,
    });
  }
  return payload;
}

function smallKey(kind: SmallObjectKind, keys: RepositoryKeys): Uint8Array {
  switch (kind) {
    case ObjectKind.snapshot:
      return keys.snapshot;
    case ObjectKind.session:
      return keys.session;
    case ObjectKind.tombstone:
      return keys.tombstone;
    case ObjectKind.fence:
      return keys.fence;
  }
}

/** Objects that are not named by their hash are bound to their name. */
function smallAad(prefix: Uint8Array, name: string): Uint8Array {
  return Buffer.concat([prefix, Buffer.from(name, "latin1")]);
}

/** Seals a small object. `name`: what follows the folder; "" for snapshots. */
export function sealObject(
  kind: SmallObjectKind,
  keys: RepositoryKeys,
  name: string,
  payload: Uint8Array,
  random: Random,
): Uint8Array {
  const prefix = encodeSmallPrefix(kind);
  const nonce = random(smallNonceBytes);
  const sealed = sealSmall(smallKey(kind, keys), nonce, payload, smallAad(prefix, name));
  const bytes = encodeSmallEnvelope({ prefix, nonce, sealed });
  requireSize(kind, bytes.length, smallObjectBytesMax);
  return bytes;
}

/** The payload of a small object; `object-damaged` or `repo-future`. */
export function openObject(
  kind: SmallObjectKind,
  keys: RepositoryKeys,
  name: string,
  bytes: Uint8Array,
): Uint8Array {
  const { wrapMethod, prefix, nonce, sealed } = decodeSmallEnvelope(kind, bytes);
  if (wrapMethod !== WrapMethod.symmetric) throw futureError(`wrap method ${wrapMethod}`);
  return openSmall(smallKey(kind, keys), nonce, sealed, smallAad(prefix, name), kindNames[kind]);
}

export interface SealedSnapshot {
  readonly id: SnapshotId;
  readonly bytes: Uint8Array;
}

export function sealSnapshot(
  keys: RepositoryKeys,
  snapshot: Snapshot,
  random: Random,
): SealedSnapshot {
  const payload = readable(ObjectKind.snapshot, encodeSnapshot(snapshot), decodeSnapshot);
  const bytes = sealObject(ObjectKind.snapshot, keys, "", payload, random);
  return { id: snapshotId(objectHash(bytes)), bytes };
}

export function openSnapshot(keys: RepositoryKeys, id: SnapshotId, bytes: Uint8Array): Snapshot {
  verifyName(bytes, id, "snapshot");
  return decodeSnapshot(openObject(ObjectKind.snapshot, keys, "", bytes));
}

export function sealSession(
  keys: RepositoryKeys,
  id: SessionId,
  lease: SessionLease,
  random: Random,
): Uint8Array {
  const payload = readable(ObjectKind.session, encodeSession(lease), decodeSession);
  return sealObject(ObjectKind.session, keys, id, payload, random);
}

export function openSession(keys: RepositoryKeys, id: SessionId, bytes: Uint8Array): SessionLease {
  return decodeSession(openObject(ObjectKind.session, keys, id, bytes));
}

export function sealTombstone(
  keys: RepositoryKeys,
  id: TombstoneId,
  tombstone: Tombstone,
  random: Random,
): Uint8Array {
  const payload = readable(ObjectKind.tombstone, encodeTombstone(tombstone), decodeTombstone);
  return sealObject(ObjectKind.tombstone, keys, id, payload, random);
}

export function openTombstone(keys: RepositoryKeys, id: TombstoneId, bytes: Uint8Array): Tombstone {
  return decodeTombstone(openObject(ObjectKind.tombstone, keys, id, bytes));
}

/** `name`: both sessions, as fence.ts makes it. */
export function sealFence(
  keys: RepositoryKeys,
  name: string,
  fence: Fence,
  random: Random,
): Uint8Array {
  const payload = readable(ObjectKind.fence, encodeFence(fence), decodeFence);
  return sealObject(ObjectKind.fence, keys, name, payload, random);
}

export function openFence(keys: RepositoryKeys, name: string, bytes: Uint8Array): Fence {
  return decodeFence(openObject(ObjectKind.fence, keys, name, bytes));
}

/** Each index object has a key of its own, so that its one nonce is used once. */
function indexCipher(keys: RepositoryKeys, cipher: CipherSuite, salt: Uint8Array): BulkCipher {
  return new BulkCipher(cipher, new KeyedHash(keys.indexObject).digest(salt));
}

/** Memory: the object and what `content` takes. */
export function sealIndexObject(
  keys: RepositoryKeys,
  cipher: CipherSuite,
  content: EncodedIndex,
  random: Random,
): { id: IndexId; bytes: Uint8Array } {
  const salt = random(32);
  const prefix = encodeIndexPrefix(cipher, salt);
  const writer = new ByteWriter(prefix.length + indexBytesBound(content) + tagBytes);
  writeIndex(writer.bytes(prefix), content);
  const end = writer.length;
  const bytes = writer.bytes(new Uint8Array(tagBytes)).view();
  requireSize(ObjectKind.index, bytes.length, indexBytesMax);
  const payload = bytes.subarray(prefix.length, end);
  indexCipher(keys, cipher, salt).sealInto(bytes, prefix.length, payload, indexNonce, prefix);
  return { id: indexId(objectHash(bytes)), bytes };
}

/** `packs` decodes while it is read, and may throw `object-damaged` then. */
export function openIndexObject(
  keys: RepositoryKeys,
  id: IndexId,
  bytes: Uint8Array,
): IndexContent {
  verifyName(bytes, id, "index object");
  const { cipher, salt, prefix, sealed } = decodeIndexEnvelope(bytes);
  const payload = indexCipher(keys, cipher, salt).tryOpen(sealed, indexNonce, prefix);
  if (payload !== undefined) return decodeIndex(payload);
  throw new VarveError("object-damaged", "Damaged index object: it does not open with its key.", {
    hint: "Run `varve repair index`.",
    context: { index: id },
  });
}

/** 32 random bytes; every pack has its own, so blob nonces may count from 0 in each. */
export function newPackKey(random: Random): Uint8Array {
  return random(32);
}

/** The header that begins a pack with this key. */
export function wrapPackKey(
  keys: RepositoryKeys,
  cipher: CipherSuite,
  packKey: Uint8Array,
  random: Random,
): PackHeader {
  const wrapMethod = WrapMethod.symmetric;
  const aad = encodePackPrefix(cipher, wrapMethod, symmetricWrapBytes);
  const nonce = random(smallNonceBytes);
  const wrap = Buffer.concat([nonce, sealSmall(keys.packWrap, nonce, packKey, aad)]);
  return { cipher, wrapMethod, wrap };
}

/** The key of a pack from its header, or from what the index says of it. */
export function unwrapPackKey(keys: RepositoryKeys, header: PackHeader): Uint8Array {
  const { cipher, wrapMethod, wrap } = header;
  if (wrapMethod !== WrapMethod.symmetric) throw futureError(`wrap method ${wrapMethod}`);
  const aad = encodePackPrefix(cipher, wrapMethod, wrap.length);
  const nonce = wrap.subarray(0, smallNonceBytes);
  return openSmall(keys.packWrap, nonce, wrap.subarray(smallNonceBytes), aad, "pack key");
}
