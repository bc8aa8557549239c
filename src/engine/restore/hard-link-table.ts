/**
 * Where this restore put the first name of each file that has several. Kept in a temporary
 * database that SQLite removes, made at the first such file: there may be millions of them.
 */
import type { Entry } from "../../base/entry.ts";
import type { CatalogKey } from "../../base/raw-path.ts";
import {
  type Database,
  openTemporaryDatabase,
  type Statement,
} from "../../repo/cache/cache-database.ts";

export interface FirstName {
  /** Key of the entry in the catalog, from which the place in the target follows. */
  readonly key: CatalogKey;
  /** Inode in the target; 0 while the file is not complete, or when it could not be restored. */
  readonly inode: bigint;
}

type Row = [Uint8Array, bigint, bigint, bigint];

export class HardLinkTable {
  #db: Database | undefined;
  #find: Statement | undefined;
  #put: Statement | undefined;

  /** The first name, if it stands for the same content. */
  first(entry: Entry): FirstName | undefined {
    if (this.#find === undefined || entry.hardLink === undefined) return undefined;
    const row = this.#find.get(groupOf(entry)) as Row | undefined;
    if (row === undefined) return undefined;
    const [key, inode, size, mtimeNs] = row;
    if (Number(size) !== entry.size || mtimeNs !== entry.mtimeNs) return undefined;
    const text = Buffer.from(key).latin1Slice();
    return { key: text as CatalogKey, inode: BigInt.asUintN(64, inode) };
  }

  /** Makes this entry the first name. */
  put(entry: Entry, inode: bigint): void {
    if (entry.hardLink === undefined) return;
    this.#open();
    const key = Buffer.from(entry.key, "latin1");
    const signed = BigInt.asIntN(64, inode);
    this.#put?.run(groupOf(entry), key, signed, BigInt(entry.size), entry.mtimeNs);
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }

  #open(): void {
    if (this.#db !== undefined) return;
    const db = openTemporaryDatabase();
    db.exec(
      `CREATE TABLE first_name (
         file TEXT PRIMARY KEY, key BLOB NOT NULL, inode INTEGER NOT NULL,
         size INTEGER NOT NULL, mtime INTEGER NOT NULL
       ) WITHOUT ROWID`,
    );
    this.#find = db
      .prepare("SELECT key, inode, size, mtime FROM first_name WHERE file = ?")
      .raw()
      .safeIntegers();
    this.#put = db.prepare("INSERT OR REPLACE INTO first_name VALUES (?, ?, ?, ?, ?)");
    this.#db = db;
  }
}

function groupOf(entry: Entry): string {
  return `${entry.hardLink}:${entry.inode}`;
}
