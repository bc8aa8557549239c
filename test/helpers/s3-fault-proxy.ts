/**
 * A proxy between varve and an S3 server that does wrong on purpose: what networks, balancers and
 * servers do, by a plan that follows from a seed and the order of requests. Requests pass
 * unchanged, so that signatures hold; whole in memory, since half of one is a fault of its own.
 *
 * Bytes are changed in objects alone: what a list says has no checksum in S3, and over http nobody
 * could notice (docs/decisions/0028-s3.md).
 */
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Seeded } from "../../src/repo/store/seeded.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly payload: Buffer;
  /** Asks the server; the payload may be another. */
  readonly forward: (payload?: Buffer) => Promise<Answer>;
  readonly random: Seeded;
  /** Of the server, for half a request. */
  readonly target: URL;
}

type Fault = (exchange: Exchange) => Promise<void> | void;

function refuse({ request, response }: Exchange, status: number, code: string): void {
  const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(request.method === "HEAD" ? undefined : text);
}

function pass({ response, request }: Exchange, { status, headers, body }: Answer): void {
  response.writeHead(status, headers as Record<string, string>);
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Headers, and the first half of the body. */
async function sendHalf(exchange: Exchange): Promise<void> {
  const { response } = exchange;
  const { status, headers, body } = await exchange.forward();
  const length = Math.max(body.length, 2);
  response.writeHead(status, { ...(headers as Record<string, string>), "content-length": length });
  await new Promise<void>((resolve) => {
    response.write(Buffer.concat([body, Buffer.alloc(2)]).subarray(0, length >> 1), () =>
      resolve(),
    );
  });
}

const isObject = ({ request }: Exchange) => (request.url ?? "").split("?")[0]?.split("/").length;
/** A get that brings an object's bytes: the only kind of answer that anybody can check. */
const bringsObject = (exchange: Exchange, { status }: Answer) =>
  exchange.request.method === "GET" && status < 300 && (isObject(exchange) ?? 0) > 2;

function flipped(bytes: Buffer, random: Seeded): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length);
  if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
  return copy;
}

/** What passes by itself: every command is to finish in spite of it. */
const passing = {
  "500": (exchange) => refuse(exchange, 500, "InternalError"),
  "503": (exchange) => refuse(exchange, 503, "SlowDown"),
  "reset before": ({ request }) => void request.socket.destroy(),
  "reset amid an answer": async (exchange) => {
    await sendHalf(exchange);
    exchange.response.destroy();
  },
  "half a request": async ({ request, payload, target }) => {
    const head = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      head.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    }
    const half = payload.subarray(0, payload.length >> 1);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(target.port), target.hostname, () => {
        socket.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), half]), () =>
          socket.destroy(),
        );
      });
      socket.on("error", () => undefined).on("close", () => resolve());
    });
    request.socket.destroy();
  },
  "reply lost": async ({ request, forward }) => {
    await forward();
    request.socket.destroy();
  },
  "500 after success": async (exchange) => {
    await exchange.forward();
    refuse(exchange, 500, "InternalError");
  },
  // The other side ends it.
  "no answer": () => undefined,
  "reply stalls": sendHalf,
  "cut, with a proper end": async (exchange) => {
    const answer = await exchange.forward();
    if (exchange.request.method !== "GET") return pass(exchange, answer);
    const { "content-length": _, ...headers } = answer.headers;
    const body = answer.body.subarray(0, answer.body.length >> 1);
    pass(exchange, { ...answer, headers: { ...headers, "transfer-encoding": "chunked" }, body });
  },
  "100 unasked": async (exchange) => {
    exchange.response.writeContinue();
    exchange.response.writeProcessing();
    pass(exchange, await exchange.forward());
  },
  "100, then a reset": ({ request, response }) => {
    response.writeContinue(() => request.socket.destroy());
  },
  "417": (exchange) => refuse(exchange, 417, "ExpectationFailed"),
  "wrong checksum": async (exchange) => {
    const answer = await exchange.forward();
    const headers = { ...answer.headers };
    for (const name of Object.keys(headers)) {
      if (name.startsWith("x-amz-checksum-crc32")) headers[name] = "AAAAAA==";
    }
    pass(exchange, { ...answer, headers });
  },
  "a byte of a put": async (exchange) => {
    const { request, payload, random } = exchange;
    const isPut = request.method === "PUT" && payload.length > 0;
    pass(exchange, await exchange.forward(isPut ? flipped(payload, random) : payload));
  },
} satisfies Record<string, Fault>;

/** What may end a command, with one of these codes. */
const ending = {
  "a byte of an answer": async (exchange: Exchange) => {
    const answer = await exchange.forward();
    const isBroken = bringsObject(exchange, answer);
    pass(exchange, isBroken ? { ...answer, body: flipped(answer.body, exchange.random) } : answer);
  },
  expired: (exchange: Exchange) => refuse(exchange, 400, "ExpiredToken"),
  skewed: (exchange: Exchange) => {
    const behind = exchange.random.chance(0.5) ? -1 : 1;
    exchange.response.setHeader("date", new Date(Date.now() + behind * 3_600_000).toUTCString());
    refuse(exchange, 403, "RequestTimeTooSkewed");
  },
  denied: (exchange: Exchange) => refuse(exchange, 403, "AccessDenied"),
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof passing | keyof typeof ending;
export const passingFaults = Object.keys(passing) as FaultName[];
export const endingFaults = Object.keys(ending) as FaultName[];
const faults: Readonly<Record<FaultName, Fault>> = { ...passing, ...ending };

export interface FaultPlan {
  readonly seed: number;
  readonly names: readonly FaultName[];
  /** Of requests that get one of these faults. */
  readonly share: number;
  /** Requests that pass before the first. */
  readonly after?: number;
}

export class S3FaultProxy {
  /** How often each fault was done. */
  readonly done = new Map<FaultName, number>();
  readonly #target: URL;
  readonly #server: Server;
  #plan: FaultPlan | undefined;
  #random = new Seeded(0);
  #requests = 0;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((request, response) => {
      // Whoever breaks a connection off may find it broken already.
      response.on("error", () => undefined);
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async start(target: string): Promise<S3FaultProxy> {
    const proxy = new S3FaultProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on; undefined: no faults. */
  plan(plan: FaultPlan | undefined): void {
    this.#plan = plan;
    this.#random = new Seeded(plan?.seed ?? 0);
    this.#requests = 0;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const payload = Buffer.concat(pieces);
    const forward = (bytes: Buffer = payload) => this.#forward(request, bytes);
    const random = this.#random;
    const exchange = { request, response, payload, forward, random, target: this.#target };
    const name = this.#chosen();
    if (name === undefined) return pass(exchange, await forward());
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
    await faults[name](exchange);
  }

  #chosen(): FaultName | undefined {
    const plan = this.#plan;
    if (plan === undefined || this.#requests++ < (plan.after ?? 0)) return undefined;
    if (!this.#random.chance(plan.share)) return undefined;
    return plan.names[this.#random.below(plan.names.length)];
  }

  #forward(request: IncomingMessage, payload: Buffer): Promise<Answer> {
    const { hostname, port } = this.#target;
    const { method, url: path, headers } = request;
    return new Promise((resolve, reject) => {
      const asked = httpRequest(
        { hostname, port, method, path, headers, agent: false },
        (answer) => {
          const pieces: Buffer[] = [];
          answer.on("data", (piece: Buffer) => pieces.push(piece));
          answer.on("error", reject);
          answer.on("end", () => {
            const { connection: _, "transfer-encoding": __, ...kept } = answer.headers;
            resolve({ status: answer.statusCode ?? 0, headers: kept, body: Buffer.concat(pieces) });
          });
        },
      );
      asked.on("error", reject);
      asked.end(payload);
    });
  }
}
