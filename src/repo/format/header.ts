/**
 * The 8 bytes that begin every object but `varve.json` (format.md, "Object header"):
 * "VARV", kind u8, version u8, flags u16. Bytes that are no header are damage; a version or flag
 * that this program does not know is `repo-future`.
 */
import type { ByteReader, ByteWriter } from "../../base/bytes.ts";
import { VarveError } from "../../base/errors.ts";

/** ASCII letters. */
export const ObjectKind = {
  keySlot: 0x4b,
  pack: 0x50,
  index: 0x49,
  snapshot: 0x53,
  session: 0x4c,
  tombstone: 0x54,
  fence: 0x46,
} as const;
export type ObjectKind = (typeof ObjectKind)[keyof typeof ObjectKind];

export const formatVersion = 1;
export const headerBytes = 8;
const magic = "VARV";

/** `what` names the thing that this program is too old for. */
export function futureError(what: string): VarveError {
  return new VarveError("repo-future", `This version of varve does not know ${what}.`, {
    hint: "Use a newer version of varve with this repository.",
  });
}

export function writeHeader(writer: ByteWriter, kind: ObjectKind): ByteWriter {
  return writer.latin1(magic).u8(kind).u8(formatVersion).u16(0);
}

/** Reads past the header; throws unless it is one of `kind`, version 1, without flags. */
export function readHeader(reader: ByteReader, kind: ObjectKind): void {
  if (reader.latin1(4) !== magic) throw reader.damaged("it does not begin with VARV");
  const found = reader.u8();
  if (found !== kind) {
    const [expected, got] = [kind, found].map((code) => String.fromCharCode(code));
    throw reader.damaged(`it is of kind ${JSON.stringify(got)}, not "${expected}"`);
  }
  const version = reader.u8();
  if (version === 0) throw reader.damaged("its version is 0");
  if (version > formatVersion) throw futureError(`format version ${version}`);
  const flags = reader.u16();
  if (flags !== 0) throw futureError(`the object flags 0x${flags.toString(16)}`);
}
