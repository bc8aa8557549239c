/**
 * The URL form of a folder behind SSH: `sftp://user@host:port/path` with the parameters of the
 * table below. `/~/path` begins at the folder where the server puts the user.
 *
 * No secret stands in it: a URL is in shell histories, process lists, messages and logs.
 */
import { VarveError } from "../../../base/errors.ts";
import {
  type ParameterTable,
  parametersOf,
  type TransferLimits,
  transferLimits,
  transferParameters,
} from "../url-parameters.ts";

export interface SftpLocation extends TransferLimits {
  /** Undefined: as here. */
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number;
  /** Absolute, or below the user's folder. */
  readonly path: string;
  /** Without parameters: what tells one repository from another. */
  readonly url: string;
  /** Files; undefined: the usual ones. */
  readonly knownHosts: string | undefined;
  readonly identity: string | undefined;
  readonly passphraseFile: string | undefined;
}

const parameters: ParameterTable = {
  "known-hosts": [/^.+$/, "a file of host keys"],
  identity: [/^.+$/, "a file with a private key"],
  "passphrase-file": [/^.+$/, "a file with the passphrase of the private key"],
  ...transferParameters,
};

const requestsDefault = 8;

/** Errors: `usage`, with a hint that says what a good URL looks like. */
export function parseSftpUrl(text: string): SftpLocation {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refused("This sftp:// URL is not understood.");
  if (url.password !== "") {
    throw new VarveError("usage", "An sftp:// URL holds no password.", {
      hint:
        "Log in with a key: by an agent, or by a file that ?identity=FILE names. If that was a " +
        "real password, your shell's history has it now.",
    });
  }
  if (url.hash !== "") throw refused("A # in an sftp:// URL has to be written as %23.");
  const host = decoded(url.hostname).replace(/^\[|\]$/g, "");
  const user = url.username === "" ? undefined : decoded(url.username);
  if (!/^[\p{L}\p{N}._:%-]+$/u.test(host) || host.startsWith("-")) {
    throw refused("This sftp:// URL names no host.");
  }
  if (user !== undefined && /[\0-\x1f\x7f]/.test(user)) {
    throw refused("The user of this sftp:// URL is not right.");
  }
  const path = pathOf(url.pathname);
  const values = parametersOf(url.searchParams, parameters, "sftp:// URL");
  const port = url.port === "" ? 22 : Number(url.port);
  const authority = `${user === undefined ? "" : `${url.username}@`}${url.hostname}`;
  const shownPath = path.startsWith("/") ? path : `/~/${path}`.replace(/\/\.$/, "");
  return {
    user,
    host,
    port,
    path,
    url: `sftp://${authority}${port === 22 ? "" : `:${port}`}${shownPath}`,
    knownHosts: values.get("known-hosts"),
    identity: values.get("identity"),
    passphraseFile: values.get("passphrase-file"),
    ...transferLimits(values, requestsDefault),
  };
}

function pathOf(pathname: string): string {
  const path = decoded(pathname).replace(/\/+$/, "");
  if (/[\0-\x1f\x7f]/.test(path)) throw refused("The path of this sftp:// URL is not right.");
  if (path === "/~") return ".";
  const isHome = path.startsWith("/~/");
  const rest = (isHome ? path.slice(3) : path.slice(1)).split("/");
  if (rest.some((part) => part === "" || part === "." || part === "..")) {
    throw refused("This sftp:// URL names no folder.");
  }
  return (isHome ? "" : "/") + rest.join("/");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw refused("A % in an sftp:// URL has to be written as %25.", error);
  }
}

function refused(message: string, cause?: unknown): VarveError {
  return new VarveError("usage", message, {
    hint: "Write it as sftp://USER@HOST:PORT/FOLDER, or /~/FOLDER for one in the user's home.",
    cause,
  });
}
