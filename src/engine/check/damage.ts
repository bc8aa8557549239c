/**
 * What a check found: damaged objects, and for each the snapshots and paths that are hurt by it.
 * Lists are bounded, counts are not: a repository that lost everything must still be reported in
 * flat memory.
 */
import type { SnapshotId } from "../../base/ids.ts";
import type { RawPath } from "../../base/raw-path.ts";

export type DamageKind =
  | "description"
  | "key"
  | "index"
  | "tombstone"
  | "session"
  | "fence"
  | "snapshot"
  | "pack"
  /** A blob that is in no living pack, or cannot be used. */
  | "blob"
  /** A catalog node or list of chunks that is not what refers to it. */
  | "catalog";

/** An entry, or a stretch of entries, of one snapshot. */
export interface HurtPath {
  readonly snapshot: SnapshotId;
  readonly path: RawPath;
  /** Where a part of the catalog is lost: everything after `path` up to and with this one. */
  readonly lastPath?: RawPath;
  /** 1 for a path; 0 where nobody can tell. */
  readonly entries: number;
}

export interface Damage {
  readonly kind: DamageKind;
  /** The object's name in the store; of a blob its id in hex. */
  readonly object: string;
  readonly message: string;
  /** Snapshots that are hurt, in the order in which they were looked at. */
  readonly snapshots: readonly SnapshotId[];
  /** The first of the paths that are hurt; a path that several snapshots share comes once. */
  readonly paths: readonly HurtPath[];
  /** Entries hurt, added up over all snapshots. */
  readonly entriesHurt: number;
}

export interface HurtSnapshot {
  readonly snapshot: SnapshotId;
  readonly entriesHurt: number;
}

export const damageListMax = 1000;
export const pathListMax = 200;

export class DamageEntry implements Damage {
  readonly kind: DamageKind;
  readonly object: string;
  message: string;
  readonly #snapshots = new Set<SnapshotId>();
  readonly #paths = new Map<string, HurtPath>();
  entriesHurt = 0;

  constructor(kind: DamageKind, object: string, message: string) {
    this.kind = kind;
    this.object = object;
    this.message = message;
  }

  get snapshots(): readonly SnapshotId[] {
    return [...this.#snapshots];
  }

  get paths(): readonly HurtPath[] {
    return [...this.#paths.values()];
  }

  hurt(hurt: HurtPath): void {
    this.#snapshots.add(hurt.snapshot);
    this.entriesHurt += hurt.entries;
    if (this.#paths.size >= pathListMax) return;
    const name = `${hurt.path}\0${hurt.lastPath ?? ""}`;
    if (!this.#paths.has(name)) this.#paths.set(name, hurt);
  }
}

export class DamageList {
  readonly #entries = new Map<string, DamageEntry>();
  readonly #hurtEntries = new Map<SnapshotId, number>();
  #overflow: DamageEntry | undefined;
  /** Damaged objects, also those beyond the list's bound. */
  count = 0;

  get entries(): readonly DamageEntry[] {
    const all = [...this.#entries.values()];
    return this.#overflow === undefined ? all : [...all, this.#overflow];
  }

  get hurtSnapshots(): HurtSnapshot[] {
    return [...this.#hurtEntries].map(([snapshot, entriesHurt]) => ({ snapshot, entriesHurt }));
  }

  /** The entry of an object, made at its first damage. */
  add(kind: DamageKind, object: string, message: string): DamageEntry {
    const name = `${kind} ${object}`;
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    this.count++;
    if (this.#entries.size >= damageListMax) {
      this.#overflow ??= new DamageEntry(kind, "", "More objects are damaged than are listed.");
      return this.#overflow;
    }
    const entry = new DamageEntry(kind, object, message);
    this.#entries.set(name, entry);
    return entry;
  }

  /** Notes that an entry of a snapshot cannot be restored, once whatever the number of causes. */
  hurt(causes: Iterable<DamageEntry>, hurt: HurtPath): void {
    for (const cause of causes) cause.hurt(hurt);
    const before = this.#hurtEntries.get(hurt.snapshot) ?? 0;
    this.#hurtEntries.set(hurt.snapshot, before + hurt.entries);
  }
}

export type NoteKind = "orphan-packs" | "dying-packs-needed" | "previous-absent" | "not-remembered";

/** Worth knowing, and no damage. */
export interface CheckNote {
  readonly kind: NoteKind;
  readonly message: string;
  readonly count: number;
  /** The first few objects. */
  readonly objects: readonly string[];
}

const noteObjectsMax = 20;

export class NoteList {
  readonly #notes = new Map<NoteKind, { message: string; count: number; objects: string[] }>();

  add(kind: NoteKind, message: string, object: string): void {
    const note = this.#notes.get(kind) ?? { message, count: 0, objects: [] };
    note.count++;
    if (note.objects.length < noteObjectsMax) note.objects.push(object);
    this.#notes.set(kind, note);
  }

  get list(): CheckNote[] {
    return [...this.#notes].map(([kind, note]) => ({ kind, ...note }));
  }
}
