/** What a failure means to whoever called the store: one table for all calls. */
import { type ErrorCode, VarveError } from "../../../base/errors.ts";
import { objectAbsent } from "../store-errors.ts";
import { LinkFailure, SftpRefusal, sftpStatus } from "./sftp-failure.ts";
import type { SftpLocation } from "./sftp-location.ts";

/** What was tried; `name` is an object, or a folder that is listed. */
export interface SftpAttempt {
  readonly action: "read" | "written" | "listed" | "deleted";
  readonly name: string;
}

type Meaning = readonly [code: ErrorCode, what: string, hint: string];

/** The error to throw; what is none of SFTP passes unchanged. */
export function sftpError(error: unknown, attempt: SftpAttempt, location: SftpLocation): unknown {
  const { action, name } = attempt;
  const { url } = location;
  const meaning =
    error instanceof SftpRefusal
      ? meaningOfRefusal(error, attempt, location)
      : error instanceof LinkFailure
        ? meaningOfLink(error, location)
        : undefined;
  if (meaning === undefined) return error;
  if (meaning === "absent") return objectAbsent(name, url, error);
  const [code, what, hint] = meaning;
  return new VarveError(code, `${name} in ${url} could not be ${action}: ${what}.`, {
    hint,
    context: { name, store: url },
    cause: error,
  });
}

function meaningOfRefusal(
  { status, isFull, message }: SftpRefusal,
  { action }: SftpAttempt,
  { path }: SftpLocation,
): Meaning | "absent" {
  if (status === sftpStatus.noSuchFile) {
    if (action === "read") return "absent";
    return ["store-unreachable", "there is no such folder", `Is ${path} on the server, and there?`];
  }
  if (status === sftpStatus.denied) {
    const hint = `Check owner and mode of ${path} on the server.`;
    return ["store-denied", "the server denies it", hint];
  }
  if (isFull) {
    const hint =
      "Make room on the server (bytes, inodes or quota), then run it again; `varve prune` frees " +
      "what no snapshot needs.";
    return ["store-full", "no room is left", hint];
  }
  const said = `the server says "${message.slice(0, 200)}"`;
  return ["store-unreachable", said, "SFTP says no more; the server's log may."];
}

function meaningOfLink({ code, message }: LinkFailure, { host, port }: SftpLocation): Meaning {
  switch (code) {
    case "ENOTFOUND":
      return [
        "store-unreachable",
        `the host ${host} is not known`,
        "Check its name for a slip, and DNS; names from ~/.ssh/config are not looked up.",
      ];
    case "ECONNREFUSED":
      return [
        "store-unreachable",
        `nobody listens at ${host}, port ${port}`,
        "Check host and port, and that the SSH server runs.",
      ];
    default:
      return [
        "store-unreachable",
        message,
        "Check the network and the server, then run it again; what was stored is found again.",
      ];
  }
}
