/**
 * The one error class of varve.
 *
 * Every failure that a user can meet has a code from the table below; `docs/errors.md` lists the
 * same codes, and a test keeps the two equal. Absent, damaged and unreachable are three different
 * things and never share a code. Nobody branches on message text. Messages and context never hold
 * a secret.
 */

/** All codes with what they mean; the exit code of each is in `src/cli/exit-code.ts`. */
export const errorCodes = {
  usage: "The command line is not understood, or two options exclude each other.",
  "repo-absent": "There is no repository at this place.",
  "repo-exists": "A repository, or something else, already stands where one was to be made.",
  "repo-future": "The repository was written by a newer version of varve.",
  "password-missing": "No password or key was given and there is nobody to ask.",
  "password-wrong": "No key slot of the repository opens with this password or key.",
  "key-last": "The last key slot of a repository cannot be removed.",
  "key-absent": "There is no such key slot.",
  "snapshot-absent": "No snapshot has this id, position or time.",
  "snapshot-ambiguous": "The id prefix fits several snapshots.",
  "path-absent": "The snapshot has no such path.",
  "source-absent": "A path that was to be snapshotted does not exist or cannot be opened.",
  "source-failed": "A source did not deliver what it should; no snapshot was made.",
  "target-refused": "The restore target is not a place to write to.",
  "target-full": "The restore target has no room left, or cannot be written to.",
  "restore-incomplete": "Some entries could not be restored.",
  "object-absent": "An object that the repository needs is not in the store.",
  "object-damaged": "An object's bytes are not what its name or its key says.",
  "blob-absent": "A blob that a snapshot needs is in no living pack.",
  "blob-damaged": "A blob does not open, or its content is not what its id says.",
  "store-unreachable": "The store does not answer, or answers with an error.",
  "store-denied": "The store refuses access.",
  "store-full": "The store has no room left.",
  "store-absent": "The bucket that the repository is to be in does not exist.",
  "store-credentials": "Credentials for the store are missing, wrong or expired.",
  "store-untrusted": "The store's TLS certificate, or its host key, is not to be trusted.",
  "object-archived": "An object lies in an archive storage class, and cannot be read at once.",
  "retention-refused": "The rules would remove every snapshot of a series.",
  "session-fenced": "A prune declared this session dead while it slept.",
  "damage-found": "A check, or a copy, found damage.",
  "limit-exceeded": "A limit of the format was reached.",
  "cache-failed": "The local cache cannot be used.",
  "system-unsupported": "This system lacks something that the operation needs.",
  interrupted: "The user, or the system, asked varve to stop.",
  internal: "A bug in varve.",
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface VarveErrorOptions {
  /** The next action for the user, one sentence. */
  readonly hint?: string;
  /** Names and numbers that describe the case; no secrets. */
  readonly context?: Readonly<Record<string, string | number | boolean>>;
  readonly cause?: unknown;
}

export class VarveError extends Error {
  override readonly name = "VarveError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly context: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, options: VarveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.context = options.context ?? {};
  }
}

/** True when `error` is a VarveError with one of these codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is VarveError {
  return error instanceof VarveError && codes.includes(error.code);
}

/** States what must hold if varve has no bug; throws `internal` otherwise. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new VarveError("internal", `This is a bug in varve: ${message}`);
}
