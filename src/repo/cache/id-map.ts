/**
 * What ids blobs of another repository have in this one, where the two have different keys for
 * ids: so that what was copied once need not be read again to be known. A file beside the cache of
 * the repository that is copied to, one for each that is copied from; it may be deleted.
 *
 * A line is true for ever: both ids are hashes of the same plaintext. It says nothing of whether
 * the blob is stored.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import type { BlobId, RepositoryId } from "../../base/ids.ts";
import { idBytes, shortIdBytes } from "../../base/ids.ts";
import { makeFolders } from "../../base/make-folders.ts";
import { cacheFailure, type Database, openInTurn, type Statement } from "./cache-database.ts";

const schemaVersion = 1;
/** Lines that are kept at hand, as neighbouring snapshots ask for the same: 20 MB. */
const recentMax = 100_000;

export class IdMap {
  readonly #db: Database;
  readonly #find: Statement;
  readonly #insert: Statement;
  readonly #recent = new Map<string, BlobId>();

  /** `folder`: of the cache. Throws `cache-failed`. */
  constructor(folder: string, source: RepositoryId) {
    const file = join(folder, `copied-${source}.db`);
    try {
      makeFolders(folder, (path) => mkdirSync(path, 0o700));
      this.#db = openOrRemake(file);
    } catch (error) {
      throw cacheFailure(error, folder);
    }
    this.#find = this.#db.prepare("SELECT target FROM copied WHERE source = ?").pluck();
    this.#insert = this.#db.prepare("INSERT OR REPLACE INTO copied VALUES (?, ?)");
  }

  get(id: BlobId): BlobId | undefined {
    const key = keyOf(id);
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const found = this.#find.get(id.subarray(0, shortIdBytes)) as BlobId | undefined;
    if (found?.length !== idBytes) return undefined;
    this.#remember(key, found);
    return found;
  }

  set(id: BlobId, target: BlobId): void {
    this.#begin();
    this.#insert.run(id.subarray(0, shortIdBytes), target);
    this.#remember(keyOf(id), target);
  }

  #remember(key: string, target: BlobId): void {
    if (this.#recent.size >= recentMax) this.#recent.clear();
    this.#recent.set(key, target);
  }

  /** What is set until `flush` is one transaction. */
  #begin(): void {
    if (!this.#db.inTransaction) this.#db.exec("BEGIN IMMEDIATE");
  }

  flush(): void {
    if (this.#db.inTransaction) this.#db.exec("COMMIT");
  }

  close(): void {
    this.flush();
    this.#db.close();
  }
}

const keyOf = (id: BlobId) => Buffer.from(id.subarray(0, shortIdBytes)).toString("latin1");

function openOrRemake(file: string): Database {
  try {
    return openInTurn(() => openFile(file));
  } catch (error) {
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
    if (error.code !== "SQLITE_NOTADB" && !error.code.startsWith("SQLITE_CORRUPT")) throw error;
    for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
    return openFile(file);
  }
}

function openFile(file: string): Database {
  const db = new SqliteDatabase(file, { timeout: 60_000 });
  try {
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = NORMAL");
    db.exec(`CREATE TABLE IF NOT EXISTS copied (
      source BLOB PRIMARY KEY, target BLOB NOT NULL
    ) WITHOUT ROWID`);
    db.pragma(`user_version = ${schemaVersion}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
