/**
 * BLAKE3, plain and keyed, 32 bytes out (format.md, "Hashes").
 *
 * The native build is used where it loads, hash-wasm otherwise; both give the same bytes, and a
 * test holds them to it. Making a native hasher costs ten times what hashing a small blob costs,
 * so hashers are kept and reset. Nothing here is shared between threads; `digest` is synchronous,
 * so one hasher never serves two inputs at once.
 */
import { createRequire } from "node:module";
import { asBuffer } from "../../base/bytes.ts";
import { invariant } from "../../base/errors.ts";

type Native = typeof import("@napi-rs/blake-hash");
export type HashBackendName = "native" | "wasm";

/** A hash in the making; `digest` may be called once. */
interface Stream {
  update(data: Uint8Array): void;
  digest(): Uint8Array;
}

interface Backend {
  readonly name: HashBackendName;
  /** Hashes under this key, any number of times. */
  keyed(key: Uint8Array): (data: Uint8Array) => Uint8Array;
  stream(): Stream;
}

function nativeBackend(): Backend | undefined {
  let native: Native;
  try {
    native = createRequire(import.meta.url)("@napi-rs/blake-hash") as Native;
  } catch {
    return undefined; // No binary for this system in the package.
  }
  const { Blake3Hasher } = native;
  return {
    name: "native",
    keyed: (key) => {
      const hasher = Blake3Hasher.newKeyed(asBuffer(key));
      return (data) => {
        hasher.reset();
        return hasher.update(data).digestBuffer();
      };
    },
    stream: () => {
      const hasher = new Blake3Hasher();
      return {
        update: (data) => void hasher.update(data),
        digest: () => hasher.digestBuffer(),
      };
    },
  };
}

/**
 * hash-wasm makes hashers asynchronously only, so two serve everybody: a keyed one that reads its
 * key from `keyInUse` at each init, and a plain one whose state each stream keeps for itself.
 */
async function wasmBackend(): Promise<Backend> {
  // Only here, and not at the top: it takes longer to load than a short command takes to run.
  const { createBLAKE3 } = await import("hash-wasm");
  const keyInUse = new Uint8Array(32);
  const [keyedHasher, plainHasher] = await Promise.all([
    createBLAKE3(256, keyInUse),
    createBLAKE3(256),
  ]);
  return {
    name: "wasm",
    keyed: (key) => {
      const ownKey = key.slice();
      return (data) => {
        keyInUse.set(ownKey);
        return keyedHasher.init().update(data).digest("binary");
      };
    },
    stream: () => {
      let state = plainHasher.init().save();
      return {
        update: (data) => {
          state = plainHasher.load(state).update(data).save();
        },
        digest: () => plainHasher.load(state).digest("binary"),
      };
    },
  };
}

let backend: Backend = nativeBackend() ?? (await wasmBackend());

/** Chooses the implementation for hashers made from now on; for tests. */
export async function loadHashBackend(name: HashBackendName): Promise<void> {
  const chosen = name === "native" ? nativeBackend() : await wasmBackend();
  invariant(chosen !== undefined, "the native BLAKE3 is not there");
  backend = chosen;
}

export function hashBackendName(): HashBackendName {
  return backend.name;
}

/** Keyed BLAKE3 under one key, for many inputs. */
export class KeyedHash {
  readonly #hash: (data: Uint8Array) => Uint8Array;

  /** `key`: 32 bytes; copied. */
  constructor(key: Uint8Array) {
    invariant(key.length === 32, "a BLAKE3 key has 32 bytes");
    this.#hash = backend.keyed(key);
  }

  /** A new array of 32 bytes. `data` may be a view on shared memory. */
  digest(data: Uint8Array): Uint8Array {
    return this.#hash(data);
  }
}

/** Plain BLAKE3 of what is fed to it piece by piece. */
export class Blake3Stream {
  readonly #stream = backend.stream();

  update(data: Uint8Array): this {
    this.#stream.update(data);
    return this;
  }

  /** A new array of 32 bytes. The stream is spent. */
  digest(): Uint8Array {
    return this.#stream.digest();
  }
}

/** Plain BLAKE3, a new array of 32 bytes. */
export function blake3(data: Uint8Array): Uint8Array {
  return new Blake3Stream().update(data).digest();
}
