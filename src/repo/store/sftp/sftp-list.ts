/**
 * Everything below a folder, several folders at a time, with sizes as the listing brings them.
 *
 * A listing must never miss an object that was there all along, and a server that reads its disk
 * may miss a name that is replaced meanwhile, as the lease of a living session is; so a folder is
 * read until a reading brings no new name, and the union counts.
 */
import type { Attributes, ListedName } from "ssh2";
import { hasStatus, sftpStatus } from "./sftp-failure.ts";
import { attributesOrNone, kindOf } from "./sftp-files.ts";
import type { SftpChannel } from "./sftp-link.ts";

export interface Found {
  /** Below the root, as names of objects are. */
  readonly name: string;
  readonly attributes: Attributes;
}

export interface WalkOptions {
  /** Reads one folder, "" for the root: `readFolder` on some channel. */
  readonly read: (folder: string) => Promise<Map<string, Attributes>>;
  readonly folder: string;
  /** Names that it refuses are passed over, with all below them. */
  readonly accept: (name: string) => boolean;
}

const foldersAtOnce = 16;
const readingsMax = 8;

/** All that is no folder. */
export async function* walk({ read, folder, accept }: WalkOptions): AsyncGenerator<Found> {
  const folders = [folder];
  while (folders.length > 0) {
    const some = folders.splice(0, foldersAtOnce);
    const contents = await Promise.all(some.map(read));
    for (const [at, content] of contents.entries()) {
      const above = some[at] === "" ? "" : `${some[at]}/`;
      for (const [base, attributes] of content) {
        const name = above + base;
        if (!accept(name)) continue;
        if (kindOf(attributes) === "folder") folders.push(name);
        else yield { name, attributes };
      }
    }
  }
}

/** By base name; nothing when the folder is not there. */
export async function readFolder(
  channel: SftpChannel,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Attributes>> {
  const union = new Map<string, Attributes>();
  let last = new Map<string, Attributes>();
  for (let reading = 0; reading < readingsMax; reading++) {
    const before = union.size;
    last = await readOnce(channel, path, signal);
    for (const [name, attributes] of last) union.set(name, attributes);
    if (union.size === 0 || (reading > 0 && union.size === before)) break;
  }
  for (const [name, attributes] of union) {
    const isWhole = attributes.mode !== undefined && attributes.size !== undefined;
    if (isWhole && last.has(name)) continue;
    const now = await attributesOrNone(channel, `${path}/${name}`, signal);
    if (now === undefined) union.delete(name);
    else union.set(name, now);
  }
  return union;
}

async function readOnce(
  channel: SftpChannel,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Attributes>> {
  const found = new Map<string, Attributes>();
  let handle: Buffer;
  try {
    handle = await channel.handle((sftp, done) => sftp.opendir(path, done), signal);
  } catch (error) {
    if (hasStatus(error, sftpStatus.noSuchFile)) return found;
    throw error;
  }
  try {
    for (;;) {
      const page = await channel.ask<ListedName[]>(
        (sftp, done) => sftp.readdir(handle, done),
        signal,
      );
      for (const { filename, attrs } of page) found.set(filename, attrs);
    }
  } catch (error) {
    if (!hasStatus(error, sftpStatus.eof)) throw error;
    return found;
  } finally {
    channel.closeLater(handle);
  }
}
