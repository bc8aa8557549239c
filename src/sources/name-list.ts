/**
 * The names of one folder, in the order in which they were given, taken out once. Those of a large
 * folder are kept as bytes, a stretch in each buffer, and become strings again a stretch at a time:
 * a string takes 32 bytes of heap more than its name has, and the collector lets a heap grow to a
 * few times what lives in it.
 */

/** Names in a buffer; a folder of fewer keeps its strings. */
const stretchNames = 4096;
/** No name has it. */
const separator = "/";

export class NameList {
  /** Later stretches, last first. */
  readonly #packed: Buffer[] = [];
  #names: readonly string[];
  #next = 0;

  /** Binary strings, as RawPath has them, none empty; the list is the callee's from now on. */
  constructor(names: readonly string[]) {
    this.#names = names;
    if (names.length <= stretchNames) return;
    this.#names = [];
    for (let at = 0; at < names.length; at += stretchNames) {
      const stretch = names.slice(at, at + stretchNames).join(separator);
      this.#packed.push(Buffer.from(stretch, "latin1"));
    }
    this.#packed.reverse();
  }

  /** The next name; undefined when all were taken. */
  take(): string | undefined {
    if (this.#next === this.#names.length) {
      const packed = this.#packed.pop();
      if (packed === undefined) return undefined;
      this.#names = packed.latin1Slice().split(separator);
      this.#next = 0;
    }
    return this.#names[this.#next++];
  }
}
