/** The work of `varve key`, each part on an open repository. */
import {
  addKeySlot,
  changePassword,
  type ListedKeySlot,
  listKeySlots,
  removeKeySlot,
} from "../../engine/key-management.ts";
import { parseSecret } from "../../repo/crypto/kek.ts";
import type { CliContext } from "../context.ts";
import { countOf, formatTime, isoTime } from "../human.ts";
import { type NewSecret, newSecret } from "../new-secret.ts";
import type { OpenedRepository } from "../open-repository.ts";
import { safeLine } from "../safe-text.ts";
import { formatTable } from "../table.ts";
import { keyFileAdvice } from "./init.ts";
import type { NewKeyFlags } from "./key.ts";

const columns = ["", "ID", "Label", "Kind", "Created", "Host"].map((title) => ({ title }));

export async function listKeys(
  context: CliContext,
  { repository, secret }: OpenedRepository,
): Promise<void> {
  const { output } = context;
  const slots = await listKeySlots(repository, secret);
  for (const slot of slots) output.row(slotJson(slot));
  if (output.json) return;
  output.lines(
    formatTable(
      columns,
      slots.map((slot) => slotCells(context, slot)),
    ),
  );
  for (const { id, message } of slots) {
    if (message !== undefined) output.warn(`key ${id.slice(0, 8)}: ${message}`);
  }
}

function slotCells(context: CliContext, { id, info, inUse }: ListedKeySlot): string[] {
  const mark = inUse ? "*" : "";
  if (info === undefined) return [mark, id.slice(0, 8), "(unreadable)", "", "", ""];
  const kind = info.kdf === "key-file" ? "key file" : "password";
  const time = formatTime(info.createdNs, context.zone);
  return [mark, id.slice(0, 8), safeLine(info.label), kind, time, safeLine(info.host)];
}

function slotJson({ id, info, inUse, message }: ListedKeySlot) {
  return {
    id,
    label: info?.label ?? null,
    kind: info === undefined ? null : info.kdf === "key-file" ? "key-file" : "password",
    created: info === undefined ? null : isoTime(info.createdNs),
    host: info?.host ?? null,
    in_use: inUse,
    problem: message ?? null,
  };
}

export async function addKey(
  context: CliContext,
  { repository }: OpenedRepository,
  flags: NewKeyFlags,
): Promise<void> {
  const next = await newSecret(context, flags, "New password");
  const id = await addKeySlot(repository, keyOf(next, flags));
  const { output } = context;
  output.summary(`Added key ${id.slice(0, 8)}.`);
  tellKeyFile(context, next);
  output.row({ key_id: id, key_file: next.keyFile ?? null });
}

export async function removeKey(
  context: CliContext,
  { repository }: OpenedRepository,
  prefix: string,
): Promise<void> {
  const id = await removeKeySlot(repository, prefix);
  context.output.summary(`Removed key ${id.slice(0, 8)}.`);
  context.output.row({ key_id: id });
}

export async function changeKey(
  context: CliContext,
  { repository, secret }: OpenedRepository,
  flags: NewKeyFlags,
): Promise<void> {
  const next = await newSecret(context, flags, "New password");
  const { added, removed } = await changePassword(repository, secret, keyOf(next, flags));
  const { output } = context;
  output.summary(
    `Key ${added.slice(0, 8)} stands in the place of ${countOf(removed.length, "key")}: ` +
      `${removed.map((id) => id.slice(0, 8)).join(", ")}.`,
  );
  tellKeyFile(context, next);
  output.row({ key_id: added, removed_key_ids: removed, key_file: next.keyFile ?? null });
}

function keyOf({ password, keyFile }: NewSecret, flags: NewKeyFlags) {
  const secret = parseSecret(password);
  const kind = secret.kind === "key" ? "key file" : "password";
  return { secret, label: flags.label ?? (keyFile === undefined ? kind : `key file ${keyFile}`) };
}

function tellKeyFile(context: CliContext, { keyFile }: NewSecret): void {
  if (keyFile !== undefined) context.output.summary(keyFileAdvice(keyFile));
}
