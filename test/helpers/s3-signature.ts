/**
 * The server's side of AWS Signature Version 4, and the bodies that come with it: written from
 * Amazon's description ("Authenticating Requests: Using the Authorization Header"), not from the
 * SDK, so that each checks the other.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { crc32 } from "node:zlib";

/** An answer that is no success, as S3 words it. */
export class S3Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message = code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const skewMsMax = 15 * 60_000;

/** The access key whose secret has signed this request; `payload` is the body as it came. */
export function signerOf(
  request: IncomingMessage,
  payload: Buffer,
  secretOf: (accessKey: string) => string | undefined,
  nowMs: number,
): string {
  const { headers } = request;
  const parts = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/;
  const [, credential = "", signedHeaders = "", signature = ""] =
    parts.exec(headers.authorization ?? "") ?? [];
  if (signature === "") throw new S3Refusal(403, "AccessDenied", "no signature");
  const [accessKey = "", ...scope] = credential.split("/");
  const secret = secretOf(accessKey);
  if (secret === undefined) throw new S3Refusal(403, "InvalidAccessKeyId");
  const time = String(headers["x-amz-date"]);
  const at = Date.parse(time.replace(/(....)(..)(..T..)(..)(..Z)/, "$1-$2-$3:$4:$5"));
  if (!(Math.abs(at - nowMs) <= skewMsMax)) throw new S3Refusal(403, "RequestTimeTooSkewed");
  const stated = String(headers["x-amz-content-sha256"]);
  if (/^[0-9a-f]{64}$/.test(stated) && sha256(payload) !== stated) {
    throw new S3Refusal(400, "XAmzContentSHA256Mismatch");
  }
  const names = signedHeaders.split(";");
  requireSigned(request, names);
  const text = [
    "AWS4-HMAC-SHA256",
    time,
    scope.join("/"),
    sha256(Buffer.from(canonical(request, names, stated))),
  ].join("\n");
  const key = scope.reduce((last: string | Buffer, part) => hmac(last, part), `AWS4${secret}`);
  const expected = createHmac("sha256", key).update(text).digest();
  const given = Buffer.from(signature, "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new S3Refusal(403, "SignatureDoesNotMatch");
  }
  return accessKey;
}

/** Whatever says what is stored, and how, has to be signed. */
function requireSigned(request: IncomingMessage, names: readonly string[]): void {
  for (const name of ["host", ...Object.keys(request.headers)]) {
    if (name !== "host" && !name.startsWith("x-amz-")) continue;
    if (!names.includes(name)) throw new S3Refusal(403, "AccessDenied", `${name} is not signed`);
  }
}

function canonical(request: IncomingMessage, names: readonly string[], payloadHash: string) {
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const pairs =
    query === "" ? [] : query.split("&").map((pair) => (pair.includes("=") ? pair : `${pair}=`));
  const headers = names.map((name) => {
    const value = String(request.headers[name] ?? "");
    return `${name}:${value.trim().replace(/ +/g, " ")}\n`;
  });
  return [
    request.method,
    path,
    pairs.sort().join("&"),
    headers.join(""),
    names.join(";"),
    payloadHash,
  ].join("\n");
}

const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, text: string) =>
  createHmac("sha256", key).update(text).digest();

/**
 * What the body says: "aws-chunked" is unpacked, checksums in headers and trailers are compared.
 * Also gives the CRC32, where one was sent.
 */
export function contentOf(
  request: IncomingMessage,
  payload: Buffer,
): { readonly data: Buffer; readonly crc32: string | undefined } {
  const { headers } = request;
  const isChunked = /aws-chunked/.test(headers["content-encoding"] ?? "");
  const { data, trailers } = isChunked ? unchunked(payload) : { data: payload, trailers: {} };
  const decoded = headers["x-amz-decoded-content-length"];
  if (isChunked && Number(decoded) !== data.length) throw new S3Refusal(400, "IncompleteBody");
  const sums: Record<string, unknown> = { ...headers, ...trailers };
  const md5 = sums["content-md5"];
  if (md5 !== undefined && createHash("md5").update(data).digest("base64") !== md5) {
    throw new S3Refusal(400, "BadDigest");
  }
  const sum = sums["x-amz-checksum-crc32"];
  if (sum !== undefined && crc32Base64(data) !== sum) throw new S3Refusal(400, "BadDigest");
  return { data, crc32: typeof sum === "string" ? sum : undefined };
}

export function crc32Base64(data: Uint8Array): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes.toString("base64");
}

/** Chunks are "<hex length>[;…]\r\n<bytes>\r\n"; the last has no bytes, and trailers after it. */
function unchunked(payload: Buffer): { data: Buffer; trailers: Record<string, string> } {
  const pieces: Buffer[] = [];
  const trailers: Record<string, string> = {};
  let at = 0;
  const line = () => {
    const end = payload.indexOf("\r\n", at);
    if (end < 0) throw new S3Refusal(400, "IncompleteBody");
    const text = payload.toString("latin1", at, end);
    at = end + 2;
    return text;
  };
  for (;;) {
    const length = Number.parseInt(line(), 16);
    if (length === 0) break;
    pieces.push(payload.subarray(at, at + length));
    at += length + 2;
  }
  for (let text = line(); text !== ""; text = line()) {
    const colon = text.indexOf(":");
    trailers[text.slice(0, colon).toLowerCase()] = text.slice(colon + 1).trim();
  }
  return { data: Buffer.concat(pieces), trailers };
}
