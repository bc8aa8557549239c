/**
 * Reading and writing of binary structures: little-endian integers, LEB128 varints, byte strings.
 * The reader never reads past its end and never trusts a length: every fault is `object-damaged`
 * with what was being read.
 */
import { VarveError } from "./errors.ts";

/** Largest value of a varint: what a JavaScript number holds exactly. */
export const varintMax = Number.MAX_SAFE_INTEGER;

/** A node Buffer on the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  offset = 0;

  /** `what` names the structure in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = asBuffer(bytes);
    this.#what = what;
  }

  get remaining(): number {
    return this.#bytes.length - this.offset;
  }

  damaged(reason: string): VarveError {
    return new VarveError("object-damaged", `Damaged ${this.#what}: ${reason}.`, {
      hint: "Run `varve check` to see which snapshots are hurt.",
      context: { offset: this.offset },
    });
  }

  #advance(count: number): number {
    const start = this.offset;
    if (count < 0 || count > this.#bytes.length - start) throw this.damaged("it ends too early");
    this.offset = start + count;
    return start;
  }

  u8(): number {
    return this.#bytes[this.#advance(1)] as number;
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#advance(8));
  }

  i64(): bigint {
    return this.#bytes.readBigInt64LE(this.#advance(8));
  }

  /** Unsigned LEB128, at most 8 bytes, shortest form, at most `max`. */
  varint(max = varintMax): number {
    let value = 0;
    let scale = 1;
    for (let count = 1; ; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && count > 1) throw this.damaged("a number is not in its shortest form");
        break;
      }
      if (count === 8) throw this.damaged("a number is too long");
      scale *= 128;
    }
    if (value > max) throw this.damaged(`a number is ${value}, above its limit of ${max}`);
    return value;
  }

  /** Steps over `count` bytes. */
  skip(count: number): void {
    this.#advance(count);
  }

  /** A view on the input; copy it to keep it. */
  bytes(count: number): Uint8Array {
    const start = this.#advance(count);
    return this.#bytes.subarray(start, start + count);
  }

  /** `count` bytes as a binary string (one code unit a byte). */
  latin1(count: number): string {
    const start = this.#advance(count);
    return this.#bytes.latin1Slice(start, start + count);
  }

  /** `count` bytes that must be valid UTF-8. */
  utf8(count: number): string {
    const start = this.#advance(count);
    const text = this.#bytes.utf8Slice(start, start + count);
    // What is not UTF-8 comes out as U+FFFD, of which three broken bytes are as long as one.
    if (
      Buffer.byteLength(text) !== count ||
      (text.includes("\ufffd") && !this.#isUtf8(text, start))
    )
      throw this.damaged("a text is not UTF-8");
    return text;
  }

  #isUtf8(text: string, start: number): boolean {
    return Buffer.from(text).compare(this.#bytes, start, this.offset) === 0;
  }

  /** Everything must have been read. */
  end(): void {
    if (this.remaining !== 0) throw this.damaged(`${this.remaining} bytes too many`);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

export class ByteWriter {
  #bytes: Buffer;
  /** On the same bytes: several times faster than the methods of Buffer for 64 bits. */
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity);
    this.#view = viewOf(this.#bytes);
  }

  get length(): number {
    return this.#length;
  }

  #grow(count: number): number {
    const start = this.#length;
    const end = start + count;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    this.#length = end;
    return start;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeUInt16LE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }

  i64(value: bigint): this {
    const at = this.#grow(8);
    this.#view.setBigInt64(at, value, true);
    return this;
  }

  varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    return this.u8(rest);
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** A binary string, one byte a code unit. */
  latin1(value: string): this {
    const at = this.#grow(value.length);
    this.#bytes.latin1Write(value, at);
    return this;
  }

  /** A view on what was written; valid until the next write or reset. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.view());
  }

  reset(): void {
    this.#length = 0;
  }
}
