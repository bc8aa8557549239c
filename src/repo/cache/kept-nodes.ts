/**
 * Catalog nodes in the local cache, sealed as they lie in packs: where reading costs a round trip
 * and money, the snapshot that finds nothing changed need not fetch its parent's catalog, which
 * this host has written itself or read the time before.
 *
 * Rows are named by pack and ordinal, and opened with the pack's key under the blob's id as if they
 * came from the store, so a wrong one is only of no use. What is kept says nothing of what the
 * store still has: only who wants to know what a catalog says asks here, never who checks.
 */
import { fromHex, type PackId } from "../../base/ids.ts";
import type { Database, Statement } from "./cache-database.ts";

export interface NodePlace {
  readonly pack: PackId;
  readonly ordinal: number;
}

export interface SealedNode extends NodePlace {
  readonly sealed: Uint8Array;
}

/** Catalogs of some six million files. */
const keptBytesMax = 256 * 1024 * 1024;
const bytesSetting = "kept_nodes_bytes";
/** Of a pack's id: two that begin alike cost nothing but the place of one. */
const packBytes = 16;

export class KeptNodes {
  readonly #db: Database;
  readonly #bytesMax: number;
  readonly #find: Statement;

  constructor(db: Database, bytesMax = keptBytesMax) {
    this.#db = db;
    this.#bytesMax = bytesMax;
    // Not in the schema of all caches: most repositories lie near.
    db.exec(`
      CREATE TABLE IF NOT EXISTS kept_node (
        no INTEGER PRIMARY KEY, pack BLOB NOT NULL, ordinal INTEGER NOT NULL, sealed BLOB NOT NULL,
        UNIQUE (pack, ordinal)
      );
      INSERT OR IGNORE INTO setting VALUES ('${bytesSetting}', 0);
    `);
    this.#find = db.prepare("SELECT sealed FROM kept_node WHERE pack = ? AND ordinal = ?").pluck();
  }

  get({ pack, ordinal }: NodePlace): Uint8Array | undefined {
    return this.#find.get(keyOf(pack), ordinal) as Uint8Array | undefined;
  }

  /** What was kept first goes when there is no room; who needs it keeps it anew. */
  keep(nodes: readonly SealedNode[]): void {
    if (nodes.length === 0) return;
    this.#db
      .transaction(() => {
        let added = 0;
        const insert = this.#db.prepare(
          "INSERT OR IGNORE INTO kept_node (pack, ordinal, sealed) VALUES (?, ?, ?)",
        );
        for (const { pack, ordinal, sealed } of nodes) {
          const { changes } = insert.run(keyOf(pack), ordinal, Uint8Array.from(sealed));
          added += changes * sealed.length;
        }
        this.#makeRoom(this.#count(added));
      })
      .immediate();
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    const drop = this.#db.prepare("DELETE FROM kept_node WHERE no = ?");
    const rows = this.#db
      .prepare("SELECT no, length(sealed) FROM kept_node ORDER BY no LIMIT 1000")
      .raw()
      .all() as [number, number][];
    let freed = 0;
    for (const [no, length] of rows) {
      if (bytes - freed <= this.#bytesMax) break;
      drop.run(no);
      freed += length;
    }
    const left = this.#count(-freed);
    if (freed > 0) this.#makeRoom(left);
  }

  /** Adds to the bytes that are kept; gives their number. */
  #count(bytes: number): number {
    return this.#db
      .prepare("UPDATE setting SET value = value + ? WHERE name = ? RETURNING value")
      .pluck()
      .get(bytes, bytesSetting) as number;
  }
}

const keyOf = (pack: PackId) => fromHex(pack).subarray(0, packBytes);
