/** The two ways in which a call over SFTP fails: the server says no, or the connection does. */

/** Numbers of draft-ietf-secsh-filexfer-02, section 7, which all servers speak. */
export const sftpStatus = {
  eof: 1,
  noSuchFile: 2,
  denied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const;

/** The server's answer. */
export class SftpRefusal extends Error {
  readonly status: number;
  /** As node:fs would call it, for those two that somebody goes on after. */
  readonly code: "ENOENT" | "EEXIST" | undefined;
  /** Set where the server has no room; the protocol has no number for that. */
  isFull = false;

  constructor(status: number, message: string, cause: unknown, isThere = false) {
    super(message, { cause });
    this.status = status;
    if (isThere) this.code = "EEXIST";
    else this.code = status === sftpStatus.noSuchFile ? "ENOENT" : undefined;
  }
}

/** There is no connection, or none any more. */
export class LinkFailure extends Error {
  /** The system's ("ECONNREFUSED"), or "lost". */
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export function hasStatus(error: unknown, ...statuses: number[]): error is SftpRefusal {
  return error instanceof SftpRefusal && statuses.includes(error.status);
}
