/**
 * Who we are to the server, and who it must be: keys of ours from an agent or from files, and keys
 * of hosts from files. Nothing is asked, since nobody may be there; `~/.ssh/config` is not read.
 */
import { readFile } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import ssh2, { type AuthMethod, type ParsedKey } from "ssh2";
import { VarveError } from "../../../base/errors.ts";
import { type KnownKey, knownKeys, knownName } from "./known-hosts.ts";
import type { SftpLocation } from "./sftp-location.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Login {
  readonly username: string;
  readonly methods: readonly AuthMethod[];
  /** What was looked for, for messages. */
  readonly tried: readonly string[];
}

/** OpenSSH's own, in its order. */
const identityNames = ["id_rsa", "id_ecdsa", "id_ed25519"];
const systemKnownHosts = "/etc/ssh/ssh_known_hosts";

const homeOf = (environment: Environment) => environment["HOME"] ?? homedir();

/** Errors: `usage` for a file that was named and cannot be read; `store-credentials`. */
export async function loginOf(location: SftpLocation, environment: Environment): Promise<Login> {
  const username = location.user ?? userInfo().username;
  const passphrase = await passphraseOf(location, environment);
  const agent = agentMethod(username, environment);
  if (location.identity !== undefined) {
    const path = location.identity;
    const key = parsedKey(await namedFile(path, "The private key"), passphrase);
    // A key that cannot be opened may lie in the agent, as ssh takes it.
    if (key instanceof Error && agent === undefined) throw lockedKey(path, key);
    const own = key instanceof Error ? [] : [{ type: "publickey", username, key } as const];
    return {
      username,
      methods: [...own, ...(agent === undefined ? [] : [agent])],
      tried: [path, ...(agent === undefined ? [] : ["the agent"])],
    };
  }
  const methods: AuthMethod[] = agent === undefined ? [] : [agent];
  const tried = agent === undefined ? [] : ["the agent"];
  for (const name of identityNames) {
    const path = join(homeOf(environment), ".ssh", name);
    const data = await readFile(path).catch(() => undefined);
    const key = data === undefined ? undefined : parsedKey(data, passphrase);
    if (key === undefined) continue;
    tried.push(key instanceof Error ? `${path} (it cannot be opened: ${key.message})` : path);
    if (!(key instanceof Error)) methods.push({ type: "publickey", username, key });
  }
  return { username, methods, tried };
}

/** The keys that are known of the location's host, and the file where more would be added. */
export async function knownKeysOf(
  location: SftpLocation,
  environment: Environment,
): Promise<{ readonly keys: readonly KnownKey[]; readonly file: string }> {
  const name = knownName(location.host, location.port);
  const named = location.knownHosts ?? environment["VARVE_SSH_KNOWN_HOSTS"];
  if (named !== undefined) {
    const text = (await namedFile(named, "The file of host keys")).toString();
    return { keys: knownKeys(text, name), file: named };
  }
  const file = join(homeOf(environment), ".ssh/known_hosts");
  const keys: KnownKey[] = [];
  for (const each of [file, systemKnownHosts]) {
    const text = await readFile(each, "utf8").catch(() => "");
    keys.push(...knownKeys(text, name));
  }
  return { keys, file };
}

function agentMethod(username: string, environment: Environment): AuthMethod | undefined {
  const agent = environment["SSH_AUTH_SOCK"];
  return agent === undefined || agent === "" ? undefined : { type: "agent", username, agent };
}

async function passphraseOf(
  { passphraseFile }: SftpLocation,
  environment: Environment,
): Promise<string | undefined> {
  const file = passphraseFile ?? environment["VARVE_SSH_PASSPHRASE_FILE"];
  if (file === undefined) return environment["VARVE_SSH_PASSPHRASE"];
  const text = (await namedFile(file, "The file with the passphrase")).toString();
  return text.replace(/\r?\n$/, "");
}

/** An Error says why the key cannot be used. */
function parsedKey(data: Buffer, passphrase: string | undefined): ParsedKey | Error {
  const parsed = ssh2.utils.parseKey(data, passphrase);
  if (parsed instanceof Error) return new Error(reasonOf(parsed, passphrase), { cause: parsed });
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key?.isPrivateKey() !== true) return new Error("it is no private key");
  return key;
}

function reasonOf({ message }: Error, passphrase: string | undefined): string {
  if (/no passphrase/i.test(message)) return "it has a passphrase";
  return passphrase === undefined ? "it is no key that is understood" : "the passphrase is wrong";
}

function lockedKey(path: string, cause: Error): VarveError {
  return new VarveError("store-credentials", `The private key ${path}: ${cause.message}.`, {
    hint:
      "Give its passphrase as VARVE_SSH_PASSPHRASE, or in a file that VARVE_SSH_PASSPHRASE_FILE " +
      "or ?passphrase-file=FILE names; or have an agent hold the key.",
    context: { path },
    cause,
  });
}

async function namedFile(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new VarveError("usage", `${what} ${path} cannot be read.`, {
      hint: "Check the name; it is taken from the folder where varve runs.",
      context: { path },
      cause: error,
    });
  }
}
