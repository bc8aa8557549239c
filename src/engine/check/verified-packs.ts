/**
 * When each pack was last read whole and found right, on this host; so that a full check can be
 * spread over many runs. Kept in the lasting cache, whatever index the check itself trusts. A row
 * names the place too, as the cache does: what was right on one disk says nothing of another.
 */
import { fromHex, type PackId } from "../../base/ids.ts";
import {
  type Database,
  openCacheDatabase,
  type Statement,
} from "../../repo/cache/cache-database.ts";

export class VerifiedPacks {
  readonly #db: Database;
  readonly #place: Uint8Array;
  readonly #find: Statement;
  readonly #put: Statement;

  private constructor(db: Database, place: string) {
    this.#db = db;
    this.#place = Buffer.from(place);
    // Once: they are run for every pack, and to prepare one takes longer than to run it.
    this.#find = db.prepare("SELECT verified_ms FROM verified_pack WHERE id = ?").pluck();
    this.#put = db.prepare("INSERT OR REPLACE INTO verified_pack VALUES (?, ?)");
  }

  /** `folder`: of the repository's lasting cache; `place`: where its store is. `cache-failed`. */
  static open(folder: string, place: string): VerifiedPacks {
    return new VerifiedPacks(openCacheDatabase(folder), place);
  }

  #rowId(pack: PackId): Uint8Array {
    return Buffer.concat([fromHex(pack), this.#place]);
  }

  /** Wall time, milliseconds since 1970. */
  verifiedMs(pack: PackId): number | undefined {
    return this.#find.get(this.#rowId(pack)) as number | undefined;
  }

  remember(pack: PackId, nowMs: number): void {
    this.#put.run(this.#rowId(pack), nowMs);
  }

  forget(pack: PackId): void {
    this.#db.prepare("DELETE FROM verified_pack WHERE id = ?").run(this.#rowId(pack));
  }

  close(): void {
    this.#db.close();
  }
}
