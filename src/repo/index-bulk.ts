/**
 * Fills an empty cache with a large index. By groups (index-loader.ts) each page of the table is
 * written again for every million of blobs that come: 17 GB for 20 million. Here rows go to a
 * temporary file first, apart by ranges of ids, and then into the table range by range, each page
 * once.
 *
 * The rows come before the packs that they belong to: those have numbers that no row of `pack` has
 * yet, so nobody counts them. Packs and index objects come in one transaction at the end. Killed
 * before that, a load leaves rows without packs; whoever next fills the cache removes them. So that
 * this is never done to a load that is under way, each load leaves a token, puts its own in place
 * of another's, and goes on only while it finds its own (and the cache was not emptied meanwhile).
 */
import { fromHex, type IndexId } from "../base/ids.ts";
import { BlobRows } from "./cache/blob-rows.ts";
import type { Database } from "./cache/cache-database.ts";
import { RangeSpill } from "./cache/range-spill.ts";
import type { IndexPack } from "./format/index-object.ts";

/** Less than the rows that are held, so that a range is written at once. */
const rangeRows = 750_000;

const numbersAtOnce = 1000;

const temporaryTables = `
  CREATE TEMP TABLE IF NOT EXISTS loading_pack (
    no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, size INTEGER, cipher INTEGER,
    wrap_method INTEGER, wrap BLOB, blob_count INTEGER
  );
  CREATE TEMP TABLE IF NOT EXISTS loading_object (id BLOB PRIMARY KEY, size INTEGER);
  CREATE TEMP TABLE IF NOT EXISTS loading_link (object BLOB, pack INTEGER);
  DELETE FROM loading_pack; DELETE FROM loading_object; DELETE FROM loading_link;
`;

/** 0 is PackState.unlisted: the caller works out the states. */
const takeIn = `
  INSERT INTO pack (no, id, size, cipher, wrap_method, wrap, blob_count, state, session)
    SELECT no, id, size, cipher, wrap_method, wrap, blob_count, 0, NULL FROM loading_pack
    WHERE id NOT IN (SELECT id FROM pack);
  INSERT OR IGNORE INTO index_object (id, size) SELECT id, size FROM loading_object;
  INSERT OR IGNORE INTO index_pack SELECT index_object.no, pack.no FROM loading_link
    JOIN index_object ON index_object.id = loading_link.object
    JOIN loading_pack ON loading_pack.no = loading_link.pack
    JOIN pack ON pack.id = loading_pack.id;
  DELETE FROM setting WHERE name = 'loading';
`;

export class BulkLoad {
  readonly #db: Database;
  readonly #spill: RangeSpill;
  readonly #mark: unknown;
  /** Packs of objects that turned out to be damaged. */
  readonly #void = new Set<number>();
  #lastNumber = 0;
  #numbersLeft = 0;

  private constructor(db: Database, spill: RangeSpill, mark: unknown) {
    this.#db = db;
    this.#spill = spill;
    this.#mark = mark;
  }

  /** Undefined when the cache is not empty. `rows`: how many will come, at most. */
  static begin(db: Database, folder: string, rows: number): BulkLoad | undefined {
    const mark = db
      .transaction(() => {
        if (db.prepare("SELECT 1 FROM pack LIMIT 1").get() !== undefined) return undefined;
        db.exec(`
          DELETE FROM blob;
          INSERT OR REPLACE INTO setting VALUES ('loading', hex(randomblob(16)));
          INSERT INTO sqlite_sequence (name, seq)
            SELECT 'pack', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'pack');
        `);
        return markOf(db);
      })
      .immediate();
    if (mark === undefined) return undefined;
    db.exec(temporaryTables);
    return new BulkLoad(db, new RangeSpill(folder, rows, rangeRows), mark);
  }

  /** Takes an index object in. When reading `packs` throws, nothing of it stays. */
  add(
    object: { readonly id: IndexId; readonly size: number },
    packs: Iterable<IndexPack>,
    onPack: (pack: IndexPack, packNo: number) => void,
  ): void {
    const db = this.#db;
    const numbers: number[] = [];
    const link = db.prepare("INSERT INTO loading_link VALUES (?, ?)");
    const id = fromHex(object.id);
    try {
      db.prepare("INSERT OR IGNORE INTO loading_object VALUES (?, ?)").run(id, object.size);
      for (const pack of packs) {
        const packNo = this.#addPack(pack, numbers);
        link.run(id, packNo);
        onPack(pack, packNo);
      }
    } catch (error) {
      db.prepare("DELETE FROM loading_object WHERE id = ?").run(id);
      db.prepare("DELETE FROM loading_link WHERE object = ?").run(id);
      const drop = db.prepare("DELETE FROM loading_pack WHERE no = ?");
      for (const packNo of numbers) {
        drop.run(packNo);
        this.#void.add(packNo);
      }
      throw error;
    }
  }

  #addPack({ pack, blobs, ...facts }: IndexPack, numbers: number[]): number {
    const db = this.#db;
    const id = fromHex(pack);
    const known = db.prepare("SELECT no FROM loading_pack WHERE id = ?").pluck().get(id);
    if (known !== undefined) return known as number;
    const packNo = this.#takeNumber();
    numbers.push(packNo);
    // Nobody will read the blobs of a dead pack by this index: no rows for them.
    const isDead = db.prepare("SELECT 1 FROM dead_pack WHERE id = ?").get(id) !== undefined;
    const rows = isDead ? [] : blobs;
    const { size, cipher, wrapMethod, wrap } = facts;
    db.prepare("INSERT INTO loading_pack VALUES (?, ?, ?, ?, ?, ?, ?)").run(
      packNo,
      id,
      size,
      cipher,
      wrapMethod,
      wrap,
      rows.length,
    );
    for (const [ordinal, blob] of rows.entries()) this.#spill.add(blob.id, packNo, ordinal, blob);
    return packNo;
  }

  /** A number that no pack has, and that none gets after a failure either. */
  #takeNumber(): number {
    if (this.#numbersLeft === 0) {
      this.#numbersLeft = numbersAtOnce;
      this.#lastNumber = this.#db
        .prepare("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'pack' RETURNING seq")
        .pluck()
        .get(numbersAtOnce) as number;
    }
    this.#numbersLeft--;
    return this.#lastNumber - this.#numbersLeft;
  }

  /** False when another process has taken the cache over: then it has to be filled by groups. */
  finish(): boolean {
    const rows = new BlobRows(this.#db);
    const inTurn = (work: () => void): boolean =>
      this.#db
        .transaction(() => {
          if (markOf(this.#db) !== this.#mark) return false;
          work();
          return true;
        })
        .immediate();
    for (let range = 0; range < this.#spill.rangeCount; range++) {
      const write = () => {
        this.#spill.takeRange(range, rows);
        rows.write(this.#void);
      };
      if (!inTurn(write)) return false;
    }
    return inTurn(() => this.#db.exec(takeIn));
  }

  close(): void {
    this.#spill.close();
    this.#db.exec("DELETE FROM loading_pack; DELETE FROM loading_object; DELETE FROM loading_link");
  }
}

/** Another one after another load began, or the cache was emptied. */
function markOf(db: Database): unknown {
  return db
    .prepare(
      `SELECT (SELECT value FROM setting WHERE name = 'loading') || ' ' ||
         (SELECT value FROM setting WHERE name = 'generation')`,
    )
    .pluck()
    .get();
}
