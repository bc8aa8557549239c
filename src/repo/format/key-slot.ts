/**
 * A key slot: one wrapped copy of the key bundle, and what its owner wants to know of it
 * (format.md, "Key slots"). Only the shape is known here. Argon2id parameters are bounded when
 * they are read: a hostile store must not make us allocate or compute for ever.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import { futureError, ObjectKind, readHeader, writeHeader } from "./header.ts";
import { JsonFields, parseJsonObject } from "./json-fields.ts";
import {
  argon2MemoryKibMax,
  argon2MemoryKibMin,
  argon2ParallelismMax,
  argon2PassesMax,
  keySlotBytesMax,
  textBytesMax,
} from "./limits.ts";

const saltBytes = 32;
const nonceBytes = 24;

export type SlotKdf =
  | { readonly kind: "key-file"; readonly salt: Uint8Array }
  | {
      readonly kind: "argon2id";
      readonly salt: Uint8Array;
      readonly memoryKib: number;
      readonly passes: number;
      readonly parallelism: number;
    };

export interface KeySlot {
  readonly kdf: SlotKdf;
  readonly nonce: Uint8Array;
  readonly sealedBundle: Uint8Array;
  readonly infoNonce: Uint8Array;
  readonly sealedInfo: Uint8Array;
}

/** The bytes before the bundle's nonce; they are its associated data. */
export function encodeSlotPrefix(kdf: SlotKdf): Uint8Array {
  const writer = writeHeader(new ByteWriter(64), ObjectKind.keySlot);
  if (kdf.kind === "key-file") return writer.u8(0).bytes(kdf.salt).finish();
  writer.u8(1).u32(kdf.memoryKib).u32(kdf.passes).u32(kdf.parallelism);
  return writer.bytes(kdf.salt).finish();
}

export function encodeKeySlot(slot: KeySlot): Uint8Array {
  const { nonce, sealedBundle, infoNonce, sealedInfo } = slot;
  const writer = new ByteWriter(512).bytes(encodeSlotPrefix(slot.kdf));
  writer.bytes(nonce).u16(sealedBundle.length).bytes(sealedBundle);
  return writer.bytes(infoNonce).u16(sealedInfo.length).bytes(sealedInfo).finish();
}

/** Parts are views on `bytes`. */
export function decodeKeySlot(bytes: Uint8Array): KeySlot {
  const reader = new ByteReader(bytes, "key slot");
  if (bytes.length > keySlotBytesMax) throw reader.damaged("it is too large");
  readHeader(reader, ObjectKind.keySlot);
  const slot = {
    kdf: readKdf(reader),
    nonce: reader.bytes(nonceBytes),
    sealedBundle: reader.bytes(reader.u16()),
    infoNonce: reader.bytes(nonceBytes),
    sealedInfo: reader.bytes(reader.u16()),
  };
  reader.end();
  return slot;
}

function readKdf(reader: ByteReader): SlotKdf {
  const kdf = reader.u8();
  if (kdf === 0) return { kind: "key-file", salt: reader.bytes(saltBytes) };
  if (kdf !== 1) throw futureError(`key derivation ${kdf}`);
  const memoryKib = reader.u32();
  const passes = reader.u32();
  const parallelism = reader.u32();
  const isBounded =
    within(memoryKib, argon2MemoryKibMin, argon2MemoryKibMax) &&
    within(passes, 1, argon2PassesMax) &&
    within(parallelism, 1, argon2ParallelismMax);
  if (!isBounded) throw reader.damaged("its Argon2id parameters are out of bounds");
  return { kind: "argon2id", memoryKib, passes, parallelism, salt: reader.bytes(saltBytes) };
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

/** What the bundle of role 1 holds. */
export interface OwnerBundle {
  readonly master: Uint8Array;
  readonly chunkerSecret: Uint8Array;
  /** Where it is shared with other repositories; derived from the master otherwise. */
  readonly idsRoot?: Uint8Array;
}

const ownerRole = 1;

export function encodeBundle({ master, chunkerSecret, idsRoot }: OwnerBundle): Uint8Array {
  const writer = new ByteWriter(97).u8(ownerRole).bytes(master).bytes(chunkerSecret);
  return (idsRoot === undefined ? writer : writer.bytes(idsRoot)).finish();
}

/** New arrays; `repo-future` for a role that this program does not know. */
export function decodeBundle(bytes: Uint8Array): OwnerBundle {
  const reader = new ByteReader(bytes, "key bundle");
  const role = reader.u8();
  if (role === 0) throw reader.damaged("it has no role");
  if (role !== ownerRole) throw futureError(`keys of role ${role}`);
  const master = Uint8Array.from(reader.bytes(32));
  const chunkerSecret = Uint8Array.from(reader.bytes(32));
  if (reader.remaining === 0) return { master, chunkerSecret };
  const idsRoot = Uint8Array.from(reader.bytes(32));
  reader.end();
  return { master, chunkerSecret, idsRoot };
}

/** What `varve key list` shows of a slot. */
export interface SlotInfo {
  readonly label: string;
  readonly createdNs: bigint;
  /** Where it was made. */
  readonly host: string;
}

export function encodeSlotInfo({ label, createdNs, host }: SlotInfo): Uint8Array {
  return Buffer.from(JSON.stringify({ label, createdNs: createdNs.toString(), host }), "utf8");
}

export function decodeSlotInfo(bytes: Uint8Array): SlotInfo {
  const what = "key slot information";
  const fields = new JsonFields(parseJsonObject(bytes, what), what);
  return {
    label: fields.text("label", textBytesMax),
    createdNs: fields.timeNs("createdNs"),
    host: fields.text("host", textBytesMax),
  };
}
