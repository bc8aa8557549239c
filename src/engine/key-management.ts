/**
 * The keys of a repository: every slot is another way in. What is sealed with the repository's own
 * keys need not be written again when a slot changes.
 */
import { hasCode, VarveError } from "../base/errors.ts";
import { type KeySlotId, keySlotId, randomIdBytes, toHex } from "../base/ids.ts";
import type { KdfParameters, Secret } from "../repo/crypto/kek.ts";
import { keySlotObject } from "../repo/format/object-names.ts";
import {
  createKeySlot,
  type OpenedSlotInfo,
  openKeySlot,
  openKeySlotInfo,
} from "../repo/key-slots.ts";
import type { Repository } from "../repo/repository.ts";

export interface ListedKeySlot {
  readonly id: KeySlotId;
  /** Absent when the slot is damaged, or of another repository. */
  readonly info?: OpenedSlotInfo;
  readonly message?: string;
  /** Whether the secret that was given opens it. */
  readonly inUse: boolean;
}

export interface NewKey {
  readonly secret: Secret;
  readonly label: string;
  readonly kdf?: KdfParameters;
}

/** All slots, oldest first. `secret`: the one that the repository was opened with. */
export async function listKeySlots(repo: Repository, secret: Secret): Promise<ListedKeySlot[]> {
  const slots: ListedKeySlot[] = [];
  for await (const { name } of repo.store.list("keys")) {
    const slot = await lookAt(repo, name, secret);
    if (slot !== undefined) slots.push(slot);
  }
  const created = ({ info }: ListedKeySlot) => info?.createdNs ?? 0n;
  return slots.sort((a, b) => (created(a) < created(b) ? -1 : 1));
}

async function lookAt(
  repo: Repository,
  name: string,
  secret: Secret,
): Promise<ListedKeySlot | undefined> {
  const id = keySlotId(name.slice(name.lastIndexOf("/") + 1));
  let bytes: Uint8Array;
  try {
    bytes = await repo.store.get(name);
  } catch (error) {
    if (hasCode(error, "object-absent")) return undefined;
    throw error;
  }
  try {
    const info = openKeySlotInfo(repo.keys, id, bytes);
    return { id, info, inUse: await opens(id, bytes, secret) };
  } catch (error) {
    if (!hasCode(error, "object-damaged", "repo-future")) throw error;
    return { id, message: error.message, inUse: false };
  }
}

async function opens(id: KeySlotId, bytes: Uint8Array, secret: Secret): Promise<boolean> {
  try {
    await openKeySlot(id, bytes, secret);
    return true;
  } catch (error) {
    if (hasCode(error, "password-wrong")) return false;
    throw error;
  }
}

/** Adds a way in; durable when it resolves. */
export async function addKeySlot(repo: Repository, key: NewKey): Promise<KeySlotId> {
  const { clock, random, host, bundle } = repo;
  const id = keySlotId(toHex(random(randomIdBytes)));
  const bytes = await createKeySlot({
    id,
    bundle,
    secret: key.secret,
    info: { label: key.label, createdNs: clock.nowNs(), host: host.hostname },
    random,
    ...(key.kdf === undefined ? {} : { kdf: key.kdf }),
  });
  await repo.store.put(keySlotObject(id), bytes);
  return id;
}

/**
 * Removes the slot whose id begins with `prefix`; gives its id. `key-absent` when none or several
 * do, `key-last` when no other would be left that opens. Whoever kept a copy of the slot still gets
 * in with its secret: the repository's own keys stay the same.
 */
export async function removeKeySlot(repo: Repository, prefix: string): Promise<KeySlotId> {
  const { store, keys } = repo;
  const sound: KeySlotId[] = [];
  const fitting: KeySlotId[] = [];
  for await (const { name } of store.list("keys")) {
    const id = keySlotId(name.slice(name.lastIndexOf("/") + 1));
    if (id.startsWith(prefix.toLowerCase())) fitting.push(id);
    if (await isSound(repo, keys, id)) sound.push(id);
  }
  const [chosen] = fitting;
  if (chosen === undefined || fitting.length > 1 || prefix === "") {
    throw new VarveError("key-absent", `${fitting.length} keys have an id that begins so.`, {
      hint: "Run `varve key list`, and give more of the id.",
      context: { prefix },
    });
  }
  if (sound.every((id) => id === chosen)) {
    throw new VarveError("key-last", "This is the last key: without it nobody could get in.", {
      hint: "Add another with `varve key add` first.",
      context: { key: chosen },
    });
  }
  await store.delete(keySlotObject(chosen));
  return chosen;
}

async function isSound(
  repo: Repository,
  keys: Repository["keys"],
  id: KeySlotId,
): Promise<boolean> {
  try {
    openKeySlotInfo(keys, id, await repo.store.get(keySlotObject(id)));
    return true;
  } catch (error) {
    if (hasCode(error, "object-absent", "object-damaged", "repo-future")) return false;
    throw error;
  }
}

export interface ChangedKey {
  readonly added: KeySlotId;
  readonly removed: readonly KeySlotId[];
}

/**
 * Puts `next` in the place of `current`. The new slot is durable before the old one goes: a crash
 * in between leaves both working.
 */
export async function changePassword(
  repo: Repository,
  current: Secret,
  next: NewKey,
): Promise<ChangedKey> {
  const before = await listKeySlots(repo, current);
  const old = before.filter(({ inUse }) => inUse).map(({ id }) => id);
  if (old.length === 0) {
    throw new VarveError("password-wrong", "The present password opens no key to be changed.", {
      hint: "Check the password; `varve key list` names the keys.",
    });
  }
  const added = await addKeySlot(repo, next);
  for (const id of old) await repo.store.delete(keySlotObject(id));
  return { added, removed: old };
}
