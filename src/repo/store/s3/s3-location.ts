/**
 * The URL form of a place in an object store:
 * `s3://bucket/prefix?endpoint=…&region=…` with the parameters of the table below.
 *
 * Credentials never stand in it: a URL is in shell histories, process lists, messages and logs.
 * They come from where the AWS SDK looks for them (environment, profiles, roles). Nothing of a
 * refused URL is repeated in the message, since a secret may stand in it.
 */
import { VarveError } from "../../../base/errors.ts";
import {
  type ParameterTable,
  parametersOf,
  type TransferLimits,
  transferLimits,
  transferParameters,
} from "../url-parameters.ts";

export interface ObjectLock {
  readonly mode: "GOVERNANCE" | "COMPLIANCE";
  readonly days: number;
}

export interface S3Location extends TransferLimits {
  readonly bucket: string;
  /** Before every key: "" or "a/b/". */
  readonly prefix: string;
  /** Bucket, prefix and endpoint only: what tells one repository from another. */
  readonly url: string;
  /** Undefined: AWS. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly pathStyle: boolean;
  readonly profile: string | undefined;
  /** A file of certificates to trust besides the system's. */
  readonly ca: string | undefined;
  /** Of packs; everything else has to be readable at once. */
  readonly storageClass: string | undefined;
  readonly sse: string | undefined;
  readonly sseKmsKeyId: string | undefined;
  readonly objectLock: ObjectLock | undefined;
}

/** What each parameter may be, as the refusal says it. */
const parameters: ParameterTable = {
  endpoint: [
    /^(https?:\/\/)?([^/?#@:[\s]+|\[[\da-f:]+\])(:\d+)?(\/[^?#@\s]*)?$/i,
    "https://HOST[:PORT]",
  ],
  region: [/^[A-Za-z0-9-]+$/, "a name such as eu-central-1"],
  "path-style": [/^(true|false)$/, "true or false"],
  profile: [/^.+$/, "the name of a profile"],
  ca: [/^.+$/, "a file of certificates in PEM"],
  "storage-class": [/^[A-Z0-9_]+$/, "a name such as STANDARD_IA"],
  sse: [/^(AES256|aws:kms|aws:kms:dsse)$/, "AES256, aws:kms or aws:kms:dsse"],
  "sse-kms-key-id": [/^[\w:/-]+$/, "the id of a key"],
  "object-lock": [/^(governance|compliance)$/, "governance or compliance"],
  "object-lock-days": [/^[1-9]\d{0,4}$/, "days from 1 to 99999"],
  ...transferParameters,
};

const requestsDefault = 16;

/** Errors: `usage`, with a hint that says what a good URL looks like. */
export function parseS3Url(text: string): S3Location {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refused("This s3:// URL is not understood.");
  if (url.username !== "" || url.password !== "" || /@/.test(url.host)) {
    throw new VarveError("usage", "An s3:// URL holds no credentials.", {
      hint:
        "Give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or as a profile in " +
        "~/.aws/credentials named by AWS_PROFILE or ?profile=NAME. If that was a real secret, " +
        "your shell's history has it now.",
    });
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(url.host)) {
    throw refused("This s3:// URL names no bucket.");
  }
  if (url.hash !== "") throw refused("A # in an s3:// URL has to be written as %23.");
  const prefix = prefixOf(url.pathname);
  return locationOf(url.host, prefix, parametersOf(url.searchParams, parameters, "s3:// URL"));
}

function locationOf(
  bucket: string,
  prefix: string,
  values: ReadonlyMap<string, string>,
): S3Location {
  const value = (name: string) => values.get(name);
  const endpoint = endpointOf(value("endpoint"));
  const place = `s3://${bucket}/${prefix}`.replace(/\/$/, "");
  return {
    bucket,
    prefix,
    url: endpoint === undefined ? place : `${place}?endpoint=${endpoint}`,
    endpoint,
    region: value("region"),
    // Buckets as host names need DNS of their own, which only AWS and its like have.
    pathStyle: (value("path-style") ?? String(endpoint !== undefined)) === "true",
    profile: value("profile"),
    ca: value("ca"),
    storageClass: value("storage-class"),
    ...encryptionOf(value),
    objectLock: objectLockOf(value("object-lock"), value("object-lock-days")),
    ...transferLimits(values, requestsDefault),
  };
}

/** With a slash at its end, unless it is empty. */
function prefixOf(pathname: string): string {
  let path: string;
  try {
    path = decodeURIComponent(pathname).replace(/^\/|\/$/g, "");
  } catch (error) {
    throw refused("A % in an s3:// URL has to be written as %25.", undefined, error);
  }
  if (path === "") return "";
  const isPlain = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  // A key has 1,024 bytes at most, and the names of objects need their part.
  const fits = new TextEncoder().encode(path).length <= 700;
  if (!isPlain || !fits || /[\0-\x1f\x7f]/.test(path)) {
    throw refused("The path of this s3:// URL cannot begin names of objects.");
  }
  return `${path}/`;
}

/** Without a slash at its end; https where nothing is said. */
function endpointOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const full = value.includes("://") ? value : `https://${value}`;
  if (!URL.canParse(full)) throw refused("The endpoint of this s3:// URL is not understood.");
  return new URL(full).href.replace(/\/$/, "");
}

function encryptionOf(
  value: (name: string) => string | undefined,
): Pick<S3Location, "sse" | "sseKmsKeyId"> {
  const sseKmsKeyId = value("sse-kms-key-id");
  const sse = value("sse") ?? (sseKmsKeyId === undefined ? undefined : "aws:kms");
  if (sse === "AES256" && sseKmsKeyId !== undefined) {
    throw refused("sse=AES256 takes no sse-kms-key-id.", "Leave sse out, or write sse=aws:kms.");
  }
  return { sse, sseKmsKeyId };
}

function objectLockOf(mode: string | undefined, days: string | undefined): ObjectLock | undefined {
  if (mode === undefined && days === undefined) return undefined;
  if (mode === undefined || days === undefined) {
    throw refused("object-lock and object-lock-days belong together.");
  }
  return { mode: mode === "compliance" ? "COMPLIANCE" : "GOVERNANCE", days: Number(days) };
}

function refused(message: string, hint?: string, cause?: unknown): VarveError {
  return new VarveError("usage", message, {
    hint: hint ?? "Write it as s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION.",
    cause,
  });
}
