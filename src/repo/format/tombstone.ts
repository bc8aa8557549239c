/**
 * A tombstone: packs that are, or will be, gone (format.md, "Tombstones"). It binds from the
 * moment it is put; `swept` says that the packs were deleted. Tombstones are merged like index
 * objects: one that names others stands for them.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import { VarveError } from "../../base/errors.ts";
import {
  fromHex,
  type PackId,
  packId,
  randomIdBytes,
  type SessionId,
  sessionId,
  type TombstoneId,
  toHex,
  tombstoneId,
} from "../../base/ids.ts";
import { futureError } from "./header.ts";
import { readIds } from "./index-object.ts";
import { replacesMax, tombstonePacksMax, tombstoneSessionsMax } from "./limits.ts";

/** A session that was alive at the mark, with the beat that was seen. */
export interface MarkedSession {
  readonly session: SessionId;
  readonly beat: number;
}

export interface Tombstone {
  readonly swept: boolean;
  readonly replaces: readonly TombstoneId[];
  readonly packs: readonly PackId[];
  readonly sessions: readonly MarkedSession[];
}

const sweptFlag = 1;

export function encodeTombstone(tombstone: Tombstone): Uint8Array {
  const { swept, replaces, packs, sessions } = tombstone;
  requireCount("tombstones replaced", replaces.length, replacesMax);
  requireCount("packs", packs.length, tombstonePacksMax);
  requireCount("sessions", sessions.length, tombstoneSessionsMax);
  const writer = new ByteWriter(1024).u8(swept ? sweptFlag : 0).varint(replaces.length);
  for (const id of replaces) writer.bytes(fromHex(id));
  writer.varint(packs.length);
  for (const id of packs) writer.bytes(fromHex(id));
  writer.varint(sessions.length);
  for (const { session, beat } of sessions) writer.bytes(fromHex(session)).u64(BigInt(beat));
  return writer.finish();
}

function requireCount(things: string, count: number, max: number): void {
  if (count <= max) return;
  throw new VarveError("limit-exceeded", `A tombstone cannot hold ${count} ${things}.`, {
    hint: "Write several.",
    context: { max },
  });
}

export function decodeTombstone(bytes: Uint8Array): Tombstone {
  const reader = new ByteReader(bytes, "tombstone");
  const flags = reader.u8();
  if ((flags & ~sweptFlag) !== 0) throw futureError(`the tombstone flags ${flags}`);
  const replaces = readList(reader, replacesMax, randomIdBytes, () =>
    tombstoneId(toHex(reader.bytes(randomIdBytes))),
  );
  const packs = readIds(reader, tombstonePacksMax, packId);
  const sessions = readList(reader, tombstoneSessionsMax, randomIdBytes + 8, () =>
    readMarkedSession(reader),
  );
  reader.end();
  return { swept: flags === sweptFlag, replaces, packs, sessions };
}

function readList<T>(reader: ByteReader, countMax: number, bytesEach: number, read: () => T): T[] {
  const count = reader.varint(countMax);
  if (count * bytesEach > reader.remaining) throw reader.damaged("it ends too early");
  return Array.from({ length: count }, read);
}

function readMarkedSession(reader: ByteReader): MarkedSession {
  const session = sessionId(toHex(reader.bytes(randomIdBytes)));
  const beat = Number(reader.u64());
  if (!Number.isSafeInteger(beat)) throw reader.damaged("a beat is out of bounds");
  return { session, beat };
}
