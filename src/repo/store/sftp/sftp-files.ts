/** Files and folders on a channel: what the store is made of, without names of objects. */
import type { Attributes } from "ssh2";
import type { ByteRate } from "../byte-rate.ts";
import { hasStatus, SftpRefusal, sftpStatus } from "./sftp-failure.ts";
import type { SftpChannel } from "./sftp-link.ts";
import { writePieces } from "./sftp-transfer.ts";

const fileMode = 0o600;
const folderMode = 0o700;
/** What SFTP calls a failure and nothing more, in the words of servers that say more. */
const fullPattern = /no space|disk (is )?full|quota/i;

const posixRename = "posix-rename@openssh.com";
const hardLink = "hardlink@openssh.com";
const fsync = "fsync@openssh.com";
const statvfs = "statvfs@openssh.com";

export type Kind = "file" | "folder" | "other";

export function kindOf({ mode = 0 }: Attributes): Kind {
  const type = mode & 0o170000;
  return type === 0o100000 ? "file" : type === 0o040000 ? "folder" : "other";
}

/** A new file for writing; fails when anything has this name. */
export function createFile(
  channel: SftpChannel,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  return channel.handle((sftp, done) => sftp.open(path, "wx", fileMode, done), signal);
}

/** Writes the whole of an open file, as durable as the server can, and closes it. */
export async function fillFile(
  channel: SftpChannel,
  handle: Buffer,
  data: Uint8Array,
  { rate, signal }: { rate: ByteRate | undefined; signal: AbortSignal | undefined },
): Promise<void> {
  try {
    await writePieces({ channel, handle, rate, signal }, data);
    if (channel.offers(fsync)) {
      await channel.ask<void>((sftp, done) => sftp.ext_openssh_fsync(handle, done), signal);
    }
  } catch (error) {
    channel.closeLater(handle);
    throw error;
  }
  // Some servers tell only now that there was no room.
  await channel.ask<void>((sftp, done) => sftp.close(handle, done), signal);
}

/**
 * Replaces `to` whole. A server that can only rename to a free name gets the bytes written over
 * what is there: the name is never absent (a lease that is seems ended), but a reader may meet a
 * mixture, which no seal opens.
 */
export async function replaceFile(
  channel: SftpChannel,
  { from, to, data }: { from: string; to: string; data: Uint8Array },
  transfer: { rate: ByteRate | undefined; signal: AbortSignal | undefined },
): Promise<void> {
  const { signal } = transfer;
  if (channel.offers(posixRename)) {
    return channel.ask<void>((sftp, done) => sftp.ext_openssh_rename(from, to, done), signal);
  }
  if (await renameUnlessTaken(channel, from, to, signal)) return;
  const open = await channel.handle((sftp, done) => sftp.open(to, "r+", fileMode, done), signal);
  const size = { size: data.length };
  await channel.ask<void>((sftp, done) => sftp.fsetstat(open, size, done), signal);
  await fillFile(channel, open, data, transfer);
  removeLater(channel, from);
}

/** Gives the file its name if nothing has it; else false, and `from` is still there. */
export async function nameUnlessTaken(
  channel: SftpChannel,
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!channel.offers(hardLink)) return renameUnlessTaken(channel, from, to, signal);
  try {
    await channel.ask<void>((sftp, done) => sftp.ext_openssh_hardlink(from, to, done), signal);
  } catch (error) {
    if (!(error instanceof SftpRefusal)) throw error;
    // Taken, or a file system without hard links.
    return renameUnlessTaken(channel, from, to, signal);
  }
  await removeFile(channel, from, signal);
  return true;
}

/** Looks first: the protocol wants a rename to a taken name to fail, but some servers replace. */
async function renameUnlessTaken(
  channel: SftpChannel,
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if ((await attributesOrNone(channel, to, signal)) !== undefined) return false;
  try {
    await channel.ask<void>((sftp, done) => sftp.rename(from, to, done), signal);
    return true;
  } catch (error) {
    if (!(error instanceof SftpRefusal)) throw error;
    if ((await attributesOrNone(channel, to, signal)) === undefined) throw error;
    return false;
  }
}

/** Absent is fine. */
export async function removeFile(
  channel: SftpChannel,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await channel.ask<void>((sftp, done) => sftp.unlink(path, done), signal);
  } catch (error) {
    if (!hasStatus(error, sftpStatus.noSuchFile)) throw error;
  }
}

export function removeLater(channel: SftpChannel, path: string): void {
  channel.send<void>((sftp, done) => sftp.unlink(path, done));
}

/** Links are not followed. */
export async function attributesOrNone(
  channel: SftpChannel,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Attributes | undefined> {
  try {
    return await channel.ask<Attributes>((sftp, done) => sftp.lstat(path, done), signal);
  } catch (error) {
    if (hasStatus(error, sftpStatus.noSuchFile)) return undefined;
    throw error;
  }
}

export async function makeFolder(channel: SftpChannel, path: string): Promise<void> {
  try {
    await channel.ask<void>((sftp, done) => sftp.mkdir(path, { mode: folderMode }, done));
  } catch (error) {
    if (!(error instanceof SftpRefusal) || error.status === sftpStatus.noSuchFile) throw error;
    // Servers have no number for "is there already".
    const isThere = (await attributesOrNone(channel, path, undefined)) !== undefined;
    throw new SftpRefusal(error.status, error.message, error, isThere);
  }
}

/**
 * Makes the names in a folder durable. The protocol has no request for it; OpenSSH on Linux opens
 * a folder as it does a file, and syncs it. Where that is refused, nothing can be done.
 */
export async function syncFolder(channel: SftpChannel, path: string): Promise<void> {
  if (!channel.offers(fsync)) return;
  let handle: Buffer;
  try {
    handle = await channel.ask<Buffer>((sftp, done) => sftp.open(path, "r", fileMode, done));
  } catch (error) {
    if (error instanceof SftpRefusal) return;
    throw error;
  }
  const synced = channel.ask<void>((sftp, done) => sftp.ext_openssh_fsync(handle, done));
  channel.closeLater(handle);
  try {
    await synced;
  } catch (error) {
    // File systems that sync no folders; there names are durable as is.
    if (!hasStatus(error, sftpStatus.badMessage, sftpStatus.unsupported)) throw error;
  }
}

/** Marks a failure that was for want of room. */
export async function tellFull(
  channel: SftpChannel,
  error: unknown,
  folder: string,
  bytes: number,
): Promise<void> {
  if (!hasStatus(error, sftpStatus.failure)) return;
  error.isFull = fullPattern.test(error.message);
  if (error.isFull || !channel.offers(statvfs)) return;
  try {
    const facts = await channel.ask<{ f_frsize: number; f_bavail: number; f_favail: number }>(
      (sftp, done) => sftp.ext_openssh_statvfs(folder, done),
    );
    // Some file systems count no inodes: then both are 0, and bytes say enough.
    error.isFull = facts.f_bavail * facts.f_frsize < bytes;
  } catch {
    // What is known already has to do.
  }
}
