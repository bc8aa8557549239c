/**
 * Remembers which catalogs were found whole: every blob below such a root was in a living pack
 * when the index had this *generation*. Packs die, but never come back, and a generation ends when
 * a pack dies; so in the same generation a whole catalog is still whole, and a snapshot that takes
 * entries over from it need not look each of them up again (design/concurrency.md, "Writer", 3).
 */
import type { BlobIndex } from "./blob-index.ts";
import type { Database } from "./cache/cache-database.ts";

const rootsMax = 1000;

export class WholeRoots {
  readonly #db: Database;
  readonly #index: BlobIndex;

  constructor(db: Database, index: BlobIndex) {
    this.#db = db;
    this.#index = index;
  }

  /** That of the view in which this run looks blobs up; the cache itself may be ahead of it. */
  generation(): number {
    return this.#index.generation;
  }

  isWhole(root: Uint8Array, generation: number): boolean {
    const row = this.#db.prepare("SELECT generation FROM whole_root WHERE root = ?").pluck();
    return row.get(root) === generation;
  }

  /** `generation` must have been read before the first blob of the catalog was looked up. */
  remember(root: Uint8Array, generation: number): void {
    this.#db
      .transaction(() => {
        this.#db.prepare("DELETE FROM whole_root WHERE generation < ?").run(generation);
        const count = this.#db.prepare("SELECT count(*) FROM whole_root").pluck().get() as number;
        if (count >= rootsMax) this.#db.exec("DELETE FROM whole_root");
        this.#db.prepare("INSERT OR REPLACE INTO whole_root VALUES (?, ?)").run(root, generation);
      })
      .immediate();
  }
}
