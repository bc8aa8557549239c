/**
 * The manifest of a snapshot, as JSON (format.md, "Snapshots"). Fields that a newer program has
 * added are kept in `extra` and written again by programs that rewrite a manifest.
 */

import {
  type BlobId,
  fromHex,
  type RepositoryId,
  repositoryId,
  type SessionId,
  type SnapshotId,
  sessionId,
  snapshotId,
  toHex,
} from "../../base/ids.ts";
import {
  type RawPath,
  rawPathFromBytes,
  rawPathFromText,
  rawPathToBytes,
} from "../../base/raw-path.ts";
import { formatVersion, futureError } from "./header.ts";
import {
  damagedJson,
  JsonFields,
  type JsonObject,
  type JsonValue,
  parseJsonObject,
} from "./json-fields.ts";
import { pathBytesMax, pathsMax, sourcesMax, tagsMax, textBytesMax } from "./limits.ts";

/** What a snapshot is of; snapshots with equal parts are one series. */
export interface SeriesParts {
  readonly host: string;
  readonly paths?: readonly RawPath[];
  /** A name that the user gave, or a job's. */
  readonly name?: string;
}

export interface SnapshotTotals {
  readonly entries: number;
  readonly files: number;
  readonly folders: number;
  /** Sum of the sizes of all files. */
  readonly bytes: number;
}

export interface SnapshotAdded {
  readonly blobs: number;
  /** As stored: compressed and sealed. */
  readonly bytes: number;
  readonly rawBytes: number;
}

/** Where entries came from, and what is worth knowing of that; each kind has its own facts. */
export type SourceFacts = { readonly kind: string } & JsonObject;

const filesKind = "files";

/** Facts of file trees; `absent`: what was named but was not there, and so is not in `paths`. */
export function fileSourceFacts(absent: readonly RawPath[]): SourceFacts {
  if (absent.length === 0) return { kind: filesKind };
  return { kind: filesKind, absent: absent.map(pathToJson) };
}

/** What was named for this snapshot but was not there: missing in it, not deleted. */
export function absentPaths({ sources }: Snapshot): RawPath[] {
  return sources.flatMap((facts) => absentIn(facts, what));
}

function absentIn(facts: SourceFacts, where: string): RawPath[] {
  const fields = new JsonFields(facts, where);
  if (facts.kind !== filesKind || !fields.has("absent")) return [];
  return fields.list("absent", pathsMax, pathFromJson);
}

/** A snapshot and the repository that it was made in. */
export interface SnapshotOrigin {
  readonly repository: RepositoryId;
  readonly snapshot: SnapshotId;
}

export interface Snapshot {
  readonly version: 1;
  /** The moment that the snapshot shows: when reading began. */
  readonly timeNs: bigint;
  readonly startedNs: bigint;
  readonly endedNs: bigint;
  readonly host: string;
  readonly user: string;
  /** Short name of the series, made from `seriesParts`. */
  readonly series: string;
  readonly seriesParts: SeriesParts;
  readonly tags: readonly string[];
  readonly paths: readonly RawPath[];
  /** Id of the catalog's top node. */
  readonly root: BlobId;
  readonly totals: SnapshotTotals;
  /** What this snapshot brought to the repository. */
  readonly added: SnapshotAdded;
  /** The one before it in its series. */
  readonly previous: SnapshotId | null;
  /** The session that wrote it; fences speak of sessions. */
  readonly session: SessionId;
  readonly sources: readonly SourceFacts[];
  readonly program: string;
  /** Entries that could not be read, or changed while they were. */
  readonly problems: number;
  /** What this one is a copy of; in a copy of a copy, the first of them. */
  readonly original?: SnapshotOrigin;
  /** Fields of newer programs. */
  readonly extra?: JsonObject;
}

const what = "snapshot manifest";

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const { timeNs, startedNs, endedNs, root, paths, seriesParts, extra, ...plain } = snapshot;
  const json = {
    ...extra,
    ...plain,
    timeNs: timeNs.toString(),
    startedNs: startedNs.toString(),
    endedNs: endedNs.toString(),
    root: toHex(root),
    paths: paths.map(pathToJson),
    seriesParts: {
      ...seriesParts,
      ...(seriesParts.paths === undefined ? {} : { paths: seriesParts.paths.map(pathToJson) }),
    },
  };
  return Buffer.from(JSON.stringify(json), "utf8");
}

export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const fields = new JsonFields(parseJsonObject(bytes, what), what);
  const version = fields.count("version");
  if (version > formatVersion) throw futureError(`snapshot version ${version}`);
  if (version !== formatVersion) throw fields.damaged("version", "1");
  const snapshot: Snapshot = {
    version: 1,
    timeNs: fields.timeNs("timeNs"),
    startedNs: fields.timeNs("startedNs"),
    endedNs: fields.timeNs("endedNs"),
    host: fields.text("host", textBytesMax),
    user: fields.text("user", textBytesMax),
    series: fields.text("series", textBytesMax),
    seriesParts: readSeriesParts(fields.fields("seriesParts")),
    tags: fields.texts("tags", tagsMax, textBytesMax),
    paths: fields.list("paths", pathsMax, pathFromJson),
    root: fromHex(fields.hex("root", 64)),
    totals: readTotals(fields.fields("totals")),
    added: readAdded(fields.fields("added")),
    previous: fields.has("previous") ? snapshotId(fields.hex("previous", 64)) : null,
    session: sessionId(fields.hex("session", 32)),
    sources: fields.list("sources", sourcesMax, readSource),
    program: fields.text("program", textBytesMax),
    problems: fields.count("problems"),
    ...(fields.has("original") ? { original: readOrigin(fields.fields("original")) } : {}),
  };
  const extra = fields.rest();
  return Object.keys(extra).length === 0 ? snapshot : { ...snapshot, extra };
}

function readSeriesParts(fields: JsonFields): SeriesParts {
  return {
    host: fields.text("host", textBytesMax),
    ...(fields.has("paths") ? { paths: fields.list("paths", pathsMax, pathFromJson) } : {}),
    ...(fields.has("name") ? { name: fields.text("name", textBytesMax) } : {}),
  };
}

function readOrigin(fields: JsonFields): SnapshotOrigin {
  return {
    repository: repositoryId(fields.hex("repository", 32)),
    snapshot: snapshotId(fields.hex("snapshot", 64)),
  };
}

function readTotals(fields: JsonFields): SnapshotTotals {
  return {
    entries: fields.count("entries"),
    files: fields.count("files"),
    folders: fields.count("folders"),
    bytes: fields.count("bytes"),
  };
}

function readAdded(fields: JsonFields): SnapshotAdded {
  return {
    blobs: fields.count("blobs"),
    bytes: fields.count("bytes"),
    rawBytes: fields.count("rawBytes"),
  };
}

function readSource(value: JsonValue, where: string): SourceFacts {
  const fields = new JsonFields(value, where);
  const kind = fields.text("kind", textBytesMax);
  const facts = { ...fields.rest(), kind };
  absentIn(facts, where);
  return facts;
}

/** Paths are bytes: as text where they are UTF-8, else in base64. */
function pathToJson(path: RawPath): JsonObject {
  const bytes = rawPathToBytes(path);
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return { text };
  return { base64: bytes.toString("base64") };
}

function pathFromJson(value: JsonValue, where: string): RawPath {
  const fields = new JsonFields(value, where);
  if (fields.has("text")) return rawPathFromText(fields.text("text", pathBytesMax));
  const base64 = fields.text("base64", pathBytesMax * 2);
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64) throw damagedJson(where, "a path is not base64");
  return rawPathFromBytes(bytes);
}
