/**
 * Has disk space given to long stretches of files before they are written, and has them brought to
 * the disk right afterwards, so that the disk works while the cores do, and whoever syncs in the
 * end has little left to wait for (docs/decisions/0027-durable-and-fast-restores.md). Many small
 * files are better brought there together (TargetSync).
 *
 * For one thread, which writes one stretch after the other; `end` comes before a descriptor is
 * closed.
 */
import { reserveSpace, startWriting } from "../linux/space-calls.ts";

/** For less, a call of its own is not worth it. */
const stretchBytesMin = 1024 * 1024;
const stretchBytesMax = 8 * 1024 * 1024;

/** Others for tests. */
export interface StretchCalls {
  readonly reserve: typeof reserveSpace;
  readonly start: typeof startWriting;
}

export class EarlyWriting {
  readonly #calls: StretchCalls;
  #fd = -1;
  #from = 0;
  #to = 0;
  #reservedFd = -1;
  #reservedTo = 0;

  constructor(calls: StretchCalls = { reserve: reserveSpace, start: startWriting }) {
    this.#calls = calls;
  }

  /** `length`: of all that will be written from there on without a gap. */
  willWrite(fd: number, offset: number, length: () => number): void {
    if (fd === this.#reservedFd && offset < this.#reservedTo) return;
    const bytes = length();
    this.#reservedFd = fd;
    this.#reservedTo = offset + bytes;
    if (bytes >= stretchBytesMin) this.#calls.reserve(fd, offset, bytes);
  }

  /** These bytes of the file were written just now. */
  wrote(fd: number, offset: number, length: number): void {
    if (fd !== this.#fd || offset !== this.#to) {
      this.#start();
      this.#fd = fd;
      this.#from = offset;
    }
    this.#to = offset + length;
    if (this.#to - this.#from >= stretchBytesMax) this.#start();
  }

  /** Nothing more follows what was written last. */
  end(): void {
    this.#start();
    this.#reservedFd = -1;
  }

  #start(): void {
    const length = this.#to - this.#from;
    if (this.#fd >= 0 && length >= stretchBytesMin) this.#calls.start(this.#fd, this.#from, length);
    this.#fd = -1;
  }
}
