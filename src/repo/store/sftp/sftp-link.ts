/**
 * A connection with its channels, each an SFTP server process of its own over there, so that one
 * which waits for a disk does not hold up all.
 *
 * Every request settles: with the server's answer, with the reason of its signal, or with the end
 * of the connection, which comes when the server answers nothing for too long. (ssh2 itself drops
 * what is sent on a channel that has just closed.) An answer after an abort goes nowhere.
 */
import type { Socket } from "node:net";
import type { Client, Sftp } from "ssh2";
import type { Connected } from "./sftp-connect.ts";
import { LinkFailure, SftpRefusal } from "./sftp-failure.ts";

type Callback<T> = (error: Error | null | undefined, result: T) => void;
type Request<T> = (sftp: Sftp, done: Callback<T>) => void;

/** OpenSSH lets a connection have ten; servers that let it have fewer say so. */
const channelsMax = 4;

export class SftpLink {
  readonly #client: Client;
  readonly #socket: Socket;
  #stallMs: number;
  readonly #channels: SftpChannel[] = [];
  readonly #pending = new Set<(error: Error) => void>();
  #channelsWanted = channelsMax;
  #opening: Promise<SftpChannel> | undefined;
  #watch: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];
  #failure: Error | undefined;

  constructor({ client, socket }: Connected, stallMs: number) {
    this.#client = client;
    this.#socket = socket;
    this.#stallMs = stallMs;
    client.on("error", (error: Error & { level?: string }) => {
      if (error.level !== "agent") this.#fail(error.message, error);
    });
    client.once("close", () => this.#fail("the connection was closed"));
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** The channel with the least to do; a further one while all are at work. */
  async channel(): Promise<SftpChannel> {
    const least = this.#leastBusy();
    const wantsMore = least === undefined || least.users > 0;
    if (!wantsMore || this.#channels.length >= this.#channelsWanted) {
      if (least !== undefined) return least;
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    if (least !== undefined) {
      // Whoever can work need not wait; a server that grants no more has its reasons.
      this.#opening.catch(() => {
        this.#channelsWanted = this.#channels.length;
      });
      return least;
    }
    return this.#opening;
  }

  /** `request` gets what to call with the answer. */
  ask<T>(start: (done: Callback<T>) => void, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      if (signal?.aborted === true) return reject(signal.reason);
      const leave = () => {
        signal?.removeEventListener("abort", abort);
        this.#pending.delete(fail);
        this.#unwatch();
        this.#watchPending();
      };
      const fail = (error: Error) => {
        signal?.removeEventListener("abort", abort);
        reject(error);
      };
      // The server is still asked, and watched.
      const abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      this.#pending.add(fail);
      this.#watchPending();
      try {
        start((error, result) => {
          if (!this.#pending.has(fail)) return;
          leave();
          if (error) reject(refusalOf(error));
          else resolve(result);
        });
      } catch (error) {
        leave();
        reject(error);
      }
    });
  }

  /** From now on silence is borne no longer than this. */
  hurry(stallMs: number): void {
    this.#stallMs = Math.min(this.#stallMs, stallMs);
    this.#unwatch();
    if (this.isOpen) this.#watchPending();
  }

  /** Lets what was sent be answered, for a moment. */
  async close(waitMs: number): Promise<void> {
    if (this.isOpen && this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.#idle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.#fail("the store was closed");
  }

  async #open(): Promise<SftpChannel> {
    const start = (done: Callback<Sftp>) => this.#client.sftp(done);
    const sftp = await this.ask(start, undefined).catch((error: Error) => {
      const message = `the server opens no SFTP session (${error.message})`;
      throw this.#failure ?? new LinkFailure("lost", message, error);
    });
    const channel = new SftpChannel(this, sftp);
    sftp.on("error", (error: Error) => this.#fail(error.message, error));
    sftp.once("close", () => this.#fail("the server ended the SFTP session"));
    this.#channels.push(channel);
    return channel;
  }

  #leastBusy(): SftpChannel | undefined {
    let least = this.#channels[0];
    for (const channel of this.#channels) {
      if (channel.users < (least?.users ?? 0)) least = channel;
    }
    return least;
  }

  /** Runs from the first request, and anew from each answer. */
  #watchPending(): void {
    if (this.#pending.size === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#watch ??= setTimeout(() => {
      this.#fail(`the server did not answer for ${this.#stallMs / 1000} s`);
    }, this.#stallMs);
  }

  #unwatch(): void {
    clearTimeout(this.#watch);
    this.#watch = undefined;
  }

  #fail(message: string, cause?: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = new LinkFailure("lost", message, cause);
    this.#unwatch();
    for (const fail of [...this.#pending]) fail(this.#failure);
    this.#pending.clear();
    for (const resolve of this.#idle.splice(0)) resolve();
    this.#socket.destroy();
  }
}

export class SftpChannel {
  /** Calls of the store that use it. */
  users = 0;
  readonly #link: SftpLink;
  readonly #sftp: Sftp;

  constructor(link: SftpLink, sftp: Sftp) {
    this.#link = link;
    this.#sftp = sftp;
  }

  offers(extension: string): boolean {
    return this.#sftp._extensions[extension] !== undefined;
  }

  /** Errors: SftpRefusal, LinkFailure, the reason of the signal. */
  ask<T>(request: Request<T>, signal?: AbortSignal | undefined): Promise<T> {
    return this.#link.ask((done) => request(this.#sftp, done), signal);
  }

  /** A handle; when the signal comes first, it is closed as soon as it is there. */
  async handle(request: Request<Buffer>, signal: AbortSignal | undefined): Promise<Buffer> {
    signal?.throwIfAborted();
    const opening = this.ask(request);
    if (signal === undefined) return opening;
    return new Promise((resolve, reject) => {
      const abort = () => {
        reject(signal.reason);
        opening.then((handle) => this.closeLater(handle)).catch(() => undefined);
      };
      signal.addEventListener("abort", abort, { once: true });
      opening.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
    });
  }

  /** Nobody waits for it. */
  closeLater(handle: Buffer): void {
    this.send<void>((sftp, done) => sftp.close(handle, done));
  }

  /** For tidying up: nobody waits, and nobody hears of it when it fails. */
  send<T>(request: Request<T>): void {
    this.ask(request).catch(() => undefined);
  }
}

function refusalOf(error: Error & { code?: unknown }): Error {
  if (typeof error.code === "number") return new SftpRefusal(error.code, error.message, error);
  return new LinkFailure("lost", error.message, error);
}
