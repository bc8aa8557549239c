/**
 * Reads a pack's own table of blobs, without the index: for repair, check and rewriting
 * (format.md, "Packs"). The header, the trailer and the table are read by ranges; from bytes in
 * hand, use `rangesOf`.
 */
import { ByteReader } from "../base/bytes.ts";
import { VarveError } from "../base/errors.ts";
import type { PackId } from "../base/ids.ts";
import { BulkCipher } from "./crypto/bulk-seal.ts";
import type { RepositoryKeys } from "./crypto/keys.ts";
import type { IndexPack } from "./format/index-object.ts";
import { packBytesMax } from "./format/limits.ts";
import { packObject } from "./format/object-names.ts";
import {
  decodePackPrefix,
  type PackHeader,
  packHeaderBytes,
  packPrefixBytes,
  symmetricWrapBytes,
} from "./format/pack-header.ts";
import {
  decodePackTable,
  decodeTrailer,
  type PackTableEntry,
  tableAad,
  tableNonce,
  trailerBytes,
} from "./format/pack-table.ts";
import { unwrapPackKey } from "./objects.ts";
import type { Store } from "./store/store.ts";

/** A pack's bytes by ranges. */
export interface PackRanges {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

export function rangesOf(bytes: Uint8Array): PackRanges {
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** The same for a pack in a store. `size`: as listed, or as the index says. */
export async function readPackFromStore(
  store: Store,
  keys: RepositoryKeys,
  pack: PackId,
  size: number,
): Promise<IndexPack> {
  const name = packObject(pack);
  const ranges = {
    size,
    read: (offset: number, length: number) => store.getRange(name, offset, length),
  };
  return { ...(await readPackContents(keys, ranges)), pack };
}

export type PackContents = Omit<IndexPack, "pack">;

/** Header and table, authenticated; `object-damaged` or `repo-future`. Blobs are not looked at. */
export async function readPackContents(
  keys: RepositoryKeys,
  ranges: PackRanges,
): Promise<PackContents> {
  const { size } = ranges;
  if (size < packPrefixBytes + trailerBytes) throw damagedPack("it is too short");
  if (size > packBytesMax) throw damagedPack("it is too large");
  const header = await readHeader(ranges);
  const key = unwrapPackKey(keys, header);
  const trailer = await ranges.read(size - trailerBytes, trailerBytes);
  const { tableOffset, tableLength } = decodeTrailer(trailer, size);
  const sealed = await ranges.read(tableOffset, tableLength);
  const cipher = new BulkCipher(header.cipher, key);
  const table = cipher.tryOpen(sealed, tableNonce(tableOffset), tableAad);
  if (table === undefined) throw damagedPack("its table does not open with its key");
  const blobs = decodePackTable(table, packHeaderBytes(header));
  requireContiguous(header, blobs, tableOffset);
  return { ...header, size, blobs };
}

async function readHeader(ranges: PackRanges): Promise<PackHeader> {
  const guess = Math.min(packPrefixBytes + symmetricWrapBytes, ranges.size);
  const start = await ranges.read(0, guess);
  const { cipher, wrapMethod, wrapLength } = decodePackPrefix(new ByteReader(start, "pack"));
  const end = packPrefixBytes + wrapLength;
  if (end > ranges.size) throw damagedPack("its key lies outside");
  const bytes = end <= start.length ? start : await ranges.read(0, end);
  return { cipher, wrapMethod, wrap: bytes.slice(packPrefixBytes, end) };
}

/** Blobs fill the pack from the header to the table. */
function requireContiguous(
  header: PackHeader,
  blobs: readonly PackTableEntry[],
  tableOffset: number,
): void {
  const last = blobs.at(-1);
  const end = last === undefined ? packHeaderBytes(header) : last.offset + last.length;
  if (end !== tableOffset) throw damagedPack("its table does not cover its blobs");
}

function damagedPack(reason: string): VarveError {
  return new VarveError("object-damaged", `Damaged pack: ${reason}.`, {
    hint: "Run `varve check` to see which snapshots are hurt.",
  });
}
