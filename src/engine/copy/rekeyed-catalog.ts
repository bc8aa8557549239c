/**
 * Writes the catalog of a snapshot anew, for a target where blobs have other ids: entries keep all
 * but the ids in their contents; lists and nodes are cut as the target cuts (format.md, "Cuts",
 * "Content"). All chunks must have been moved before, so that their names are known.
 */
import type { Content } from "../../base/entry.ts";
import { VarveError } from "../../base/errors.ts";
import { type BlobId, toHex } from "../../base/ids.ts";
import type { BlobWriter } from "../../repo/blob-writer.ts";
import { type BuiltCatalog, CatalogBuilder } from "../../repo/catalog/catalog-builder.ts";
import { ContentBuilder, readContentRuns } from "../../repo/format/content-list.ts";
import { plainEntry } from "../../repo/format/leaf-entry.ts";
import { BlobKind } from "../../repo/format/pack-table.ts";
import type { Repository } from "../../repo/repository.ts";
import type { BlobNames } from "./blob-names.ts";

export interface RekeyTools {
  readonly source: Repository;
  readonly target: Repository;
  readonly names: BlobNames;
  readonly writer: BlobWriter;
}

export class RekeyedCatalogs {
  readonly #source: Repository;
  readonly #target: Repository;
  readonly #names: BlobNames;
  readonly #writer: BlobWriter;
  /** Snapshots of what has not changed have equal roots. */
  readonly #built = new Map<string, BuiltCatalog>();

  constructor({ source, target, names, writer }: RekeyTools) {
    this.#source = source;
    this.#target = target;
    this.#names = names;
    this.#writer = writer;
  }

  async build(root: BlobId, signal?: AbortSignal): Promise<BuiltCatalog> {
    const name = toHex(root);
    const known = this.#built.get(name);
    if (known !== undefined) return known;
    const builder = new CatalogBuilder({
      cutSeed: this.#target.keys.cutSeed,
      sink: { putNode: (plaintext) => this.#writer.put(BlobKind.catalog, plaintext) },
    });
    for await (const { entries } of this.#source.catalogAt(root).leaves()) {
      signal?.throwIfAborted();
      await this.#writer.ready();
      for (const entry of entries) {
        const { content } = entry;
        if (content === undefined) {
          builder.add(entry);
          continue;
        }
        const isFlat = content.depth === 0;
        const renamed = isFlat ? this.#renamed(content) : await this.#rebuilt(content);
        builder.add({ ...plainEntry(entry), content: renamed });
      }
    }
    const built = builder.finish();
    this.#built.set(name, built);
    return built;
  }

  /** Few items: they stand in the entry there as well. */
  #renamed({ depth, items }: Content): Content {
    return {
      depth,
      items: items.map(({ id, length }) => ({
        id: id === null ? null : this.#nameOf(id),
        length,
      })),
    };
  }

  async #rebuilt(content: Content): Promise<Content> {
    // One for each file: what a loss leaves in it must not get into the next.
    const putList = (plaintext: Uint8Array) => this.#writer.put(BlobKind.list, plaintext);
    const contents = new ContentBuilder({ putList });
    const readList = (id: BlobId) => this.#source.blobs.read(BlobKind.list, id);
    for await (const run of readContentRuns(content, readList)) {
      await this.#writer.ready();
      for (const { id, length } of run) {
        contents.append(id === null ? null : this.#nameOf(id), length);
      }
    }
    return contents.finish();
  }

  #nameOf(id: BlobId): BlobId {
    const name = this.#names.find(id);
    if (name !== undefined) return name;
    throw new VarveError("cache-failed", "The names of copied chunks were lost meanwhile.", {
      hint: "Run the command again.",
    });
  }
}
