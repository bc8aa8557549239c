/**
 * A small S3 server of our own, for where no real one can be installed, and for what a real one
 * does not do on demand. In memory, in the process of the test; path-style only. It checks
 * signatures, checksums and the sizes of parts, and knows what credentials may not do.
 *
 * `before` sees each request when its body has come, and may fail it: by throwing S3Refusal, or by
 * doing something to the connection and answering "handled".
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Bucket, md5, type StoredObject } from "./s3-buckets.ts";
import { contentOf, S3Refusal, signerOf } from "./s3-signature.ts";

export interface S3User {
  readonly secret: string;
  readonly mayDelete?: boolean;
  readonly mayWrite?: boolean;
}

export interface SeenRequest {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly payload: Buffer;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface S3ServerOptions {
  readonly users?: Readonly<Record<string, S3User>>;
  readonly pageMax?: number;
  /** 0 or left out: one that nobody uses. */
  readonly port?: number;
  /** What another server has left. */
  readonly buckets?: Map<string, Bucket>;
  /** Key and certificate: https. */
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly nowMs?: () => number;
}

export type Before = (seen: SeenRequest) => Promise<"handled" | undefined> | "handled" | undefined;

const keptHeaders = new RegExp(
  "^x-amz-(storage-class|server-side-encryption(-aws-kms-key-id)?|" +
    "object-lock-(mode|retain-until-date))$",
);
const storageClasses = new Set(["STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER"]);

export class SmallS3 {
  readonly buckets: Map<string, Bucket>;
  readonly users: Readonly<Record<string, S3User>>;
  /** Method and key of each request that was answered, "PUT packs/…". */
  readonly log: string[] = [];
  before: Before | undefined;
  #port = 0;
  readonly #options: S3ServerOptions;
  readonly #server: Server;

  private constructor(options: S3ServerOptions) {
    this.#options = options;
    this.buckets = options.buckets ?? new Map();
    this.users = options.users ?? { test: { secret: "testsecret" } };
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      void this.#handle(request, response);
    };
    this.#server =
      options.tls === undefined ? createServer(handle) : createTlsServer(options.tls, handle);
  }

  static async start(options: S3ServerOptions = {}): Promise<SmallS3> {
    const server = new SmallS3(options);
    const { port = 0 } = options;
    await new Promise<void>((resolve) => server.#server.listen(port, "127.0.0.1", resolve));
    server.#port = (server.#server.address() as AddressInfo).port;
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get endpoint(): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://127.0.0.1:${this.port}`;
  }

  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name) ?? new Bucket();
    this.buckets.set(name, bucket);
    return bucket;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const now = this.#options.nowMs?.();
    if (now !== undefined) response.setHeader("date", new Date(now).toUTCString());
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const seen = this.#seen(request, response, Buffer.concat(chunks));
      if ((await this.before?.(seen)) === "handled") return;
      this.log.push(`${seen.method} ${seen.key}`);
      this.#answer(seen);
    } catch (error) {
      if (response.destroyed) return;
      this.#refuse(error, request, response);
    }
  }

  #seen(request: IncomingMessage, response: ServerResponse, payload: Buffer): SeenRequest {
    const [path = "", query = ""] = (request.url ?? "").split("?");
    const [, bucket = "", ...rest] = path.split("/");
    return {
      method: request.method ?? "",
      bucket,
      key: decodeURIComponent(rest.join("/")),
      query: new URLSearchParams(query),
      headers: request.headers,
      payload,
      request,
      response,
    };
  }

  #refuse(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    const { status, code, message } =
      error instanceof S3Refusal ? error : new S3Refusal(500, "InternalError", String(error));
    const text = tag("Error", tag("Code", code), tag("Message", xml(message)));
    // An answer to HEAD has no body, whatever went wrong.
    response.writeHead(status, { "content-type": "application/xml" });
    response.end(request.method === "HEAD" ? undefined : text);
  }

  #answer(seen: SeenRequest): void {
    const now = this.#options.nowMs?.() ?? Date.now();
    const secretOf = (key: string) => this.users[key]?.secret;
    const user = this.users[signerOf(seen.request, seen.payload, secretOf, now)];
    const bucket = this.buckets.get(seen.bucket);
    if (bucket === undefined) throw new S3Refusal(404, "NoSuchBucket");
    const deletes = seen.method === "DELETE" || seen.query.has("delete");
    if (deletes && user?.mayDelete === false) throw new S3Refusal(403, "AccessDenied");
    const writes = deletes || seen.method === "PUT" || seen.method === "POST";
    if (writes && user?.mayWrite === false) throw new S3Refusal(403, "AccessDenied");
    if (seen.key === "") this.#answerBucket(seen, bucket);
    else if (seen.query.has("uploadId") || seen.query.has("uploads")) answerUpload(seen, bucket);
    else answerObject(seen, bucket);
  }

  #answerBucket(seen: SeenRequest, bucket: Bucket): void {
    const { method, query } = seen;
    if (method === "HEAD") sendText(seen, "");
    else if (method === "POST" && query.has("delete")) deleteObjects(seen, bucket);
    else if (method === "GET" && query.has("uploads")) listUploads(seen, bucket);
    else if (method === "GET" && query.get("list-type") === "2") this.#list(seen, bucket);
    else throw new S3Refusal(501, "NotImplemented");
  }

  #list(seen: SeenRequest, bucket: Bucket): void {
    const { query } = seen;
    const max = Math.min(Number(query.get("max-keys") ?? 1000), this.#options.pageMax ?? 1000);
    const token = query.get("continuation-token");
    const after = token === null ? "" : Buffer.from(token, "base64").toString();
    const { items, next } = bucket.list(query.get("prefix") ?? "", after, max);
    const contents = items.map(([key, { data, etag, modified, kept }]) =>
      tag(
        "Contents",
        tag("Key", xml(key)),
        tag("LastModified", modified.toISOString()),
        tag("ETag", xml(etag)),
        tag("Size", data.length),
        tag("StorageClass", kept["x-amz-storage-class"] ?? "STANDARD"),
      ),
    );
    const more =
      next === undefined
        ? []
        : [tag("NextContinuationToken", Buffer.from(next).toString("base64"))];
    const head = [tag("KeyCount", items.length), tag("IsTruncated", next !== undefined)];
    sendText(seen, tag("ListBucketResult", ...head, ...more, ...contents));
  }
}

function answerObject(seen: SeenRequest, bucket: Bucket): void {
  const { method, key, response } = seen;
  if (method === "PUT") {
    const { data, crc32 } = contentOf(seen.request, seen.payload);
    const object = bucket.put(key, data, keptOf(seen), crc32);
    response.writeHead(200, headersOf(object)).end();
  } else if (method === "DELETE") {
    bucket.delete(key);
    response.writeHead(204).end();
  } else if (method === "GET" || method === "HEAD") {
    sendObject(seen, bucket.get(key));
  } else throw new S3Refusal(405, "MethodNotAllowed");
}

function sendObject({ method, headers, response }: SeenRequest, object: StoredObject): void {
  const { data } = object;
  const shown = headersOf(object, headers["x-amz-checksum-mode"] === "ENABLED");
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  if (first === undefined) {
    response.writeHead(200, { ...shown, "content-length": data.length });
    response.end(method === "HEAD" ? undefined : data);
    return;
  }
  if (Number(first) >= data.length) throw new S3Refusal(416, "InvalidRange");
  const end = Math.min(last ? Number(last) : data.length - 1, data.length - 1);
  response.writeHead(206, {
    ...shown,
    "content-length": end + 1 - Number(first),
    "content-range": `bytes ${first}-${end}/${data.length}`,
  });
  response.end(data.subarray(Number(first), end + 1));
}

function headersOf({ etag, crc32, kept, modified }: StoredObject, withSum = true) {
  return {
    etag,
    "last-modified": modified.toUTCString(),
    ...kept,
    ...(crc32 !== undefined && withSum ? { "x-amz-checksum-crc32": crc32 } : {}),
  };
}

function keptOf({ headers }: SeenRequest): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (keptHeaders.test(name)) kept[name] = String(value);
  }
  const storageClass = kept["x-amz-storage-class"];
  if (storageClass !== undefined && !storageClasses.has(storageClass)) {
    throw new S3Refusal(400, "InvalidStorageClass");
  }
  return kept;
}

function answerUpload(seen: SeenRequest, bucket: Bucket): void {
  const { method, key, query, response } = seen;
  if (method === "POST" && query.has("uploads")) {
    const { id } = bucket.startUpload(key, keptOf(seen));
    sendText(seen, tag("InitiateMultipartUploadResult", tag("UploadId", id)));
    return;
  }
  const upload = bucket.upload(query.get("uploadId") ?? "", key);
  if (method === "PUT") {
    const { data, crc32 } = contentOf(seen.request, seen.payload);
    const part = { data, etag: `"${md5(data)}"`, crc32, modified: new Date(), kept: {} };
    upload.parts.set(Number(query.get("partNumber")), part);
    response.writeHead(200, headersOf(part)).end();
  } else if (method === "DELETE") {
    bucket.uploads.delete(upload.id);
    response.writeHead(204).end();
  } else if (method === "POST") {
    const parts = elements(seen.payload.toString(), "Part").map(
      (part) => [Number(element(part, "PartNumber")), element(part, "ETag")] as const,
    );
    const { etag } = bucket.complete(upload, parts);
    sendText(seen, tag("CompleteMultipartUploadResult", tag("ETag", xml(etag))));
  } else throw new S3Refusal(501, "NotImplemented");
}

function deleteObjects(seen: SeenRequest, bucket: Bucket): void {
  const { headers } = seen;
  const sums = ["content-md5", "x-amz-checksum-crc32"];
  if (!sums.some((name) => name in headers)) throw new S3Refusal(400, "InvalidRequest");
  const { data } = contentOf(seen.request, seen.payload);
  const keys = elements(data.toString(), "Key");
  if (keys.length > 1000) throw new S3Refusal(400, "MalformedXML");
  const errors = keys.flatMap((key) => {
    try {
      bucket.delete(unXml(key));
      return [];
    } catch (error) {
      const code = error instanceof S3Refusal ? error.code : "InternalError";
      return [tag("Error", tag("Key", key), tag("Code", code))];
    }
  });
  sendText(seen, tag("DeleteResult", ...errors));
}

function listUploads(seen: SeenRequest, bucket: Bucket): void {
  const prefix = seen.query.get("prefix") ?? "";
  const uploads = [...bucket.uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key, id, initiated }) =>
      tag(
        "Upload",
        tag("Key", xml(key)),
        tag("UploadId", id),
        tag("Initiated", initiated.toISOString()),
      ),
    );
  const more = tag("IsTruncated", false);
  sendText(seen, tag("ListMultipartUploadsResult", more, ...uploads));
}

function sendText({ response }: SeenRequest, text: string): void {
  response.writeHead(200, { "content-type": "application/xml" });
  response.end(text === "" ? undefined : `<?xml version="1.0" encoding="UTF-8"?>${text}`);
}

const tag = (name: string, ...inner: readonly (string | number | boolean)[]) =>
  `<${name}>${inner.join("")}</${name}>`;

const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" } as const;
const xml = (text: string) => text.replace(/[&<>"]/g, (c) => entities[c as keyof typeof entities]);
const unXml = (text: string) =>
  Object.entries(entities).reduceRight(
    (seen, [plain, entity]) => seen.replaceAll(entity, plain),
    text,
  );

function elements(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, "g"))].map(
    ([, inner = ""]) => inner,
  );
}

const element = (text: string, name: string) => unXml(elements(text, name)[0] ?? "");
