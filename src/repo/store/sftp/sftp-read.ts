/** Reads objects, or ranges of them, with as few round trips as their size allows. */
import type { Attributes } from "ssh2";
import { checkReadSize, objectTooShort } from "../store-errors.ts";
import { SftpRefusal, sftpStatus } from "./sftp-failure.ts";
import { kindOf } from "./sftp-files.ts";
import { readPieces, type Transfer } from "./sftp-transfer.ts";

export interface ObjectPlace {
  readonly name: string;
  /** Of the store. */
  readonly url: string;
  readonly path: string;
}

type Reading = Omit<Transfer, "handle">;

/** Asked for together with the size; most small objects are no longer. */
const headBytes = 32 * 1024;
/** Ranges up to here are asked for before it is known that they are there. */
const unseenBytesMax = 32 * 2 ** 20;

/** The whole object, in the memory given where it fits, or in its own. */
export function readObject(
  reading: Reading,
  place: ObjectPlace,
  into: ArrayBuffer | undefined,
): Promise<Uint8Array> {
  return withFile(reading, place, async (transfer) => {
    const head = new Uint8Array(headBytes);
    const [size, early] = await Promise.all([
      sizeOf(transfer, place),
      readPieces(transfer, head, 0),
    ]);
    checkReadSize(place.name, place.url, size);
    const target = memoryFor(size, into);
    const have = Math.min(early, size);
    target.set(head.subarray(0, have));
    const isMore = have === headBytes && size > have;
    const more = isMore ? await readPieces(transfer, target.subarray(have), have) : 0;
    if (have + more === size) return target;
    throw objectTooShort(place.name, place.url, { offset: 0, length: size }, have + more);
  });
}

export function readRange(
  reading: Reading,
  place: ObjectPlace,
  range: { readonly offset: number; readonly length: number },
  into: ArrayBuffer | undefined,
): Promise<Uint8Array> {
  const { offset, length } = range;
  const { name, url } = place;
  return withFile(reading, place, async (transfer) => {
    if (length === 0 || length > unseenBytesMax) {
      const size = await sizeOf(transfer, place);
      if (offset + length > size) throw objectTooShort(name, url, range, size);
      checkReadSize(name, url, length);
    }
    const target = memoryFor(length, into);
    if ((await readPieces(transfer, target, offset)) === length) return target;
    throw objectTooShort(name, url, range, await sizeOf(transfer, place));
  });
}

async function withFile(
  reading: Reading,
  { path }: ObjectPlace,
  use: (transfer: Transfer) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const { channel, signal } = reading;
  const handle = await channel.handle((sftp, done) => sftp.open(path, "r", 0, done), signal);
  try {
    return await use({ ...reading, handle });
  } finally {
    channel.closeLater(handle);
  }
}

async function sizeOf(
  { channel, handle, signal }: Transfer,
  { name }: ObjectPlace,
): Promise<number> {
  const attributes = await channel.ask<Attributes>(
    (sftp, done) => sftp.fstat(handle, done),
    signal,
  );
  if (kindOf(attributes) === "file") return attributes.size ?? 0;
  throw new SftpRefusal(sftpStatus.failure, `${name} is no plain file`, undefined);
}

function memoryFor(length: number, into: ArrayBuffer | undefined): Uint8Array {
  const fits = into !== undefined && into.byteLength >= length;
  return new Uint8Array(fits ? into : Buffer.allocUnsafeSlow(length).buffer, 0, length);
}
