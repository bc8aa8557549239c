/**
 * Has long stretches of files brought to the disk as soon as they are written, so that the disk
 * works while the cores do, and whoever syncs in the end has little left to wait for. Many small
 * files are better brought there together (TargetSync).
 *
 * For one thread, which writes one stretch after the other; `end` comes before a descriptor is
 * closed.
 */
import { startWriting } from "../linux/write-calls.ts";

/** For less, a call of its own is not worth it. */
const stretchBytesMin = 1024 * 1024;
const stretchBytesMax = 8 * 1024 * 1024;

export class EarlyWriting {
  readonly #start: typeof startWriting;
  #fd = -1;
  #from = 0;
  #to = 0;

  /** `start`: another one for tests. */
  constructor(start = startWriting) {
    this.#start = start;
  }

  /** These bytes of the file were written just now. */
  wrote(fd: number, offset: number, length: number): void {
    if (fd !== this.#fd || offset !== this.#to) {
      this.end();
      this.#fd = fd;
      this.#from = offset;
    }
    this.#to = offset + length;
    if (this.#to - this.#from >= stretchBytesMax) this.end();
  }

  /** Nothing more follows the stretch that was written last. */
  end(): void {
    const length = this.#to - this.#from;
    if (this.#fd >= 0 && length >= stretchBytesMin) this.#start(this.#fd, this.#from, length);
    this.#fd = -1;
  }
}
