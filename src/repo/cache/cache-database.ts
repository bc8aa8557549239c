/**
 * The local cache of one repository: a SQLite database in the cache folder. It holds nothing that
 * the repository does not hold, may be deleted at any time, and several processes may use it at
 * once (WAL, one writer at a time). It keeps no plaintext: ids, places in packs, and sealed
 * snapshot objects as they are in the store.
 *
 * WAL with `synchronous = NORMAL` loses at most the newest transactions in a power cut, never
 * consistency: a row that says "this blob is there" must be true, or data would be lost. A cache
 * that SQLite calls damaged is thrown away and made anew. A transaction that writes is `immediate`:
 * one that reads first is refused, without waiting, when another process wrote in between.
 *
 * Blob ids are kept as their first 16 bytes. They are keyed hashes, so nobody without the key can
 * aim at a collision, and 2^-128 is no chance worth 160 MB for every ten million blobs.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { VarveError } from "../../base/errors.ts";
import { makeFolders } from "../../base/make-folders.ts";

const schemaVersion = 3;
/** Of SQLite's log, once what it holds is in the database. */
const logBytesMax = 64 * 1024 * 1024;
/** Together a minute, as long as SQLite itself waits for a lock. */
const busyTries = 3000;
const busyPauseMs = 20;

const schema = `
CREATE TABLE pack (
  -- Never used again: another process may still hold the state of a number that we delete.
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  cipher INTEGER NOT NULL,
  wrap_method INTEGER NOT NULL,
  wrap BLOB NOT NULL,
  blob_count INTEGER NOT NULL,
  state INTEGER NOT NULL,
  session BLOB
);
CREATE TABLE blob (
  id BLOB NOT NULL,
  pack INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  encoding INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  raw_length INTEGER NOT NULL,
  -- The base's id, then the generation.
  base BLOB,
  PRIMARY KEY (id, pack, ordinal)
) WITHOUT ROWID;
CREATE TABLE index_object (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, size INTEGER NOT NULL);
CREATE TABLE index_pack (
  index_no INTEGER NOT NULL, pack_no INTEGER NOT NULL, PRIMARY KEY (index_no, pack_no)
) WITHOUT ROWID;
CREATE TABLE tombstone (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE dead_pack (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE fence (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshot (id BLOB PRIMARY KEY, sealed BLOB NOT NULL);
-- Opened manifests, sealed together; not in the table above any more.
CREATE TABLE snapshot_group (no INTEGER PRIMARY KEY AUTOINCREMENT, sealed BLOB NOT NULL);
CREATE TABLE whole_root (root BLOB PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE session_look (
  id BLOB PRIMARY KEY, beat INTEGER NOT NULL, seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
-- The pack's id, then the place of the store.
CREATE TABLE verified_pack (id BLOB PRIMARY KEY, verified_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE setting (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO setting VALUES ('generation', 1);
`;

export type Database = SqliteDatabase.Database;
export type Statement = SqliteDatabase.Statement<unknown[]>;

function openFile(file: string): Database {
  const db = new SqliteDatabase(file, { timeout: 60_000 });
  try {
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = NORMAL");
    db.pragma("cache_size = -32768");
    db.pragma("temp_store = FILE");
    // A transaction of a large load writes a log as large as the table; it shall not stay so.
    db.pragma(`journal_size_limit = ${logBytesMax}`);
    db.transaction(() => {
      const version = db.pragma("user_version", { simple: true });
      if (version === schemaVersion) return;
      if (version !== 0) throw new SqliteDatabase.SqliteError("other schema", "SQLITE_NOTADB");
      db.exec(schema);
      db.pragma(`user_version = ${schemaVersion}`);
    }).immediate();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Two processes that turn one new file to WAL at the same moment would wait for each other, so
 * SQLite refuses one of them at once, whatever time-out it was given: that one comes again.
 */
export function openInTurn(open: () => Database): Database {
  for (let tries = 1; ; tries += 1) {
    try {
      return open();
    } catch (error) {
      if (!isBusy(error) || tries === busyTries) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyPauseMs);
    }
  }
}

function isBusy(error: unknown): boolean {
  return (
    error instanceof SqliteDatabase.SqliteError &&
    (error.code === "SQLITE_BUSY" || error.code.startsWith("SQLITE_BUSY_"))
  );
}

function isDamage(error: unknown): boolean {
  return (
    error instanceof SqliteDatabase.SqliteError &&
    (error.code === "SQLITE_NOTADB" || error.code.startsWith("SQLITE_CORRUPT"))
  );
}

/** Turns SQLite's errors into ours: the cache is the user's to move or delete. */
export function cacheFailure(error: unknown, folder: string): VarveError {
  if (error instanceof VarveError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new VarveError(
    "cache-failed",
    `The local cache in ${folder} cannot be used: ${message}.`,
    {
      hint: "Make room, or name another folder with --cache-dir; the cache may be deleted.",
      cause: error,
    },
  );
}

/** What a statement threw, from wherever it was run, as ours; other errors unchanged. */
export function asCacheError(error: unknown, folder: string): unknown {
  return error instanceof SqliteDatabase.SqliteError ? cacheFailure(error, folder) : error;
}

/**
 * Opens the cache of a repository, made if absent, in `folder` (one folder a repository; ours
 * alone). Throws `cache-failed`.
 */
export function openCacheDatabase(folder: string): Database {
  const file = join(folder, "cache.db");
  try {
    makeFolders(folder, (path) => mkdirSync(path, 0o700));
    try {
      return openInTurn(() => openFile(file));
    } catch (error) {
      if (!isDamage(error)) throw error;
      for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
      return openInTurn(() => openFile(file));
    }
  } catch (error) {
    throw cacheFailure(error, folder);
  }
}

/**
 * A cache that lives only as long as this connection, in a temporary file that SQLite removes; for
 * checks that must not trust what an older run believed.
 */
export function openTemporaryDatabase(): Database {
  const db = new SqliteDatabase("");
  db.pragma("journal_mode = OFF");
  db.pragma("cache_size = -65536");
  db.exec(schema);
  return db;
}
