/**
 * Carries one request of the SDK and its whole answer: what the SDK calls a request handler.
 *
 * The SDK's own leaves bodies to be read later, where nobody watches for stalls and a retry no
 * longer covers them. Here an answer is complete, of the length that it announced, and in memory of
 * the caller's choice, before the SDK sees it; a connection without a byte for `stallMs`, in either
 * direction, ends with `ESTALLED`; and both directions keep to their limits. Request bodies are
 * always memory: sent in slices of it, never copied. No "Expect: 100-continue": it costs a round
 * trip for each put, and servers and proxies get it wrong.
 */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request } from "node:http";
import { Agent as HttpsAgent, request as requestTls } from "node:https";
import type { ByteRate } from "../byte-rate.ts";
import { AnswerTooLong, WholeBody } from "./s3-answer.ts";
import { StallWatch } from "./stall-watch.ts";

export interface TransportOptions {
  readonly connectionsMax: number;
  readonly stallMs: number;
  /** PEM; undefined: the system's. */
  readonly ca: readonly string[] | undefined;
  readonly upload: ByteRate | undefined;
  readonly download: ByteRate | undefined;
}

/** What a call tells the transport, beside what the SDK does. */
export interface TransferOptions {
  readonly abortSignal?: AbortSignal;
  /** Bytes of the longest answer that is taken; errors and lists have `textBytesMax`. */
  readonly bytesMax?: number;
  readonly into?: ArrayBuffer;
}

/** The SDK's request, as far as it is used here. */
export interface WireRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface WireResponse {
  readonly statusCode: number;
  readonly reason: string;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | WholeBody;
}

/** For a connection, TLS included. */
const connectMsMax = 15_000;
/** What errors and pages of lists may take. */
const textBytesMax = 16 * 2 ** 20;
const sliceBytes = 64 * 1024;
/** Some servers close after 5 s: a request on a connection that is just being closed is lost. */
const idleMs = 4000;

export class S3Transport {
  readonly metadata = { handlerProtocol: "http/1.1" };
  readonly #options: TransportOptions;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { connectionsMax: maxSockets, ca } = options;
    const shared = { keepAlive: true, maxSockets, timeout: idleMs } as const;
    this.#http = new HttpAgent(shared);
    this.#https = new HttpsAgent({ ...shared, ...(ca === undefined ? {} : { ca: [...ca] }) });
  }

  /** `given`: TransferOptions, as they were given to the SDK's `send`. */
  async handle(wire: WireRequest, given: object = {}): Promise<{ response: WireResponse }> {
    const options: TransferOptions = given;
    options.abortSignal?.throwIfAborted();
    const exchange = new Exchange(this.#request(wire), this.#options, options);
    return { response: await exchange.run(wire) };
  }

  /** The SDK asks for these; there is nothing to set. */
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  destroy(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #request(wire: WireRequest): ClientRequest {
    const { hostname, port, method, headers, protocol } = wire;
    const isTls = protocol === "https:";
    return (isTls ? requestTls : request)({
      hostname: hostname.replace(/^\[|\]$/g, ""),
      ...(port === undefined ? {} : { port }),
      method,
      path: wire.path + queryOf(wire.query ?? {}),
      headers: { ...headers },
      agent: isTls ? this.#https : this.#http,
    });
  }
}

class Exchange {
  readonly #outgoing: ClientRequest;
  readonly #limits: TransportOptions;
  readonly #options: TransferOptions;
  readonly #watch: StallWatch;

  constructor(outgoing: ClientRequest, limits: TransportOptions, options: TransferOptions) {
    this.#outgoing = outgoing;
    this.#limits = limits;
    this.#options = options;
    const { stallMs } = limits;
    const stalled = () => {
      const error = new Error("no byte came or went for too long");
      outgoing.destroy(Object.assign(error, { code: "ESTALLED" }));
    };
    this.#watch = new StallWatch(Math.min(stallMs, connectMsMax), stalled);
  }

  async run(wire: WireRequest): Promise<WireResponse> {
    const { abortSignal } = this.#options;
    const abort = () => this.#outgoing.destroy(abortSignal?.reason);
    abortSignal?.addEventListener("abort", abort, { once: true });
    try {
      const answered = this.#answer();
      const sent = this.#send(wire.body);
      // An answer may come before all was sent (a refusal); a failed send shows as a failed answer.
      sent.catch((error: unknown) => this.#outgoing.destroy(error as Error));
      const incoming = await answered;
      const bytes = await this.#receive(incoming, wire.method === "HEAD");
      return responseOf(incoming, wire, bytes);
    } catch (error) {
      abortSignal?.throwIfAborted();
      throw error;
    } finally {
      this.#watch.end();
      abortSignal?.removeEventListener("abort", abort);
      // Neither half an answer nor half a request may be followed by another on this connection.
      if (!this.#outgoing.writableFinished) this.#outgoing.destroy();
    }
  }

  #answer(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      this.#outgoing.once("response", resolve);
      // Stays for later errors as well, which nobody else listens for.
      this.#outgoing.on("error", reject);
      this.#outgoing.once("close", () => reject(new Error("the connection was closed")));
      this.#outgoing.once("socket", (socket) => {
        // A socket of the agent's, at rest, has a time-out of its own.
        socket.setTimeout(0);
        const connected = () => this.#watch.allow(this.#limits.stallMs);
        if (this.#outgoing.reusedSocket) connected();
        else
          socket.once(
            this.#outgoing.protocol === "https:" ? "secureConnect" : "connect",
            connected,
          );
      });
    });
  }

  async #send(body: unknown): Promise<void> {
    const outgoing = this.#outgoing;
    const { upload } = this.#limits;
    const data = bytesOf(body);
    for (let at = 0; at < data.length; at += sliceBytes) {
      const slice = data.subarray(at, at + sliceBytes);
      const paid = upload?.take(slice.length, this.#options.abortSignal);
      if (paid !== undefined) await this.#watch.rest(paid);
      if (outgoing.destroyed) return;
      if (!outgoing.write(slice)) await drained(outgoing);
      this.#watch.touch();
    }
    if (!outgoing.destroyed) outgoing.end();
  }

  async #receive(incoming: IncomingMessage, isHead: boolean): Promise<Uint8Array> {
    this.#watch.touch();
    const max = isSuccess(incoming) ? (this.#options.bytesMax ?? textBytesMax) : textBytesMax;
    const declared = isHead ? 0 : lengthOf(incoming);
    if (declared !== undefined && declared > max) {
      incoming.destroy();
      throw new AnswerTooLong(declared);
    }
    const collected = new Collected(declared, max, this.#options.into);
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      collected.add(chunk);
      const paid = this.#limits.download?.take(chunk.length, this.#options.abortSignal);
      if (paid !== undefined) await this.#watch.rest(paid);
      this.#watch.touch();
    }
    return collected.whole();
  }
}

/** An answer's bytes: in memory of the announced length, or in pieces where none was announced. */
class Collected {
  readonly #max: number;
  readonly #target: Uint8Array | undefined;
  readonly #pieces: Buffer[] = [];
  #length = 0;

  constructor(declared: number | undefined, max: number, into: ArrayBuffer | undefined) {
    this.#max = max;
    if (declared !== undefined) this.#target = memoryFor(declared, into);
  }

  add(chunk: Buffer): void {
    const end = this.#length + chunk.length;
    if (end > (this.#target?.length ?? this.#max)) throw new AnswerTooLong(end);
    if (this.#target === undefined) this.#pieces.push(chunk);
    else this.#target.set(chunk, this.#length);
    this.#length = end;
  }

  whole(): Uint8Array {
    const target = this.#target ?? memoryFor(this.#length, undefined);
    let at = 0;
    for (const piece of this.#pieces) {
      target.set(piece, at);
      at += piece.length;
    }
    if (this.#length === target.length) return target;
    throw Object.assign(new Error("the answer ended early"), { code: "ECONNRESET" });
  }
}

function memoryFor(length: number, into: ArrayBuffer | undefined): Uint8Array {
  const fits = into !== undefined && into.byteLength >= length;
  return new Uint8Array(fits ? into : Buffer.allocUnsafeSlow(length).buffer, 0, length);
}

function responseOf(incoming: IncomingMessage, wire: WireRequest, bytes: Uint8Array): WireResponse {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const isGet = wire.method === "GET" && isSuccess(incoming);
  return {
    statusCode: incoming.statusCode ?? 0,
    reason: incoming.statusMessage ?? "",
    headers,
    body: isGet ? new WholeBody(bytes) : bytes,
  };
}

const isSuccess = ({ statusCode = 0 }: IncomingMessage) => statusCode >= 200 && statusCode < 300;

function lengthOf(incoming: IncomingMessage): number | undefined {
  const text = incoming.headers["content-length"];
  return text === undefined ? undefined : Number(text);
}

function bytesOf(body: unknown): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (typeof body === "string") return Buffer.from(body);
  if (!ArrayBuffer.isView(body)) throw new TypeError("the body of a request is memory");
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** Resolves when more may be written, or when nothing can be any more. */
function drained(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    outgoing.on("drain", done);
    outgoing.on("close", done);
  });
}

/** Encoded as the SDK has signed it: RFC 3986, in the order of names. */
function queryOf(query: NonNullable<WireRequest["query"]>): string {
  const parts: string[] = [];
  for (const name of Object.keys(query).sort()) {
    const value = query[name];
    if (value === undefined) continue;
    if (value === null) parts.push(encoded(name));
    else for (const each of [value].flat()) parts.push(`${encoded(name)}=${encoded(each)}`);
  }
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
