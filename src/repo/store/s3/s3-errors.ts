/** What a failed request means to whoever called the store: one table for all calls. */
import { type ErrorCode, VarveError } from "../../../base/errors.ts";
import { objectAbsent } from "../store-errors.ts";
import { failureOf, isUntrusted, type S3Failure } from "./s3-failure.ts";

/** What was tried; `name` is an object, or a folder that is listed. */
export interface S3Attempt {
  readonly action: "read" | "written" | "listed" | "deleted";
  readonly name: string;
  readonly url: string;
  readonly bucket: string;
}

type Meaning = readonly [code: ErrorCode, what: string, hint: string];

const credentialHint =
  "Give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile that AWS_PROFILE or " +
  "?profile=NAME names.";
const regionHint = "Name the bucket's region with ?region=REGION, and its endpoint if it has one.";

/** By S3's code. */
const meanings: Readonly<Record<string, Meaning>> = {
  AccessDenied: [
    "store-denied",
    "the store denies it to these credentials",
    "Let them list the bucket, and read and write objects below the prefix; prune and forget " +
      "delete as well.",
  ],
  InvalidAccessKeyId: ["store-credentials", "the store does not know the key", credentialHint],
  SignatureDoesNotMatch: [
    "store-credentials",
    "the signature does not match",
    "The secret key is wrong, or a proxy changes requests on their way.",
  ],
  CredentialsProviderError: [
    "store-credentials",
    "no credentials were found, or their source failed",
    credentialHint,
  ],
  ExpiredToken: [
    "store-credentials",
    "the credentials have expired",
    "Get new ones, then run it again; what was stored is found again.",
  ],
  InvalidToken: ["store-credentials", "the session token is wrong", credentialHint],
  RequestTimeTooSkewed: [
    "store-unreachable",
    "the clocks of this host and of the store differ",
    "Set this host's clock, then run it again.",
  ],
  PermanentRedirect: ["store-unreachable", "the bucket is in another region", regionHint],
  TemporaryRedirect: ["store-unreachable", "the bucket is in another region", regionHint],
  AuthorizationHeaderMalformed: [
    "store-unreachable",
    "the request was signed for another region",
    regionHint,
  ],
  InvalidObjectState: [
    "object-archived",
    "it is in an archive",
    "Have the store bring back the objects below packs/ first (RestoreObject), then run it again.",
  ],
  QuotaExceeded: ["store-full", "the quota is used up", "Make room, or have the quota raised."],
  InvalidStorageClass: [
    "store-unreachable",
    "the store does not know the storage class",
    "Name another with ?storage-class=, or none.",
  ],
  EPROTO: [
    "store-unreachable",
    "the endpoint does not speak TLS as this host does",
    "If it speaks http only, write ?endpoint=http://…",
  ],
  ENOTFOUND: [
    "store-unreachable",
    "the host of the endpoint is not known",
    "Check the endpoint, or the region, for a slip; check DNS.",
  ],
  ECONNREFUSED: [
    "store-unreachable",
    "nobody listens at the endpoint",
    "Check host and port of the endpoint, and that the server runs.",
  ],
};

const sameAs: Readonly<Record<string, string>> = {
  AllAccessDisabled: "AccessDenied",
  AccountProblem: "AccessDenied",
  Forbidden: "AccessDenied",
  ExpiredTokenException: "ExpiredToken",
  TokenRefreshRequired: "ExpiredToken",
  RequestExpired: "ExpiredToken",
  TokenProviderError: "CredentialsProviderError",
  InvalidSecurity: "InvalidAccessKeyId",
  IllegalLocationConstraintException: "PermanentRedirect",
  XMinioStorageFull: "QuotaExceeded",
  InsufficientStorage: "QuotaExceeded",
  ERR_SSL_WRONG_VERSION_NUMBER: "EPROTO",
};

const byStatus: Readonly<Record<number, string>> = {
  301: "PermanentRedirect",
  307: "TemporaryRedirect",
  401: "InvalidAccessKeyId",
  403: "AccessDenied",
  507: "QuotaExceeded",
};

/** Errors that are VarveErrors already pass unchanged. */
export function s3Error(error: unknown, attempt: S3Attempt): unknown {
  if (error instanceof VarveError) return error;
  const failure = failureOf(error);
  const { code, status } = failure;
  if (code === "NoSuchBucket") return bucketAbsent(attempt, error);
  if (status === 404 && attempt.action === "read") {
    return objectAbsent(attempt.name, attempt.url, error);
  }
  const [varveCode, what, hint] = meaningOf(failure);
  const { action, name, url } = attempt;
  return new VarveError(varveCode, `${name} in ${url} could not be ${action}: ${what}.`, {
    hint,
    context: { name, store: url, s3: code, ...(status === undefined ? {} : { status }) },
    cause: error,
  });
}

function meaningOf(failure: S3Failure): Meaning {
  const { code, status, region, message } = failure;
  if (isUntrusted(failure)) {
    return [
      "store-untrusted",
      `its certificate is not to be trusted (${code})`,
      "For a certificate of your own, name the file of its authority with ?ca=FILE.",
    ];
  }
  const known = Object.hasOwn(sameAs, code) ? sameAs[code] : code;
  const ofCode = Object.hasOwn(meanings, known ?? "") ? meanings[known ?? ""] : undefined;
  const found = ofCode ?? meanings[byStatus[status ?? 0] ?? ""];
  if (found !== undefined) {
    if (region === undefined || found[2] !== regionHint) return found;
    return [found[0], found[1], `Write ?region=${region.slice(0, 40)}.`];
  }
  if (/region is missing/i.test(message)) {
    return ["usage", "no region is given", "Write ?region=REGION, or set AWS_REGION."];
  }
  const said = status === undefined ? message : `${status} ${code}: ${message}`;
  return [
    "store-unreachable",
    said.replace(/[.\s]+$/, ""),
    "Check the endpoint and the network, then run it again; what was stored is found again.",
  ];
}

function bucketAbsent({ bucket, url }: S3Attempt, cause: unknown): VarveError {
  return new VarveError("store-absent", `There is no bucket ${bucket}.`, {
    hint: "Check its name, the endpoint and the region; varve makes no buckets.",
    context: { store: url },
    cause,
  });
}
