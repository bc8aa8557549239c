/** Names of objects in the store (format.md, "Names"). */
import type {
  IndexId,
  KeySlotId,
  PackId,
  SessionId,
  SnapshotId,
  TombstoneId,
} from "../../base/ids.ts";
import { fenceName } from "./fence.ts";

export const descriptionObject = "varve.json";

/** Packs are many: 256 folders keep each of a size that file systems and people like. */
export const packFolder = (firstByteHex: string): string => `packs/${firstByteHex}`;
export const packObject = (id: PackId): string => `${packFolder(id.slice(0, 2))}/${id}`;
export const indexObject = (id: IndexId): string => `index/${id}`;
export const snapshotObject = (id: SnapshotId): string => `snapshots/${id}`;
export const keySlotObject = (id: KeySlotId): string => `keys/${id}`;
export const sessionObject = (id: SessionId): string => `sessions/${id}`;
export const tombstoneObject = (id: TombstoneId): string => `tombstones/${id}`;
export const fenceObject = (session: SessionId, pruner: SessionId): string =>
  `fences/${fenceName(session, pruner)}`;
