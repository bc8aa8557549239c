/**
 * What a blob of the source is called at the target. With equal keys for ids: the same. Otherwise
 * its plaintext has to be hashed once, and the answer is kept (repo/cache/id-map.ts).
 */
import { bytesEqual } from "../../base/bytes.ts";
import type { BlobId } from "../../base/ids.ts";
import { BlobHasher } from "../../repo/blob-codec.ts";
import { IdMap } from "../../repo/cache/id-map.ts";
import type { BlobKind } from "../../repo/format/pack-table.ts";
import type { Repository } from "../../repo/repository.ts";

export interface BlobNames {
  /** Whether catalogs can be taken as they are, node by node. */
  readonly areSame: boolean;
  /** Undefined: nobody knows before its plaintext was seen. */
  find(id: BlobId): BlobId | undefined;
  /** Of this plaintext, which was read as `id`. */
  learn(kind: BlobKind, id: BlobId, plaintext: Uint8Array): BlobId;
  /** What was learnt is there for later runs. */
  flush(): void;
  close(): void;
}

/** Whether both repositories give a blob one id, and cut catalogs alike. */
export function haveSameIds(source: Repository, target: Repository): boolean {
  const [a, b] = [source.keys, target.keys];
  return (
    bytesEqual(a.dataId, b.dataId) &&
    bytesEqual(a.catalogId, b.catalogId) &&
    bytesEqual(a.listId, b.listId) &&
    bytesEqual(a.chunkerSecret, b.chunkerSecret)
  );
}

export function blobNames(source: Repository, target: Repository): BlobNames {
  return haveSameIds(source, target) ? sameNames : new LearntNames(source, target);
}

const sameNames: BlobNames = {
  areSame: true,
  find: (id) => id,
  learn: (_kind, id) => id,
  flush: () => undefined,
  close: () => undefined,
};

class LearntNames implements BlobNames {
  readonly areSame = false;
  readonly #map: IdMap;
  readonly #hasher: BlobHasher;

  constructor(source: Repository, target: Repository) {
    this.#map = new IdMap(target.cache.folder, source.description.id);
    this.#hasher = new BlobHasher(target.keys);
  }

  find(id: BlobId): BlobId | undefined {
    return this.#map.get(id);
  }

  learn(kind: BlobKind, id: BlobId, plaintext: Uint8Array): BlobId {
    const name = this.#hasher.id(kind, plaintext);
    this.#map.set(id, name);
    return name;
  }

  flush(): void {
    this.#map.flush();
  }

  close(): void {
    this.#map.close();
  }
}
