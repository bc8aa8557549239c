/** Whole answers of the server, as the transport hands them on to the store through the SDK. */
import { Readable } from "node:stream";

/** An answer's bytes as the stream that the SDK wants of a get, and as they are. */
export class WholeBody extends Readable {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
  }

  override _read(): void {
    this.push(this.bytes);
    this.push(null);
  }
}

/** The answer is longer than any that the caller can want. */
export class AnswerTooLong extends Error {
  readonly bytes: number;

  constructor(bytes: number) {
    super(`an answer of ${bytes} bytes`);
    this.bytes = bytes;
  }
}
