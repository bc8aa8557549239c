/**
 * From what the user writes to a store: a path or a file:// URL is a folder; every other scheme is
 * an entry in `openers`. Opening touches nothing: a store that is not there shows at its first
 * call.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../base/clock.ts";
import { VarveError } from "../../base/errors.ts";
import { LocalStore, type LocalStoreOptions } from "./local-store.ts";
import type { Store } from "./store.ts";

/** `create`: the folder may be made at the first put (only `init` and copies want that). */
export interface OpenStoreOptions extends Pick<LocalStoreOptions, "create" | "random"> {
  readonly clock?: Clock;
  /** Ends reads, and puts of packs, that are under way when it is aborted: for far stores. */
  readonly interrupt?: AbortSignal;
  /** The user's, where stores that log in find out with what. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

type Opener = (url: string, options: OpenStoreOptions) => Store | Promise<Store>;

const openers: Readonly<Record<string, Opener>> = {
  file: (url, options) => new LocalStore(pathOfFileUrl(url), options),
  // Loaded by those who need it: folders are opened in no time.
  s3: async (url, options) => (await import("./s3/s3-store.ts")).openS3(url, options),
  sftp: async (url, options) => (await import("./sftp/sftp-store.ts")).openSftp(url, options),
  rclone: async (url, options) =>
    (await import("./rclone/rclone-store.ts")).openRclone(url, options),
};

/** What stands before the first colon, unless a slash or dot says that this is a path. */
const schemePattern = /^([^/:.][^/:]*):/;

/**
 * The store at `url`. A relative path is taken from the current folder, at once. Errors: `usage`.
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  if (url === "" || url.includes("\0")) {
    throw new VarveError("usage", "The place of the repository is empty or holds a NUL.", {
      hint: "Name a folder, as in `--repo /srv/backup`.",
    });
  }
  const scheme = schemePattern.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return new LocalStore(resolve(url), options);
  const opener = Object.hasOwn(openers, scheme) ? openers[scheme] : undefined;
  if (opener !== undefined) return opener(url, options);
  throw new VarveError("usage", "This kind of repository place is not known.", {
    hint: "For a folder with a colon in its name, begin with ./ or /.",
    context: { scheme },
  });
}

function pathOfFileUrl(url: string): string {
  try {
    return resolve(fileURLToPath(url));
  } catch (error) {
    throw new VarveError("usage", "This file:// URL names no folder of this host.", {
      hint: "Write it as file:///srv/backup, or as a path.",
      cause: error,
    });
  }
}
