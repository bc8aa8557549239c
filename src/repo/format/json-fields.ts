/**
 * Strict reading of JSON objects: every field has a type and a bound, and what is amiss is
 * `object-damaged`. Fields that nobody asked for are handed out by `rest`, so that a newer
 * program's additions survive being read and written by this one.
 */
import { VarveError } from "../../base/errors.ts";
import { isHex } from "../../base/ids.ts";

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };
export type JsonObject = { readonly [name: string]: JsonValue };

/** Deeper nesting is damage: it could exhaust the stack. */
const depthMax = 32;

export function damagedJson(what: string, reason: string, cause?: unknown): VarveError {
  return new VarveError("object-damaged", `Damaged ${what}: ${reason}.`, {
    hint: "Run `varve check` to see which snapshots are hurt.",
    cause,
  });
}

/** UTF-8 JSON that is an object, no deeper than 32. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  let value: JsonValue;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw damagedJson(what, "it is not JSON", error);
  }
  if (!isJsonObject(value)) throw damagedJson(what, "it is not a JSON object");
  if (depthOf(value, depthMax) > depthMax) throw damagedJson(what, "it is nested too deep");
  return value;
}

function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Depth, counted no further than `limit + 1`. */
function depthOf(value: JsonValue, limit: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (limit < 0) return 1;
  let deepest = 0;
  for (const child of Object.values(value) as JsonValue[]) {
    deepest = Math.max(deepest, depthOf(child, limit - 1));
  }
  return deepest + 1;
}

/** JSON without spaces and with sorted names: equal values give equal bytes. */
export function canonicalJson(value: JsonValue): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const fields = Object.entries(value as JsonObject)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(",")}}`;
}

export class JsonFields {
  readonly #object: JsonObject;
  readonly #what: string;
  readonly #asked = new Set<string>();

  constructor(value: JsonValue | undefined, what: string) {
    if (!isJsonObject(value)) throw damagedJson(what, "it is not a JSON object");
    this.#object = value;
    this.#what = what;
  }

  damaged(name: string, wanted: string): VarveError {
    return damagedJson(this.#what, `"${name}" is not ${wanted}`);
  }

  /** Whether there is such a field; null counts as none. */
  has(name: string): boolean {
    this.#asked.add(name);
    return Object.hasOwn(this.#object, name) && this.#object[name] !== null;
  }

  value(name: string): JsonValue | undefined {
    return this.has(name) ? this.#object[name] : undefined;
  }

  /** At most `bytesMax` bytes of UTF-8. */
  text(name: string, bytesMax: number): string {
    const value = this.value(name);
    if (typeof value === "string" && Buffer.byteLength(value) <= bytesMax) return value;
    throw this.damaged(name, `a text of at most ${bytesMax} bytes`);
  }

  hex(name: string, digits: 32 | 64): string {
    const value = this.value(name);
    if (typeof value === "string" && isHex(value, digits)) return value;
    throw this.damaged(name, `${digits} hex digits`);
  }

  /** A whole number from 0 to `max`. */
  count(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(name);
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) {
      return value;
    }
    throw this.damaged(name, `a whole number from 0 to ${max}`);
  }

  /** Nanoseconds since 1970 as a decimal text, within 64 bits. */
  timeNs(name: string): bigint {
    const value = this.value(name);
    if (typeof value === "string" && /^(0|-?[1-9][0-9]{0,18})$/.test(value)) {
      const ns = BigInt(value);
      if (BigInt.asIntN(64, ns) === ns) return ns;
    }
    throw this.damaged(name, "a time in nanoseconds");
  }

  boolean(name: string): boolean {
    const value = this.value(name);
    if (typeof value === "boolean") return value;
    throw this.damaged(name, "true or false");
  }

  fields(name: string): JsonFields {
    return new JsonFields(this.value(name), `${this.#what}, "${name}"`);
  }

  list<T>(name: string, countMax: number, read: (item: JsonValue, what: string) => T): T[] {
    const value = this.value(name);
    if (!Array.isArray(value) || value.length > countMax) {
      throw this.damaged(name, `a list of at most ${countMax}`);
    }
    return value.map((item: JsonValue) => read(item, `${this.#what}, "${name}"`));
  }

  texts(name: string, countMax: number, bytesMax: number): string[] {
    return this.list(name, countMax, (item) => {
      if (typeof item === "string" && Buffer.byteLength(item) <= bytesMax) return item;
      throw this.damaged(name, `a list of texts of at most ${bytesMax} bytes`);
    });
  }

  /** The fields that nobody asked for. */
  rest(): JsonObject {
    return Object.fromEntries(
      Object.entries(this.#object).filter(([name]) => !this.#asked.has(name)),
    );
  }
}
