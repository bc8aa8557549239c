/** Small things that tests over stores share. */
import { hasCode } from "../../src/base/errors.ts";
import type { ObjectInfo, Store } from "../../src/repo/store/store.ts";

/** Bytes that differ at every place and for every seed. */
export function patternBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8) * 17 + seed) & 0xff;
  return bytes;
}

export async function listAll(store: Store, folder: string): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const object of store.list(folder)) found.push(object);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const coded =
  (...codes: Parameters<typeof hasCode>[1][]) =>
  (error: unknown) =>
    hasCode(error, ...codes);
