/**
 * Calls of the store over a connection that comes and goes: a bounded number at once, tried again
 * inside the budget (every call may be repeated as a whole), failures told in varve's words.
 *
 * The connection is made at the first call. A server that has never answered is given up early: a
 * slip in the URL should not take a quarter of an hour to show.
 */
import type { Clock, Random } from "../../../base/clock.ts";
import { BoundedPool } from "../../../base/pool.ts";
import { ByteRate } from "../byte-rate.ts";
import { retried } from "../retry.ts";
import { connectSsh } from "./sftp-connect.ts";
import { type SftpAttempt, sftpError } from "./sftp-errors.ts";
import { LinkFailure } from "./sftp-failure.ts";
import { type SftpChannel, SftpLink } from "./sftp-link.ts";
import type { SftpLocation } from "./sftp-location.ts";
import type { Environment } from "./sftp-login.ts";

export interface SftpCallsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Environment;
  /** When it is aborted there is little time left. */
  readonly interrupt: AbortSignal | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Moves many bytes: kept from taking the place of small calls, such as a lease's beat. */
  readonly isBulk?: boolean;
}

const smallAtOnce = 32;
/** Until the server has answered once. */
const firstBudgetMs = 20_000;
const closeMs = 2000;
/** Of a server that says nothing to one who wants to leave. */
const hurriedStallMs = 3000;

export class SftpCalls {
  readonly upload: ByteRate | undefined;
  readonly download: ByteRate | undefined;
  readonly #location: SftpLocation;
  readonly #options: SftpCallsOptions;
  readonly #bulk: BoundedPool;
  readonly #small = new BoundedPool({ countMax: smallAtOnce, bytesMax: Infinity });
  readonly #closing = new AbortController();
  /** The newest; it may have ended. */
  #link: SftpLink | undefined;
  #connecting: Promise<SftpLink> | undefined;
  #answered = false;
  #isFailing = false;
  /** A call was given up while attempts failed, and none has succeeded since. */
  #isLost = false;

  constructor(location: SftpLocation, options: SftpCallsOptions) {
    this.#location = location;
    this.#options = options;
    const { limitUpload, limitDownload, requests } = location;
    const rate = (limit: number | undefined) =>
      limit === undefined ? undefined : new ByteRate(limit, options.clock);
    this.upload = rate(limitUpload);
    this.download = rate(limitDownload);
    this.#bulk = new BoundedPool({ countMax: requests, bytesMax: Infinity });
    const hurry = () => this.#link?.hurry(hurriedStallMs);
    options.interrupt?.addEventListener("abort", hurry, { once: true });
  }

  async run<T>(
    attempt: SftpAttempt,
    work: (channel: SftpChannel) => Promise<T>,
    { signal, isBulk = false }: CallOptions = {},
  ): Promise<T> {
    const pool = isBulk ? this.#bulk : this.#small;
    try {
      signal?.throwIfAborted();
      const result = await retried(() => pool.run(0, () => this.#once(work, signal), signal), {
        clock: this.#options.clock,
        random: this.#options.random,
        signal,
        budgetMs: () => this.#budgetMs(),
        retryOf: (error) => (error instanceof LinkFailure ? "later" : "no"),
      });
      this.#isFailing = false;
      this.#isLost = false;
      return result;
    } catch (error) {
      this.#isLost ||= this.#isFailing;
      signal?.throwIfAborted();
      throw sftpError(error, attempt, this.#location);
    }
  }

  /** A channel for what is part of some call. */
  async channel(): Promise<SftpChannel> {
    const channel = await (await this.#linked()).channel();
    this.#answered = true;
    return channel;
  }

  async close(): Promise<void> {
    this.#closing.abort(new LinkFailure("lost", "the store was closed"));
    await this.#connecting?.catch(() => undefined);
    await this.#link?.close(closeMs);
  }

  async #once<T>(
    work: (channel: SftpChannel) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const channel = await abortable(this.channel(), signal);
    channel.users++;
    try {
      return await work(channel);
    } finally {
      channel.users--;
    }
  }

  /** Asked after a failure that may pass. */
  #budgetMs(): number {
    const { retryMs } = this.#location;
    this.#isFailing = true;
    // Cleaning up after a server that went away should not take as long again.
    const isHurried = this.#isLost || this.#options.interrupt?.aborted === true;
    if (isHurried) return Math.min(retryMs / 10, firstBudgetMs);
    return this.#answered ? retryMs : Math.min(retryMs, firstBudgetMs);
  }

  async #linked(): Promise<SftpLink> {
    if (this.#link?.isOpen === true) return this.#link;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<SftpLink> {
    const { environment } = this.#options;
    const connected = await connectSsh(this.#location, environment, this.#closing.signal);
    this.#link = new SftpLink(connected, this.#location.stallMs);
    if (this.#options.interrupt?.aborted === true) this.#link.hurry(hurriedStallMs);
    return this.#link;
  }
}

/** What others wait for as well: an abort leaves it alone. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
