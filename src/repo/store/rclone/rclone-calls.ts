/**
 * Requests to the remote control of rclone, one process for all; a new one when it has ended.
 * rclone itself repeats what fails on its way to the remote; here, whole calls are repeated for a
 * while, and failures told in varve's words. rclone has no codes: its words have to do.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import type { Clock, Random } from "../../../base/clock.ts";
import { type ErrorCode, VarveError } from "../../../base/errors.ts";
import { BoundedPool } from "../../../base/pool.ts";
import { retried } from "../retry.ts";
import { objectBytesMax } from "../store.ts";
import { objectAbsent } from "../store-errors.ts";
import { type Environment, type RunningRclone, startRclone } from "./rclone-process.ts";

export interface RcloneCallsOptions {
  readonly url: string;
  /** rclone's name of it: "remote:path". */
  readonly place: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Environment;
  readonly interrupt: AbortSignal | undefined;
}

export interface RcloneAttempt {
  readonly action: "read" | "written" | "listed" | "deleted";
  readonly name: string;
}

export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
}

interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer that says no, or none at all. */
export class RcloneFailure extends Error {
  /** HTTP; 0 when rclone did not answer. */
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

const atOnce = 16;
/** Of objects; lists are kept to it as well. */
const answerBytesMax = objectBytesMax;
const budgetMs = 120_000;
/** Until rclone has answered once, and when there is little time. */
const shortBudgetMs = 5000;

export class RcloneCalls {
  readonly #options: RcloneCallsOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #pool = new BoundedPool({ countMax: atOnce, bytesMax: Infinity });
  #current: RunningRclone | undefined;
  #starting: Promise<RunningRclone> | undefined;
  #answered = false;

  constructor(options: RcloneCallsOptions) {
    this.#options = options;
  }

  /** Repeats `work` while that may help. */
  async run<T>(
    attempt: RcloneAttempt,
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { clock, random, interrupt, url } = this.#options;
    try {
      signal?.throwIfAborted();
      return await retried(() => this.#pool.run(0, work, signal), {
        clock,
        random,
        signal,
        budgetMs: () => (this.#answered && interrupt?.aborted !== true ? budgetMs : shortBudgetMs),
        retryOf: (error) => (mayPass(error) ? "much-later" : "no"),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw rcloneError(error, attempt, url);
    }
  }

  /** A command of the remote control; its answer's object. Errors: RcloneFailure. */
  async command(
    name: string,
    input: object,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const headers = { "content-type": "application/json" };
    const outgoing = { method: "POST", path: `/${name}`, headers, body: JSON.stringify(input) };
    const { bytes } = await this.#send(outgoing, signal);
    return JSON.parse(bytes.toString()) as Readonly<Record<string, unknown>>;
  }

  /** An object's bytes, or those of a range. */
  async fetch(
    fs: string,
    name: string,
    range: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    const path = `/${encodeURIComponent(`[${fs}]`)}/${name}`;
    const headers = range === undefined ? {} : { range };
    return (await this.#send({ method: "GET", path, headers }, signal)).bytes;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    const starting = await this.#starting?.catch(() => undefined);
    await (starting ?? this.#current)?.stop();
  }

  async #send(outgoing: Outgoing, signal: AbortSignal | undefined): Promise<Answer> {
    const running = await this.#process();
    signal?.throwIfAborted();
    const answer = await exchange(this.#agent, running, outgoing, signal);
    this.#answered = true;
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw new RcloneFailure(answer.status, errorIn(answer.bytes));
  }

  /** One that has ended is replaced, once for all who find it so. */
  async #process(): Promise<RunningRclone> {
    const { environment, random } = this.#options;
    if (this.#current?.hasEnded() === false) return this.#current;
    this.#starting ??= startRclone(environment, this.#options.place, random).finally(() => {
      this.#starting = undefined;
    });
    this.#current = await this.#starting;
    return this.#current;
  }
}

function exchange(
  agent: Agent,
  { port, authorization, said }: RunningRclone,
  { method, path, headers, body }: Outgoing,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      agent,
      method,
      path,
      headers: { ...headers, authorization },
    });
    const abort = () => outgoing.destroy(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const leave = () => signal?.removeEventListener("abort", abort);
    const fail = (error: Error) => {
      leave();
      reject(new RcloneFailure(0, `rclone does not answer: ${said().slice(-500)}`, error));
    };
    outgoing.once("error", fail);
    outgoing.once("response", (incoming) => {
      collect(incoming).then((bytes) => {
        leave();
        resolve({ status: incoming.statusCode ?? 0, bytes });
      }, fail);
    });
    outgoing.end(body);
  });
}

async function collect(incoming: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > answerBytesMax) throw new Error("an answer longer than any object");
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function errorIn(bytes: Buffer): string {
  try {
    const { error } = JSON.parse(bytes.toString()) as { error?: unknown };
    return String(error ?? "no reason").slice(0, 500);
  } catch {
    return bytes.toString().slice(0, 200);
  }
}

type Meaning = readonly [pattern: RegExp, code: ErrorCode, hint: string];

/** By rclone's words, which are mostly the remote's. */
const meanings: readonly Meaning[] = [
  [
    /didn't find section|config file|unknown backend|couldn't find backend/i,
    "store-unreachable",
    "See `rclone listremotes` for the names of remotes, or make one with `rclone config`.",
  ],
  [
    /permission denied|access ?denied|forbidden|\b403\b|read-only file system/i,
    "store-denied",
    "Check what rclone may do there.",
  ],
  [
    /no space left|quota|insufficient storage|storage ?full/i,
    "store-full",
    "Make room there, then run it again; `varve prune` frees what no snapshot needs.",
  ],
];

export const isAbsent = (error: unknown): boolean =>
  error instanceof RcloneFailure && error.status === 404;

function mayPass(error: unknown): boolean {
  if (!(error instanceof RcloneFailure) || isAbsent(error)) return false;
  return !meanings.some(([pattern]) => pattern.test(error.message));
}

function rcloneError(error: unknown, { action, name }: RcloneAttempt, url: string): unknown {
  if (!(error instanceof RcloneFailure)) return error;
  if (isAbsent(error) && action === "read") return objectAbsent(name, url, error);
  const [, code, hint] = meanings.find(([pattern]) => pattern.test(error.message)) ?? [
    undefined,
    "store-unreachable",
    "Try `rclone ls` on the same place; what was stored is found again.",
  ];
  const said = error.message.replace(/\.$/, "");
  return new VarveError(code, `${name} in ${url} could not be ${action}: ${said}.`, {
    hint,
    context: { name, store: url },
    cause: error,
  });
}
