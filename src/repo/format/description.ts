/**
 * `varve.json`: what a repository is, in canonical JSON (format.md, "Description"). It is readable
 * without a key, so that a program can tell a repository of the future before it asks for a
 * password; its MAC is checked once a key slot is open.
 */
import { type CipherName, cipherNames } from "../../base/cipher-suite.ts";
import { type RepositoryId, repositoryId } from "../../base/ids.ts";
import { formatVersion, futureError } from "./header.ts";
import {
  canonicalJson,
  damagedJson,
  JsonFields,
  type JsonObject,
  parseJsonObject,
} from "./json-fields.ts";
import {
  blobBytesMax,
  descriptionBytesMax,
  packTargetBytesMax,
  packTargetBytesMin,
} from "./limits.ts";

/** Sizes of chunks for one kind of source; what they do is the chunker's business. */
export interface ChunkerProfile {
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
  readonly normalization: number;
}

export interface Description {
  readonly version: 1;
  readonly id: RepositoryId;
  readonly createdNs: bigint;
  readonly cipher: CipherName;
  readonly chunkers: { readonly tree: ChunkerProfile; readonly stream: ChunkerProfile };
  readonly pack: {
    /** Size that packs aim at. */
    readonly bytes: number;
    /** Whether packs are padded, so that their sizes tell less. */
    readonly padding: boolean;
  };
  /** Hex of the keyed BLAKE3 of everything else. */
  readonly mac: string;
  /** Fields of newer programs. */
  readonly extra?: JsonObject;
}

export type DescriptionFacts = Omit<Description, "mac">;

const what = "repository description (varve.json)";
const formatName = "varve";

/** What the MAC covers: the canonical JSON without `mac`. */
export function descriptionMacText(facts: DescriptionFacts): string {
  return canonicalJson(toJson(facts));
}

export function encodeDescription(description: Description): Uint8Array {
  const json = { ...toJson(description), mac: description.mac };
  return Buffer.from(canonicalJson(json), "utf8");
}

function toJson(facts: DescriptionFacts): JsonObject {
  const profile = ({ minBytes, averageBytes, maxBytes, normalization }: ChunkerProfile) => {
    return { minBytes, averageBytes, maxBytes, normalization };
  };
  return {
    ...facts.extra,
    format: formatName,
    version: facts.version,
    id: facts.id,
    createdNs: facts.createdNs.toString(),
    cipher: facts.cipher,
    chunkers: { tree: profile(facts.chunkers.tree), stream: profile(facts.chunkers.stream) },
    pack: { bytes: facts.pack.bytes, padding: facts.pack.padding },
  };
}

/**
 * Reads `varve.json`: `repo-future` when its version is above 1, whatever else is in it;
 * `object-damaged` when it is not exactly what `encodeDescription` writes.
 */
export function decodeDescription(bytes: Uint8Array): Description {
  if (bytes.length > descriptionBytesMax) throw damagedJson(what, "it is too large");
  const json = parseJsonObject(bytes, what);
  const fields = new JsonFields(json, what);
  if (fields.text("format", 100) !== formatName) throw fields.damaged("format", '"varve"');
  const version = fields.count("version");
  if (version > formatVersion) throw futureError(`repository format version ${version}`);
  if (version !== formatVersion) throw fields.damaged("version", "1");
  const description = readFields(fields);
  if (Buffer.compare(encodeDescription(description), bytes) !== 0) {
    throw damagedJson(what, "it is not in its one canonical form");
  }
  return description;
}

function readFields(fields: JsonFields): Description {
  const id = repositoryId(fields.hex("id", 32));
  const createdNs = fields.timeNs("createdNs");
  const cipher = readCipherName(fields.text("cipher", 100));
  const chunkers = fields.fields("chunkers");
  const tree = readProfile(chunkers.fields("tree"));
  const stream = readProfile(chunkers.fields("stream"));
  const pack = fields.fields("pack");
  const packBytes = pack.count("bytes", packTargetBytesMax);
  if (packBytes < packTargetBytesMin) throw pack.damaged("bytes", "a size of packs");
  const padding = pack.boolean("padding");
  const mac = fields.hex("mac", 64);
  const extra = fields.rest();
  return {
    version: 1,
    id,
    createdNs,
    cipher,
    chunkers: { tree, stream },
    pack: { bytes: packBytes, padding },
    mac,
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

function readCipherName(name: string): CipherName {
  for (const known of Object.values(cipherNames)) if (known === name) return known;
  throw futureError(`the cipher "${name}"`);
}

/** Only the shape; the chunker knows which sizes work. An unknown field could move cuts. */
function readProfile(fields: JsonFields): ChunkerProfile {
  const profile = {
    minBytes: fields.count("minBytes", blobBytesMax),
    averageBytes: fields.count("averageBytes", blobBytesMax),
    maxBytes: fields.count("maxBytes", blobBytesMax),
    normalization: fields.count("normalization", 255),
  };
  const { minBytes, averageBytes, maxBytes } = profile;
  if (minBytes < 1 || minBytes > averageBytes || averageBytes > maxBytes) {
    throw fields.damaged("averageBytes", "between the least and the largest");
  }
  for (const name of Object.keys(fields.rest())) throw futureError(`the chunker setting "${name}"`);
  return profile;
}
