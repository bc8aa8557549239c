/**
 * The blob index: which living pack holds a blob, and where. Rows live in the local cache
 * (SQLite), so memory does not grow with blobs; per *pack* one byte of state is kept in memory.
 *
 * A pack counts when an index object names it and no tombstone does (format.md, "Index"); packs
 * that this run has stored, and that no index object names yet, count for this run only. The view
 * is that of the last refresh: what other processes add to the cache meanwhile is not seen.
 */
import { VarveError } from "../base/errors.ts";
import { type BlobId, fromHex, type PackId, packId, shortIdBytes, toHex } from "../base/ids.ts";
import { type BlobLookup, type BlobPlace, type PackInfo, standingCopy } from "./blob-lookup.ts";
import { BlobRows, readBase } from "./cache/blob-rows.ts";
import type { Database, Statement } from "./cache/cache-database.ts";
import { WaitingBlobs } from "./cache/waiting-blobs.ts";
import type { IndexPack } from "./format/index-object.ts";
import type { BlobKind, CipherSuite, Encoding } from "./format/pack-table.ts";

export const PackState = {
  /** In the cache, but no present index object names it. */
  unlisted: 0,
  living: 1,
  /** A tombstone names it. */
  dead: 2,
  /** Stored by a run that has not written its index object yet. */
  pending: 3,
} as const;
export type PackState = (typeof PackState)[keyof typeof PackState];

/** Only in memory: pending, and stored or adopted by this very run. */
const own = 4;

export type { BlobPlace, PackInfo } from "./blob-lookup.ts";

type BlobRow = [number, number, number, number, number, number, number, Uint8Array | null];

const blobColumns = "pack, ordinal, offset, length, raw_length, kind, encoding, base";
const packColumns = "no, id, size, cipher, wrap_method, wrap, blob_count";

/** A table of fewer rows lies in SQLite's own memory: own packs go into it as they come. */
const waitingTableRows = 1 << 18;
/** Otherwise rows wait until there is one for each eight of the table, and at most so many. */
const waitingRowsMax = 1 << 20;

/** What the cache keeps of an id; see cache-database.ts. */
export function cacheKey(id: Uint8Array): Uint8Array {
  return id.subarray(0, shortIdBytes);
}

export class BlobIndex implements BlobLookup {
  readonly #db: Database;
  readonly #findOne: Statement;
  readonly #findAll: Statement;
  readonly #packByNo: Statement;
  readonly #insertPack: Statement;
  readonly #packNumber: Statement;
  readonly #rows: BlobRows;
  readonly #waitingRows: BlobRows;
  readonly #waiting: WaitingBlobs;
  readonly #waitingTableRows: number;
  readonly #insertNumbered: Statement;
  readonly #takeNumber: Statement;
  /** What the cache is told once it knows the packs that wait. */
  #later: (() => void)[] = [];
  /** Packs of this run that another process had brought into the cache, by our own numbers. */
  readonly #doubles = new Map<number, PackInfo>();
  #tableRows = 0;
  #states = new Uint8Array(0);
  /** Packs that are not in the store, whatever the cache says of them. */
  #lost: ReadonlySet<number> = new Set();
  #packs = new Map<number, PackInfo>();
  #empty = true;
  #generation = 0;

  /** `tableRows`: own packs wait while the cache has more rows (cache/waiting-blobs.ts). */
  constructor(db: Database, tableRows = waitingTableRows) {
    this.#db = db;
    this.#waitingTableRows = tableRows;
    this.#findOne = db.prepare(`SELECT ${blobColumns} FROM blob WHERE id = ? LIMIT 1`).raw();
    this.#findAll = db.prepare(`SELECT ${blobColumns} FROM blob WHERE id = ?`).raw();
    this.#packByNo = db.prepare(`SELECT ${packColumns} FROM pack WHERE no = ?`).raw();
    this.#insertPack = db.prepare(
      `INSERT INTO pack (id, size, cipher, wrap_method, wrap, blob_count, state, session)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#packNumber = db.prepare("SELECT no FROM pack WHERE id = ?").pluck();
    this.#insertNumbered = db.prepare(
      `INSERT INTO pack (id, size, cipher, wrap_method, wrap, blob_count, state, session, no)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#takeNumber = db
      .prepare("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'pack' RETURNING seq")
      .pluck();
    this.#rows = new BlobRows(db);
    this.#waitingRows = new BlobRows(db, 2 * waitingRowsMax);
    this.#waiting = new WaitingBlobs(this.#waitingRows);
  }

  /** Takes the states of all packs from the cache. Packs of this run stay this run's. */
  refresh(): void {
    this.writeOwn();
    // In one view of the cache: another process may be killing packs in it.
    this.#db.transaction(() => this.#refresh()).deferred();
  }

  #refresh(): void {
    const before = this.#states;
    const last = this.#db.prepare("SELECT max(no) FROM pack").pluck().get() as number | null;
    const states = new Uint8Array((last ?? -1) + 1);
    this.#tableRows = 0;
    const rows = this.#db.prepare("SELECT no, state, blob_count FROM pack").raw();
    for (const row of rows.iterate()) {
      const [no, state, blobCount] = row as [number, number, number];
      this.#tableRows += blobCount;
      states[no] = state === PackState.pending && before[no] === own ? own : state;
    }
    for (const packNo of this.#lost) states[packNo] = PackState.unlisted;
    this.#generation = this.#db
      .prepare("SELECT value FROM setting WHERE name = 'generation'")
      .pluck()
      .get() as number;
    this.#states = states;
    this.#packs.clear();
    this.#empty = !states.some((state) => state === PackState.living || state === own);
  }

  /** Goes up when a pack that counted counts no more (whole-roots.ts); of the last refresh. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * From now on the blobs of these packs do not count for this run (lost-packs.ts). The cache is
   * not told: whoever puts the packs back in their place finds all as it was.
   */
  leaveOut(packNos: readonly number[]): void {
    this.#lost = new Set(packNos);
    for (const packNo of packNos) this.#states[packNo] = PackState.unlisted;
  }

  /** Whether blobs of this pack count for this run. */
  counts(packNo: number): boolean {
    const state = this.#states[packNo];
    return state === PackState.living || state === own;
  }

  /**
   * A living copy of the blob: that of least depth, then of the oldest pack, when there are
   * several. One that stands on a base is none unless that is there as well: who needs the blob
   * needs both.
   */
  find(kind: BlobKind, id: BlobId): BlobPlace | undefined {
    if (this.#empty) return undefined;
    const first = this.#findOne.get(cacheKey(id)) as BlobRow | undefined;
    if (first === undefined && this.#waiting.isEmpty) return undefined;
    const isPlain = first !== undefined && first[5] === kind && first[7] === null;
    if (isPlain && this.counts(first[0])) return placeOf(first);
    return standingCopy(this, kind, id)?.place;
  }

  /**
   * Calls `look` with the cache as it is now, whatever other processes write to it meanwhile: in
   * one transaction, without which every look-up would be one.
   */
  inOneView<T>(look: () => T): T {
    return this.#db.transaction(look).deferred();
  }

  has(kind: BlobKind, id: BlobId): boolean {
    return this.find(kind, id) !== undefined;
  }

  /** Every living copy, also those whose base is nowhere; oldest pack first. */
  copies(kind: BlobKind, id: BlobId): BlobPlace[] {
    const rows = this.#findAll.all(cacheKey(id)) as BlobRow[];
    const places = rows.filter((row) => this.counts(row[0]) && row[5] === kind).map(placeOf);
    return this.#waiting.isEmpty ? places : [...places, ...this.#waitingCopies(kind, id)];
  }

  #waitingCopies(kind: BlobKind, id: BlobId): BlobPlace[] {
    if (this.#waiting.isEmpty) return [];
    return this.#waiting.places(id).filter((place) => place.kind === kind);
  }

  /**
   * The pack of a place that was found. `blob-absent` when another process has taken the pack from
   * the cache since, because it is dead: then the index has to be loaded again.
   */
  packInfo(packNo: number): PackInfo {
    const info = this.findPack(packNo);
    if (info !== undefined) return info;
    throw new VarveError("blob-absent", "A pack was pruned while it was in use.", {
      hint: "Run the command again.",
    });
  }

  findPack(packNo: number): PackInfo | undefined {
    const known =
      this.#packs.get(packNo) ?? this.#waiting.pack(packNo) ?? this.#doubles.get(packNo);
    if (known !== undefined) return known;
    const row = this.#packByNo.get(packNo) as PackRow | undefined;
    if (row === undefined) return undefined;
    const info = packOf(row);
    if (this.#packs.size > 4096) this.#packs.clear();
    this.#packs.set(packNo, info);
    return info;
  }

  /** All packs that count for this run, less those that another process found to be dead. */
  *livingPacks(): Generator<PackInfo> {
    for (let packNo = 0; packNo < this.#states.length; packNo++) {
      const info = this.counts(packNo) ? this.findPack(packNo) : undefined;
      if (info !== undefined) yield info;
    }
  }

  /** Packs that a tombstone names, as far as the cache knows of them. */
  deadPacks(): PackId[] {
    const ids = this.#db.prepare("SELECT lower(hex(id)) FROM dead_pack").pluck().all();
    return (ids as string[]).map(packId);
  }

  /** Highest pack number plus one. */
  get packNoEnd(): number {
    return this.#states.length;
  }

  /**
   * Adds a pack that is in the store, and that this run may use at once; returns its number. Where
   * the cache has very many rows it is told of the pack later: see `writeOwn`.
   */
  addOwnPack(pack: IndexPack, session: Uint8Array): number {
    const isLarge = this.#tableRows >= this.#waitingTableRows;
    const rowsMax = isLarge ? Math.min(waitingRowsMax, this.#tableRows >> 3) : 0;
    if (this.#waiting.count + pack.blobs.length > rowsMax) this.writeOwn();
    this.#tableRows += pack.blobs.length;
    let packNo: number;
    if (pack.blobs.length > rowsMax) {
      const insert = () => this.insert(pack, PackState.pending, session);
      packNo = this.#db.transaction(insert).immediate();
    } else {
      packNo = this.#takeNumber.get() as number;
      this.#waiting.add(pack, packNo, session);
    }
    this.setOwn(packNo);
    return packNo;
  }

  /**
   * Tells the cache of all own packs that wait; nothing happens when none does. Before the index is
   * loaded, or another writer takes over, and at the end of a run this must be called.
   */
  writeOwn(): void {
    if (this.#waiting.isEmpty) return;
    const doubles = new Map<PackInfo, number>();
    try {
      this.#db.transaction(() => this.#writeWaiting(doubles)).immediate();
      for (const [info, known] of doubles) this.#useDouble(info, known);
    } finally {
      // After a failure as well: without their rows these packs must not come into the cache.
      this.#waiting.end();
      this.#later = [];
    }
  }

  #writeWaiting(doubles: Map<PackInfo, number>): void {
    for (const { info, session } of this.#waiting.packs) {
      const known = this.#numberInCache(info.pack);
      if (known !== undefined) doubles.set(info, known);
      else this.#insertNumbered.run(...packRow(info, PackState.pending, session), info.packNo);
    }
    this.#waitingRows.write(new Set([...doubles.keys()].map(({ packNo }) => packNo)));
    for (const work of this.#later) work();
  }

  /** Another process had loaded the index object that names the pack: its rows are used. */
  #useDouble(info: PackInfo, known: number): void {
    this.#doubles.set(info.packNo, info);
    this.#states[info.packNo] = PackState.unlisted;
    this.setOwn(known);
  }

  /**
   * Runs `work` in a transaction, as soon as the cache knows all packs of this run: nothing may
   * say there that an index object was taken in while rows of its packs are missing.
   */
  afterOwn(work: () => void): void {
    if (this.#waiting.isEmpty) this.#db.transaction(work).immediate();
    else this.#later.push(work);
  }

  /** Lets a pending pack count for this run. */
  setOwn(packNo: number): void {
    if (packNo >= this.#states.length) {
      const larger = new Uint8Array(Math.max(packNo + 1, this.#states.length * 2, 64));
      larger.set(this.#states);
      this.#states = larger;
    }
    this.#states[packNo] = own;
    this.#empty = false;
  }

  /**
   * Rows of a pack and its blobs, inside the caller's transaction. Known packs stay as they are.
   * With `rows` those of the blobs go there, to be written together with others.
   */
  insert(pack: IndexPack, state: PackState, session: Uint8Array | null, rows?: BlobRows): number {
    const known = this.packNumber(pack.pack);
    if (known !== undefined) return known;
    const info = { ...pack, blobCount: pack.blobs.length };
    const { lastInsertRowid } = this.#insertPack.run(...packRow(info, state, session));
    const packNo = Number(lastInsertRowid);
    const target = rows ?? this.#rows;
    for (const [ordinal, blob] of pack.blobs.entries()) {
      target.add(blob.id, packNo, ordinal, blob);
    }
    if (rows === undefined) target.write();
    return packNo;
  }

  packNumber(pack: PackId): number | undefined {
    return this.#numberInCache(pack) ?? this.#waiting.packNumber(pack);
  }

  #numberInCache(pack: PackId): number | undefined {
    return this.#packNumber.get(Buffer.from(pack, "hex")) as number | undefined;
  }
}

function packRow(
  pack: Omit<PackInfo, "packNo">,
  state: PackState,
  session: Uint8Array | null,
): unknown[] {
  const { size, cipher, wrapMethod, wrap, blobCount } = pack;
  return [fromHex(pack.pack), size, cipher, wrapMethod, wrap, blobCount, state, session];
}

type PackRow = [number, Uint8Array, number, number, number, Uint8Array, number];

function packOf(row: PackRow): PackInfo {
  return {
    packNo: row[0],
    pack: packId(toHex(row[1])),
    size: row[2],
    cipher: row[3] as CipherSuite,
    wrapMethod: row[4],
    wrap: row[5],
    blobCount: row[6],
  };
}

function placeOf(row: BlobRow): BlobPlace {
  const place = {
    packNo: row[0],
    ordinal: row[1],
    offset: row[2],
    length: row[3],
    rawLength: row[4],
    kind: row[5] as BlobKind,
    encoding: row[6] as Encoding,
  };
  return row[7] === null ? place : { ...place, ...readBase(row[7]) };
}
