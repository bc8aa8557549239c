/**
 * Key slots and the description's MAC (format.md, "Key slots", "Description"): from a user's secret
 * to the key bundle, and from there to a description that can be trusted.
 */
import { bytesEqual } from "../base/bytes.ts";
import type { Random } from "../base/clock.ts";
import { VarveError } from "../base/errors.ts";
import { fromHex, type KeySlotId, toHex } from "../base/ids.ts";
import { KeyedHash } from "./crypto/hash.ts";
import {
  type KdfParameters,
  kdfDefaults,
  keyFileKek,
  passphraseKek,
  type Secret,
  saltBytes,
} from "./crypto/kek.ts";
import { deriveKeys, type RepositoryKeys, type RepositorySecrets } from "./crypto/keys.ts";
import { openSmall, sealSmall, smallNonceBytes, tryOpenSmall } from "./crypto/small-seal.ts";
import {
  type Description,
  type DescriptionFacts,
  descriptionMacText,
} from "./format/description.ts";
import {
  decodeBundle,
  decodeKeySlot,
  decodeSlotInfo,
  encodeBundle,
  encodeKeySlot,
  encodeSlotInfo,
  encodeSlotPrefix,
  type KeySlot,
  type SlotInfo,
  type SlotKdf,
} from "./format/key-slot.ts";

export interface KeySlotOptions {
  /** The slot's name in `keys/`; its information is bound to it. */
  readonly id: KeySlotId;
  readonly bundle: RepositorySecrets;
  readonly secret: Secret;
  readonly info: SlotInfo;
  readonly random: Random;
  /** For passphrases; lower ones than the defaults are for tests. */
  readonly kdf?: KdfParameters;
}

function newKdf({ secret, random, kdf = kdfDefaults }: KeySlotOptions): SlotKdf {
  const salt = random(saltBytes);
  if (secret.kind === "key") return { kind: "key-file", salt };
  const { memoryKib, passes, parallelism } = kdf;
  return { kind: "argon2id", memoryKib, passes, parallelism, salt };
}

/** undefined: the slot wants the other kind of secret. */
async function kekOf(kdf: SlotKdf, secret: Secret): Promise<Uint8Array | undefined> {
  if (kdf.kind === "argon2id" && secret.kind === "passphrase") {
    return passphraseKek(secret.text, kdf.salt, kdf);
  }
  if (kdf.kind === "key-file" && secret.kind === "key") return keyFileKek(secret.bytes, kdf.salt);
  return undefined;
}

/**
 * The slot's id and everything before the information's nonce: so that whoever holds any key can
 * tell whether another slot was changed, also in the part that only its own secret opens.
 */
function infoAad(id: KeySlotId, slot: Omit<KeySlot, "infoNonce" | "sealedInfo">): Uint8Array {
  const length = new Uint8Array(2);
  new DataView(length.buffer).setUint16(0, slot.sealedBundle.length, true);
  return Buffer.concat([
    fromHex(id),
    encodeSlotPrefix(slot.kdf),
    slot.nonce,
    length,
    slot.sealedBundle,
  ]);
}

/** The bytes of a new key slot object, to be put as `keys/<id>`. */
export async function createKeySlot(options: KeySlotOptions): Promise<Uint8Array> {
  const { id, bundle, secret, info, random } = options;
  const kdf = newKdf(options);
  const kek = await kekOf(kdf, secret);
  if (kek === undefined) throw new VarveError("internal", "A new slot fits its own secret.");
  const nonce = random(smallNonceBytes);
  const infoNonce = random(smallNonceBytes);
  const { slotInfo } = deriveKeys(bundle);
  const infoPayload = encodeSlotInfo(info);
  const sealedBundle = sealSmall(kek, nonce, encodeBundle(bundle), encodeSlotPrefix(kdf));
  const outside = { kdf, nonce, sealedBundle };
  const sealedInfo = sealSmall(slotInfo, infoNonce, infoPayload, infoAad(id, outside));
  const bytes = encodeKeySlot({ ...outside, infoNonce, sealedInfo });
  requireReadable(bytes, infoPayload);
  return bytes;
}

/** Never writes what no reader would take. */
function requireReadable(slot: Uint8Array, info: Uint8Array): void {
  try {
    decodeKeySlot(slot);
    decodeSlotInfo(info);
  } catch (error) {
    throw new VarveError("limit-exceeded", "A key slot is beyond the format's limits.", {
      hint: "Use a shorter label, or other Argon2id parameters.",
      cause: error,
    });
  }
}

/**
 * The key bundle; `password-wrong` when the secret does not open this slot or is of another kind,
 * `object-damaged` when the object is no slot. Argon2id runs only on parameters within limits.
 */
export async function openKeySlot(
  id: KeySlotId,
  bytes: Uint8Array,
  secret: Secret,
): Promise<RepositorySecrets> {
  const slot = decodeKeySlot(bytes);
  const kek = await kekOf(slot.kdf, secret);
  const aad = encodeSlotPrefix(slot.kdf);
  const opened =
    kek === undefined ? undefined : tryOpenSmall(kek, slot.nonce, slot.sealedBundle, aad);
  if (opened !== undefined) return decodeBundle(opened);
  throw new VarveError("password-wrong", "This key slot does not open with this password or key.", {
    hint: "Check the password or key file.",
    context: { slot: id, wants: slot.kdf.kind },
  });
}

export interface OpenedSlotInfo extends SlotInfo {
  readonly kdf: SlotKdf["kind"];
}

/**
 * What any key holder may know of a slot; `object-damaged` when any byte of the slot was changed,
 * or it belongs to another slot.
 */
export function openKeySlotInfo(
  keys: RepositoryKeys,
  id: KeySlotId,
  bytes: Uint8Array,
): OpenedSlotInfo {
  const slot: KeySlot = decodeKeySlot(bytes);
  const { infoNonce, sealedInfo, kdf } = slot;
  const aad = infoAad(id, slot);
  const info = openSmall(keys.slotInfo, infoNonce, sealedInfo, aad, "key slot information");
  return { ...decodeSlotInfo(info), kdf: kdf.kind };
}

function descriptionMac(facts: DescriptionFacts, keys: RepositoryKeys): Uint8Array {
  return new KeyedHash(keys.description).digest(Buffer.from(descriptionMacText(facts), "utf8"));
}

/** Adds the MAC. */
export function sealDescription(facts: DescriptionFacts, keys: RepositoryKeys): Description {
  return { ...facts, mac: toHex(descriptionMac(facts, keys)) };
}

/** `object-damaged` when somebody without the keys changed the description. */
export function verifyDescription(description: Description, keys: RepositoryKeys): void {
  if (bytesEqual(descriptionMac(description, keys), fromHex(description.mac))) return;
  throw new VarveError("object-damaged", "Damaged repository description: its MAC is wrong.", {
    hint: "Fetch varve.json from a copy; somebody or something changed it.",
  });
}
