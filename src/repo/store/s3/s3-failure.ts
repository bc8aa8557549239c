/** What went wrong with a request, as the SDK and node:http tell it, in one form. */
import type { Retry } from "../retry.ts";

export interface S3Failure {
  /** S3's code ("NoSuchKey"), the system's ("ECONNRESET") or the name of the error. */
  readonly code: string;
  /** HTTP; undefined when no answer came. */
  readonly status: number | undefined;
  readonly message: string;
  /** Where AWS says that the bucket is. */
  readonly region: string | undefined;
  /** The SDK has noticed that the clocks differ, and the next request says the server's time. */
  readonly isClockCorrected: boolean;
}

interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly Code?: string;
  readonly Region?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly clockSkewCorrected?: boolean };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

export function failureOf(error: unknown): S3Failure {
  const seen = (typeof error === "object" && error !== null ? error : {}) as SdkError;
  const status = seen.$metadata?.httpStatusCode;
  return {
    code: codeOf(seen, status),
    status,
    message: (seen.message ?? String(error)).slice(0, 300),
    region: seen.Region ?? seen.$response?.headers?.["x-amz-bucket-region"],
    isClockCorrected: seen.$metadata?.clockSkewCorrected === true,
  };
}

function codeOf(seen: SdkError, status: number | undefined): string {
  // The SDK names an answer without a body after its status, or "UnknownError".
  const code = seen.Code ?? (status === undefined ? seen.code : undefined) ?? seen.name ?? "Error";
  return code;
}

/** Requests that were refused for what they say are refused again. */
const notAgain = new Set([
  "NoSuchBucket",
  "NoSuchKey",
  "NoSuchUpload",
  "AccessDenied",
  "NotImplemented",
]);
/** Answers below 500 after which the same request may well succeed. */
const again = new Set([
  "RequestTimeout",
  "OperationAborted",
  "ConditionalRequestConflict",
  "IncompleteBody",
  "BadDigest",
  "XAmzContentSHA256Mismatch",
  "Throttling",
  "ThrottlingException",
  "RequestLimitExceeded",
  "TooManyRequestsException",
]);
const slowDown = new Set(["SlowDown", "ServiceUnavailable", "Throttling", "RequestLimitExceeded"]);

/** Codes of node's: certificates that are not to be trusted do not get better. */
const untrusted = new RegExp(
  "^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY|DECRYPT)_|" +
    "INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|PATH_LENGTH_EXCEEDED)",
);

export const isUntrusted = ({ code }: S3Failure) => untrusted.test(code);

/** Failures of the connection and of what came over it. */
const network = new RegExp(
  "^(E(CONN|HOST|NET|AI_|PIPE|TIMEDOUT|STALLED|ADDRNOTAVAIL|PROTO)|ENOTFOUND|HPE_|ERR_SSL|" +
    "ERR_STREAM_|UND_)",
);

export function retryOf(failure: S3Failure, error: unknown): Retry {
  const { code, status } = failure;
  if (failure.isClockCorrected) return "at-once";
  if (status === undefined) return retryOfNoAnswer(failure, error);
  if (notAgain.has(code)) return "no";
  if (status === 503 || status === 429 || slowDown.has(code)) return "much-later";
  if (status === 501 || status === 505 || status === 507) return "no";
  // 417 is some proxy's: nothing is expected here.
  const passes = status >= 500 || status === 408 || status === 417;
  if (passes || again.has(code)) return "later";
  // An answer that says that all went well and cannot be understood was cut or mixed up.
  return status < 300 ? "later" : "no";
}

function retryOfNoAnswer(failure: S3Failure, error: unknown): Retry {
  if (isUntrusted(failure)) return "no";
  if (network.test(failure.code)) return "later";
  const { message } = failure;
  if (/checksum mismatch/i.test(message) || /connection was closed/.test(message)) return "later";
  // Names that are not resolved for now, among what getaddrinfo says.
  return (error as NodeJS.ErrnoException).syscall === "getaddrinfo" ? "later" : "no";
}
