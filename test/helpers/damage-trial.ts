/**
 * Opens, checks and reads a damaged repository, as often as there are bytes in it: damage.test.ts
 * has whole ones made here and damaged, mostly in threads (damage-threads.ts).
 */
import assert from "node:assert/strict";
import v8 from "node:v8";
import vm from "node:vm";
import type { Content } from "../../src/base/entry.ts";
import { VarveError } from "../../src/base/errors.ts";
import { toHex } from "../../src/base/ids.ts";
import { pathFromKey } from "../../src/base/raw-path.ts";
import { type CheckReport, checkRepository } from "../../src/engine/check.ts";
import { readContent } from "../../src/repo/format/content-list.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { noise, plainTree, smallTree, type Tree } from "./small-repository.ts";
import { reopenRepository } from "./test-repository.ts";

/** What the repository holds: its two snapshots are of versions 1 and 2. */
export type Holding = "few files" | "small tree";

export function treeOf(holding: Holding, version: number): Tree {
  return holding === "few files" ? fewFiles(version) : smallTree(version);
}

/** The least that has objects and blobs of all kinds: a list, a shared chunk, a hole. */
function fewFiles(version: number): Tree {
  return {
    home: null,
    "home/empty": [],
    "home/holes": [noise(300, 1), 5000, "and a hole before this"],
    "home/list": Array.from({ length: 70 }, (_, at) => `line ${at % 3} of a long file\n`),
    "home/shared": [noise(300, 1)],
    "home/version": [`this is version ${version}`],
  };
}

/** Path -> content, as text, which compares faster than bytes do. */
type Files = ReadonlyMap<string, string>;

const expected: Record<Holding, readonly Files[]> = {
  "few files": [1, 2].map((version) => filesOf(fewFiles(version))),
  "small tree": [1, 2].map((version) => filesOf(smallTree(version))),
};

function filesOf(tree: Tree): Files {
  return new Map([...plainTree(tree)].map(([path, bytes]) => [path, textOf(bytes)]));
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? "folder" : `file ${Buffer.from(bytes).toString("latin1")}`;
}

/** An error: it does not even open. Refused: listings, trees and files that could not be read. */
export type Outcome =
  | { readonly report: CheckReport; readonly refused: number }
  | { readonly error: VarveError };

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;
let examined = 0;

/**
 * Of a snapshot, until the rest of it is left alone: for each blob that is in no pack the index is
 * loaded anew, so that after the loss of an index object hundreds of files would take a second.
 */
const refusalsMax = 3;

/** Opens, checks, and reads all that can be read: which must be right, or refused with a code. */
export async function examine(
  folder: string,
  store: MemoryStore,
  holding: Holding,
): Promise<Outcome> {
  // Each repository has contexts of zstd: the collector does not know how large they are, and
  // they are freed when the event loop turns, which a store in memory never makes it do.
  if (++examined % 100 === 0) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  let repo: Repository;
  try {
    repo = await reopenRepository(folder, { store, freshCache: true });
  } catch (error) {
    return { error: coded(error) };
  }
  try {
    const report = await checkRepository(repo, { readData: true });
    const reading = new WholeReading(repo, expected[holding]);
    await reading.all();
    return { report, refused: reading.refused };
  } finally {
    repo.cache.db.close();
  }
}

/** Whether the damage was told, and of this very object. */
export function isNoticed(outcome: Outcome, name: string): boolean {
  if ("error" in outcome) return true;
  const { damage, isClean } = outcome.report;
  return !isClean && damage.some(({ object }) => object === name);
}

/** What a user may be told; anything else is a fault of ours. */
function coded(error: unknown): VarveError {
  const isCoded = error instanceof VarveError && error.code !== "internal";
  // Not as an argument above: a stack takes longer to write than all that is asserted here.
  if (!isCoded) assert.fail(error instanceof Error ? error.stack : String(error));
  return error;
}

/**
 * Every file of every snapshot, also when one of them is hurt. A chunk that was read right is
 * not read again for the next snapshot: the store does not change meanwhile.
 */
class WholeReading {
  readonly #repo: Repository;
  readonly #expected: readonly Files[];
  readonly #chunks = new Map<string, Uint8Array>();
  refused = 0;

  constructor(repo: Repository, expectedFiles: readonly Files[]) {
    this.#repo = repo;
    this.#expected = expectedFiles;
  }

  async all(): Promise<void> {
    const listing = await this.#refusable(() => this.#repo.listSnapshots());
    for (const { snapshot } of listing?.records ?? []) {
      const files = this.#expected[snapshot.previous === null ? 0 : 1];
      assert.ok(files !== undefined);
      await this.#refusable(() => this.#tree(snapshot.root, files));
    }
  }

  async #tree(root: Uint8Array, files: Files): Promise<void> {
    let entries = 0;
    const enough = this.refused + refusalsMax;
    for await (const leaf of this.#repo.catalogAt(root).leaves()) {
      for (const { key, content } of leaf.entries) {
        entries++;
        const read =
          content === undefined ? null : await this.#refusable(() => this.#file(content));
        if (this.refused === enough) return;
        if (read === undefined) continue;
        const path = pathFromKey(key);
        assert.ok(textOf(read) === files.get(path), `what is read of ${path} is right`);
      }
    }
    assert.equal(entries, files.size, "nothing is left out");
  }

  async #file(content: Content): Promise<Uint8Array> {
    const { blobs } = this.#repo;
    const pieces: (string | Uint8Array)[] = [];
    const wanted = new Map<string, Uint8Array>();
    const readList = (id: Uint8Array) => blobs.read(BlobKind.list, id);
    for await (const { id, length } of readContent(content, readList)) {
      const name = id === null ? undefined : toHex(id);
      pieces.push(name ?? Buffer.alloc(length));
      if (id !== null && name !== undefined && !this.#chunks.has(name)) wanted.set(name, id);
    }
    if (wanted.size > 0) {
      const chunks = await blobs.readMany(BlobKind.data, [...wanted.values()]);
      for (const [i, name] of [...wanted.keys()].entries()) {
        const chunk = chunks[i];
        assert.ok(chunk !== undefined);
        this.#chunks.set(name, chunk);
      }
    }
    return Buffer.concat(pieces.map((piece) => this.#bytesOf(piece)));
  }

  #bytesOf(piece: string | Uint8Array): Uint8Array {
    if (typeof piece !== "string") return piece;
    const chunk = this.#chunks.get(piece);
    assert.ok(chunk !== undefined);
    return chunk;
  }

  /** Undefined when it was refused with a code. */
  async #refusable<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      coded(error);
      this.refused++;
      return undefined;
    }
  }
}
