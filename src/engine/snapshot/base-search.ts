/**
 * Finds the chunk of the parent's file that a chunk came from by content, where lengths and offsets
 * do not tell: behind a cut that went, and behind what was inserted or removed. A few strings out
 * of the chunk are looked for in those of the parent's chunks that it may have been. Nothing is
 * kept but the last of them that were opened. A look costs about a tenth of compressing a chunk, so
 * that a file that is nowhere like its parent has few of them.
 */
import type { BlobId } from "../../base/ids.ts";
import type { BasePlaces, Place } from "./base-places.ts";

/** Strings that are looked for, spread over the chunk, and bytes of each. */
const probeCount = 4;
const probeBytes = 40;
/** Different bytes that a probe must have: zeros are everywhere. */
const probeVarietyMin = 10;
/** So many found in one chunk will do. */
const hitsEnough = 2;
/** Looks that can be saved up, and those that each chunk brings. */
const looksMax = 96;
const looksForChunk = 1 / 16;
/** Opened chunks of the parent that are kept for the next chunks' sake. */
const openedBytesMax = 12 * 1024 * 1024;

/** The plaintext of a data blob; undefined when it is not to be had. */
export type ReadData = (id: BlobId) => Promise<Uint8Array | undefined>;

interface Probe {
  /** In the chunk. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

export class BaseSearch {
  readonly #places: BasePlaces;
  readonly #readData: ReadData;
  readonly #opened = new Map<Place, Uint8Array>();
  #openedBytes = 0;
  #looks = looksMax;

  constructor(places: BasePlaces, readData: ReadData) {
    this.#places = places;
    this.#readData = readData;
  }

  /** The base for the next chunk of the file; its lists must have been read up to its end. */
  async find(offset: number, chunk: Uint8Array): Promise<BlobId | undefined> {
    const places = this.#places;
    this.#looks = Math.min(looksMax, this.#looks + looksForChunk);
    if (places.isSure(offset, chunk.length)) return places.find(offset, chunk.length);
    const found = await this.#look(offset, chunk);
    if (found === undefined) return places.find(offset, chunk.length);
    places.pass(offset, chunk.length);
    return found.id;
  }

  /** The first candidate that has enough of the probes, else the one that has any. */
  async #look(offset: number, chunk: Uint8Array): Promise<Place | undefined> {
    const probes = probesOf(chunk);
    if (probes.length === 0) return undefined;
    const before = this.#looks;
    let best: { place: Place; hits: number; knowAt: number; parentOffset: number } | undefined;
    for (const place of this.#places.candidates(offset, chunk.length)) {
      if (this.#looks < 1) break;
      this.#looks--;
      const plaintext = await this.#open(place);
      if (plaintext === undefined) continue;
      const found = probes
        .map(({ at, bytes }) => ({ at, parentAt: plaintext.indexOf(bytes) }))
        .filter(({ parentAt }) => parentAt >= 0);
      const last = found.at(-1);
      if (last === undefined || found.length <= (best?.hits ?? 0)) continue;
      const [knowAt, parentOffset] = [offset + last.at, place.start + last.parentAt];
      best = { place, hits: found.length, knowAt, parentOffset };
      if (best.hits >= hitsEnough) break;
    }
    if (best === undefined) {
      this.#places.lose();
      return undefined;
    }
    this.#looks = before;
    this.#places.knowAt(best.knowAt, best.parentOffset);
    return best.place;
  }

  async #open(place: Place): Promise<Buffer | undefined> {
    const known = this.#opened.get(place);
    const plaintext = known ?? (await this.#readData(place.id));
    if (plaintext === undefined) return undefined;
    if (known === undefined) this.#keep(place, plaintext);
    return Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  }

  #keep(place: Place, plaintext: Uint8Array): void {
    this.#opened.set(place, plaintext);
    this.#openedBytes += plaintext.length;
    for (const [oldest, bytes] of this.#opened) {
      if (this.#openedBytes <= openedBytesMax) break;
      this.#opened.delete(oldest);
      this.#openedBytes -= bytes.length;
    }
  }
}

function probesOf(chunk: Uint8Array): Probe[] {
  const probes: Probe[] = [];
  for (let i = 0; i < probeCount; i++) {
    const at = Math.floor((chunk.length * (2 * i + 1)) / (2 * probeCount));
    const bytes = chunk.subarray(at, at + probeBytes);
    if (new Set(bytes).size >= probeVarietyMin) probes.push({ at, bytes });
  }
  return probes;
}
