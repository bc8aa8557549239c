/**
 * Exit codes: one table from error codes to what the process returns. Scripts rely on the numbers;
 * docs/errors.md lists them, and a test keeps the two equal.
 */
import { type ErrorCode, VarveError } from "../base/errors.ts";

export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  /** A snapshot was made, but some of the source could not be read. */
  incomplete: 3,
  damage: 4,
  repoAbsent: 10,
  running: 11,
  passwordWrong: 12,
  /** These three are 128 and the number of the signal, as a shell has it. */
  hungUp: 129,
  interrupted: 130,
  /** What a shell reports for a program that lost its reader (128 + SIGPIPE). */
  readerGone: 141,
  terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = {
  [ExitCode.done]: "Done.",
  [ExitCode.failed]: "Failed.",
  [ExitCode.usage]: "Wrong usage; nothing was done.",
  [ExitCode.incomplete]: "The snapshot was made, but some of the source could not be read.",
  [ExitCode.damage]: "A check, or a copy, found damage.",
  [ExitCode.repoAbsent]: "There is no repository at this place.",
  [ExitCode.running]: "This job is already running.",
  [ExitCode.passwordWrong]: "Wrong password or key.",
  [ExitCode.hungUp]: "Interrupted by SIGHUP: its terminal went away.",
  [ExitCode.interrupted]: "Interrupted, as by Ctrl-C.",
  [ExitCode.readerGone]: "Whoever read the output, such as `head`, went away before its end.",
  [ExitCode.terminated]: "Interrupted by SIGTERM.",
};

/** Error codes that end in something other than `failed`. */
const byErrorCode: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  usage: ExitCode.usage,
  "damage-found": ExitCode.damage,
  "repo-absent": ExitCode.repoAbsent,
  "password-wrong": ExitCode.passwordWrong,
  interrupted: ExitCode.interrupted,
};

export function exitCodeOfErrorCode(code: ErrorCode): ExitCode {
  return byErrorCode[code] ?? ExitCode.failed;
}

/** Of an interruption whose context has its signal. */
const bySignal: Readonly<Record<string, ExitCode>> = {
  SIGHUP: ExitCode.hungUp,
  SIGTERM: ExitCode.terminated,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof VarveError)) return ExitCode.failed;
  const { signal } = error.context;
  const ofSignal = error.code === "interrupted" ? bySignal[String(signal)] : undefined;
  return ofSignal ?? exitCodeOfErrorCode(error.code);
}
