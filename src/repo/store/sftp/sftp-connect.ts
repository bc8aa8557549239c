/**
 * Makes a connection: the host has to show a key that is known, and takes one of ours. No man in
 * the middle gets further than the key exchange, and nobody is asked to believe anything.
 */
import { connect, type Socket } from "node:net";
import ssh2, { type Client } from "ssh2";
import { VarveError } from "../../../base/errors.ts";
import { fingerprintOf, signaturesFor, typeOfKey, type Verdict, verdictOn } from "./known-hosts.ts";
import { LinkFailure } from "./sftp-failure.ts";
import type { SftpLocation } from "./sftp-location.ts";
import { type Environment, knownKeysOf, type Login, loginOf } from "./sftp-login.ts";

const connectMsMax = 20_000;
const keepalivesMax = 3;

/** A connection that has logged in. */
export interface Connected {
  readonly client: Client;
  /** To be destroyed in the end: one that ssh2 has closed waits for the server to close it too. */
  readonly socket: Socket;
}

/** Errors: VarveError where trying again is of no use, else LinkFailure. */
export async function connectSsh(
  location: SftpLocation,
  environment: Environment,
  signal: AbortSignal,
): Promise<Connected> {
  const known = await knownKeysOf(location, environment);
  const login = await loginOf(location, environment);
  if (login.methods.length === 0) throw noKeys(location, login);
  signal.throwIfAborted();
  // Requests are small, and somebody waits for each.
  const socket = connect({ host: location.host, port: location.port, noDelay: true });
  const client = new ssh2.Client();
  let refusal: VarveError | undefined;
  const hostVerifier = (key: Buffer) => {
    refusal = hostRefusal(verdictOn(key, known.keys), key, known.file, location);
    return refusal === undefined;
  };
  await new Promise<void>((resolve, reject) => {
    client.once("ready", resolve);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    client.on("error", (error: Error & { level?: string }) => {
      // The agent failed with one key; others follow.
      if (error.level !== "agent") reject(refusal ?? connectError(error, location, login));
    });
    client.once("close", () => reject(refusal ?? lost("the connection was closed")));
    client.connect({
      sock: socket,
      username: login.username,
      authHandler: login.methods,
      hostVerifier,
      algorithms: { serverHostKey: signaturesFor(known.keys) },
      readyTimeout: Math.min(connectMsMax, location.stallMs),
      keepaliveInterval: Math.ceil(location.stallMs / (keepalivesMax + 1)),
      keepaliveCountMax: keepalivesMax,
    });
  }).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  return { client, socket };
}

export function lost(message: string, cause?: unknown): LinkFailure {
  return new LinkFailure("lost", message, cause);
}

function connectError(
  error: Error & { level?: string; code?: unknown },
  location: SftpLocation,
  login: Login,
): Error {
  const { level, code } = error;
  if (level === "client-authentication") return loginRefused(location, login, error);
  if (level === "handshake") {
    return new VarveError("store-unreachable", `${location.url}: ${error.message}.`, {
      hint: "The server and varve have no algorithms in common: it may be very old.",
      context: { store: location.url },
      cause: error,
    });
  }
  if (level === "client-timeout") {
    return new LinkFailure("ETIMEDOUT", "the server does not answer", error);
  }
  const message = `the connection failed (${typeof code === "string" ? code : error.message})`;
  return new LinkFailure(typeof code === "string" ? code : "lost", message, error);
}

function hostRefusal(
  verdict: Verdict,
  shown: Buffer,
  file: string,
  { host, port, url }: SftpLocation,
): VarveError | undefined {
  if (verdict === "known") return undefined;
  const type = typeOfKey(shown);
  const fingerprint = fingerprintOf(shown);
  const context = { store: url, type, fingerprint };
  if (verdict === "unknown") {
    const portOption = port === 22 ? "" : `-p ${port} `;
    const command = `ssh-keyscan ${portOption}-t ${scanType(type)} ${host} >> ${file}`;
    return new VarveError(
      "store-untrusted",
      `The host key of ${host} is not known: ${type} ${fingerprint}.`,
      {
        hint: `If that is its fingerprint (ask who runs it), add it with: ${command}`,
        context,
      },
    );
  }
  const what =
    verdict === "revoked"
      ? `The host key of ${host} is revoked in ${file}`
      : `The host key of ${host} is not the one in ${file}`;
  return new VarveError("store-untrusted", `${what}: it shows ${type} ${fingerprint}.`, {
    hint:
      "Somebody may be listening in. If the host really has a new key, ask who runs it for the " +
      "fingerprint, then replace the old line in that file.",
    context,
  });
}

/** "ecdsa-sha2-nistp256" is "ecdsa" to ssh-keyscan. */
function scanType(type: string): string {
  return type.replace(/^ssh-/, "").replace(/-.*/, "");
}

function noKeys({ url }: SftpLocation, { tried }: Login): VarveError {
  const found = tried.length === 0 ? "" : ` Found: ${tried.join(", ")}.`;
  return new VarveError("store-credentials", `There is no key to log in to ${url} with.${found}`, {
    hint: "Start an agent (ssh-add), or name a private key with ?identity=FILE.",
    context: { store: url },
  });
}

function loginRefused({ url }: SftpLocation, { username, tried }: Login, cause: Error): VarveError {
  const message = `The server of ${url} does not let ${username} in with ${tried.join(", ")}.`;
  return new VarveError("store-credentials", message, {
    hint: "Add the public key to the user's authorized_keys there, or name another ?identity=FILE.",
    context: { store: url },
    cause,
  });
}
