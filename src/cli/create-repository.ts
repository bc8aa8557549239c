/** Makes a repository with this version's settings: `init`, and the first `snapshot`. */
import { readdirSync, readFileSync } from "node:fs";
import { hasCode, VarveError } from "../base/errors.ts";
import type { Description } from "../repo/format/description.ts";
import type { Repository } from "../repo/repository.ts";
import type { CliContext } from "./context.ts";

/** What `varve.json` calls the ciphers; the names of `--cipher`. */
export const cipherChoices = ["aes-256-gcm", "chacha20-poly1305"] as const;
export type CipherChoice = (typeof cipherChoices)[number];

/** Size that packs aim at. */
export const packBytesDefault = 16 * 1024 * 1024;

export interface CreateOptions {
  readonly url: string;
  /** A passphrase, or the text of a key file. */
  readonly password: string;
  /** What `key list` will call the first key. */
  readonly label: string;
  readonly cipher?: CipherChoice;
  readonly packBytes?: number;
  readonly padding?: boolean;
  /** What is taken over from another repository, so that the two deduplicate across both. */
  readonly shared?: SharedWithOther;
}

/** The secrets decide where is cut and what blobs are called; they open nothing. */
export interface SharedWithOther {
  readonly chunkerSecret: Uint8Array;
  readonly idsRoot: Uint8Array;
  readonly chunkers: Description["chunkers"];
}

/**
 * `repo-exists` where a repository, or anything else, stands already, and for all but one of those
 * who make one at the same moment.
 */
export async function createRepository(
  context: CliContext,
  options: CreateOptions,
): Promise<Repository> {
  const [{ openStore }, { initRepository }, { parseSecret }, { streamProfile, treeProfile }] =
    await Promise.all([
      import("../repo/store/open-store.ts"),
      import("../repo/repository.ts"),
      import("../repo/crypto/kek.ts"),
      import("../chunker/profiles.ts"),
    ]);
  const { clock, random, host } = context.system;
  const { chunkers, ...secrets } = options.shared ?? {};
  const store = await openStore(options.url, {
    create: true,
    clock,
    random,
    interrupt: context.signal,
    environment: context.system.env,
  });
  try {
    refuseForeignFolder(store.url);
    return await initRepository({
      store,
      secret: parseSecret(options.password),
      label: options.label,
      cacheDir: context.globals.cacheDir,
      clock,
      random,
      host: host(),
      ...secrets,
      settings: {
        cipher: options.cipher ?? fastCipher(),
        chunkers: chunkers ?? { tree: treeProfile, stream: streamProfile },
        pack: { bytes: options.packBytes ?? packBytesDefault, padding: options.padding === true },
      },
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

const descriptionName = "varve.json";

/** What may lie in a folder that becomes a repository: what a crashed `init` leaves behind. */
const ownNames = new Set(["keys", "packs", "index", "snapshots", "sessions", "lost+found"]);

/**
 * A folder with files of another kind is not where somebody wants a repository. For a store that is
 * no folder the repository's own check is enough.
 */
export function refuseForeignFolder(path: string): void {
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOTDIR") return;
    throw new VarveError("repo-exists", `${path} is a file.`, {
      hint: "Name a new or empty folder.",
      cause: error,
    });
  }
  // A repository: told as such by who looks for one.
  if (names.includes(descriptionName)) return;
  const foreign = names.find((name) => !ownNames.has(name) && !name.startsWith(".tmp-"));
  if (foreign === undefined) return;
  throw new VarveError("repo-exists", `${path} is not empty: it holds "${foreign}", for one.`, {
    hint: "Name a new or empty folder.",
  });
}

/** Whether a repository stands there already, before anybody is asked for a password. */
export async function refuseExisting(context: CliContext, url: string): Promise<void> {
  const { openStore } = await import("../repo/store/open-store.ts");
  const store = await openStore(url, {
    random: context.system.random,
    environment: context.system.env,
  });
  try {
    refuseForeignFolder(store.url);
    await store.size(descriptionName);
  } catch (error) {
    if (hasCode(error, "object-absent")) return;
    throw error;
  } finally {
    await store.close();
  }
  throw new VarveError("repo-exists", `There is a repository at ${url} already.`, {
    hint: "Use it without `varve init`, or name another place.",
  });
}

/** AES where the processor has instructions for it, else ChaCha20, which is faster then. */
function fastCipher(): CipherChoice {
  try {
    const facts = readFileSync("/proc/cpuinfo", "latin1");
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(facts)?.[1];
    if (line !== undefined && !/\saes(\s|$)/.test(line)) return "chacha20-poly1305";
  } catch {
    // Not Linux as we know it: most processors have them.
  }
  return "aes-256-gcm";
}
