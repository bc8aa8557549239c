/**
 * A fence: a session that a prune declared dead (format.md, "Fences"). It is put first without a
 * list, and again, in place, with the snapshots of that session that the prune saw; only those
 * count then, for everybody.
 */
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import { VarveError } from "../../base/errors.ts";
import { fromHex, type SessionId, type SnapshotId, sessionId, snapshotId } from "../../base/ids.ts";
import { futureError } from "./header.ts";
import { readIds } from "./index-object.ts";
import { fenceSnapshotsMax } from "./limits.ts";

export interface Fence {
  /** Whether `snapshots` was written yet. */
  readonly listed: boolean;
  readonly snapshots: readonly SnapshotId[];
}

const listedFlag = 1;

export function encodeFence({ listed, snapshots }: Fence): Uint8Array {
  if (snapshots.length > fenceSnapshotsMax) {
    throw new VarveError("limit-exceeded", `A fence cannot hold ${snapshots.length} snapshots.`);
  }
  const writer = new ByteWriter(64).u8(listed ? listedFlag : 0).varint(snapshots.length);
  for (const id of snapshots) writer.bytes(fromHex(id));
  return writer.finish();
}

export function decodeFence(bytes: Uint8Array): Fence {
  const reader = new ByteReader(bytes, "fence");
  const flags = reader.u8();
  if ((flags & ~listedFlag) !== 0) throw futureError(`the fence flags ${flags}`);
  const listed = flags === listedFlag;
  const snapshots = readIds(reader, fenceSnapshotsMax, snapshotId);
  reader.end();
  if (!listed && snapshots.length > 0) throw reader.damaged("it lists, and says it does not");
  return { listed, snapshots };
}

/** Name of a fence in `fences/`: the dead session, and the session of the prune. */
export function fenceName(session: SessionId, pruner: SessionId): string {
  return `${session}-${pruner}`;
}

/** `object-damaged` when it is no such name. */
export function parseFenceName(name: string): { session: SessionId; pruner: SessionId } {
  if (name[32] !== "-") throw damagedName(name);
  return { session: sessionId(name.slice(0, 32)), pruner: sessionId(name.slice(33)) };
}

function damagedName(name: string): VarveError {
  return new VarveError("object-damaged", `"${name.slice(0, 80)}" is not the name of a fence.`, {
    hint: "Remove what does not belong into the repository's folder fences.",
  });
}
