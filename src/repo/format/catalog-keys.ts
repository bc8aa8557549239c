/**
 * Keys in catalog nodes: prefix-compressed against the one before, strictly ascending, and never
 * able to name anything outside the tree (format.md, "Keys"). Both directions check, so that a
 * hostile catalog cannot smuggle "..", an absolute path or an empty name to a restore, and a
 * faulty source cannot write one.
 */
import type { ByteReader, ByteWriter } from "../../base/bytes.ts";
import { VarveError } from "../../base/errors.ts";
import { type CatalogKey, displayPath, pathFromKey } from "../../base/raw-path.ts";

/** Bytes of a whole key. Linux takes 4,095 in one call, but deeper trees can be made. */
export const keyBytesMax = 65_535;
/** Bytes of one name; the limit of every Linux file system. */
export const nameBytesMax = 255;

const slash = 0x2f;
const dot = 0x2e;

/**
 * What is wrong with the names that `suffix` completes or adds after the first `shared` code units
 * of the valid key `previous`; undefined when nothing is.
 */
function faultIn(previous: string, shared: number, suffix: string): string | undefined {
  const start = shared === 0 ? 0 : previous.lastIndexOf("\0", shared - 1) + 1;
  let length = shared - start;
  let dots = length <= 2 && /^\.*$/.test(previous.slice(start, shared));
  for (let at = 0; at <= suffix.length; at++) {
    const unit = at < suffix.length ? suffix.charCodeAt(at) : 0;
    if (unit === 0) {
      if (length === 0) return "has an empty name";
      if (dots && length <= 2) return 'has a name "." or ".."';
      length = 0;
      dots = true;
    } else {
      if (unit === slash) return "has a slash in a name";
      if (unit > 0xff) return "is not a string of bytes";
      if (unit !== dot) dots = false;
      if (++length > nameBytesMax) return `has a name of more than ${nameBytesMax} bytes`;
    }
  }
  return undefined;
}

/** What makes `key` impossible as a catalog key; undefined when it is one. */
export function keyFault(key: string): string | undefined {
  if (key.length > keyBytesMax) return `has more than ${keyBytesMax} bytes`;
  return faultIn("", 0, key);
}

export class KeyDecoder {
  #previous = "";

  read(reader: ByteReader): CatalogKey {
    const previous = this.#previous;
    const shared = reader.varint();
    if (shared > previous.length) throw reader.damaged("a key shares more than there is");
    const length = reader.varint();
    if (shared + length > keyBytesMax) throw reader.damaged("a key is too long");
    const suffix = reader.latin1(length);
    // One comparison says that keys ascend and that the shared part is as long as it can be.
    const ascends =
      length > 0 &&
      (shared === previous.length || suffix.charCodeAt(0) > previous.charCodeAt(shared));
    if (!ascends) throw reader.damaged("keys do not ascend");
    const fault = faultIn(previous, shared, suffix);
    if (fault !== undefined) throw reader.damaged(`a key ${fault}`);
    const key = shared === 0 ? suffix : previous.slice(0, shared) + suffix;
    this.#previous = key;
    return key as CatalogKey;
  }
}

export class KeyEncoder {
  #previous = "";

  /** Throws `limit-exceeded` for keys that the format cannot hold. */
  write(writer: ByteWriter, key: CatalogKey): void {
    const previous = this.#previous;
    const most = Math.min(previous.length, key.length);
    let shared = 0;
    while (shared < most && key.charCodeAt(shared) === previous.charCodeAt(shared)) shared++;
    const suffix = key.slice(shared);
    const fault =
      key.length > keyBytesMax
        ? `has more than ${keyBytesMax} bytes`
        : faultIn(previous, shared, suffix);
    if (fault !== undefined) throw badKey(key, fault);
    writer.varint(shared).varint(suffix.length).latin1(suffix);
    this.#previous = key;
  }

  reset(): void {
    this.#previous = "";
  }
}

function badKey(key: CatalogKey, fault: string): VarveError {
  const shown = displayPath(pathFromKey(key)).slice(0, 200);
  return new VarveError("limit-exceeded", `A path ${fault}: ${shown}`, {
    hint: "Rename it, or exclude it from the snapshot.",
  });
}
