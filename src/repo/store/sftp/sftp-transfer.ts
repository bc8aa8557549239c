/**
 * A file's bytes over SFTP: pieces side by side, since each costs a round trip. How many bytes are
 * under way is bounded for each file, and by SSH's window for each channel.
 */
import type { ByteRate } from "../byte-rate.ts";
import type { SftpChannel } from "./sftp-link.ts";

/** What every server takes; OpenSSH took no more before version 8.4 either. */
const pieceBytes = 32 * 1024;
const piecesAtOnce = 64;

export interface Transfer {
  readonly channel: SftpChannel;
  readonly handle: Buffer;
  readonly rate: ByteRate | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Fills `target` from `position` on; gives the bytes read, fewer when the file ends. */
export async function readPieces(
  transfer: Transfer,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let end = target.length;
  await inPieces(target.length, async (at, length) => {
    for (let done = 0; done < length && at + done < end; ) {
      const count = await readPiece(transfer, target, at + done, length - done, position);
      if (count === 0) end = Math.min(end, at + done);
      done += count;
    }
  });
  return end;
}

/**
 * Through memory of its own: an answer that comes after an abort must not find the caller's, which
 * holds something else by then.
 */
async function readPiece(
  { channel, handle, rate, signal }: Transfer,
  target: Uint8Array,
  at: number,
  length: number,
  position: number,
): Promise<number> {
  const piece = Buffer.allocUnsafeSlow(length);
  const count = await channel.ask<number>(
    (sftp, done) => sftp.read(handle, piece, 0, length, position + at, done),
    signal,
  );
  target.set(piece.subarray(0, count), at);
  await rate?.take(count, signal);
  return count;
}

/** Writes all of `data` from `position` on. */
export async function writePieces(
  { channel, handle, rate, signal }: Transfer,
  data: Uint8Array,
): Promise<void> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  await inPieces(data.length, async (at, length) => {
    await rate?.take(length, signal);
    await channel.ask<void>(
      (sftp, done) => sftp.write(handle, bytes, at, length, at, done),
      signal,
    );
  });
}

/** After a failure no piece is begun, and all that are under way have settled. */
async function inPieces(
  bytes: number,
  move: (at: number, length: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const worker = async () => {
    while (next < bytes && failure === undefined) {
      const at = next;
      next += pieceBytes;
      try {
        await move(at, Math.min(pieceBytes, bytes - at));
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: piecesAtOnce }, worker));
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error;
}
