/** Arbitrary values of everything that the format can write, and what decoders must hold to. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { CipherSuite } from "../../src/base/cipher-suite.ts";
import { hasCode, VarveError } from "../../src/base/errors.ts";
import {
  indexId,
  packId,
  repositoryId,
  sessionId,
  snapshotId,
  toHex,
  tombstoneId,
} from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { deriveKeys } from "../../src/repo/crypto/keys.ts";
import type { Description } from "../../src/repo/format/description.ts";
import type { Fence } from "../../src/repo/format/fence.ts";
import type { IndexPack } from "../../src/repo/format/index-object.ts";
import type { KeySlot, SlotKdf } from "../../src/repo/format/key-slot.ts";
import { blobBytesMax } from "../../src/repo/format/limits.ts";
import {
  BlobKind,
  Encoding,
  generationMax,
  isGeneration,
  type PackTableEntry,
} from "../../src/repo/format/pack-table.ts";
import type { SessionLease } from "../../src/repo/format/session.ts";
import type { Snapshot } from "../../src/repo/format/snapshot.ts";
import type { Tombstone } from "../../src/repo/format/tombstone.ts";

/** True randomness: nothing in a test may depend on its bytes. */
export const random = (count: number): Uint8Array => new Uint8Array(randomBytes(count));

/** Keys that are the same in every run. */
export const fixedKeys = deriveKeys({
  master: new Uint8Array(32).fill(1),
  chunkerSecret: new Uint8Array(32).fill(2),
});

/** A plain array: Buffers and arrays with equal bytes are then deeply equal. */
export const plain = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes);

export const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Objects like those that decoders make: with a prototype. */
const record = <T>(
  model: { [K in keyof T]: fc.Arbitrary<T[K]> },
  requiredKeys?: (keyof T)[],
): fc.Arbitrary<T> =>
  fc.record(model, {
    noNullPrototype: true,
    ...(requiredKeys === undefined ? {} : { requiredKeys }),
  }) as fc.Arbitrary<T>;

const hexOf = (bytes: number) => bytesOf(bytes).map(toHex);
const count = fc.maxSafeNat();
const timeNs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.string({ unit: "binary", maxLength: 60 });
const rawPath = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).toString("latin1") as RawPath);
const cipher = fc.constantFrom(CipherSuite.aes256Gcm, CipherSuite.chacha20Poly1305);

type EntryShape = Omit<PackTableEntry, "offset">;

const entryShape: fc.Arbitrary<EntryShape> = record({
  kind: fc.constantFrom(...Object.values(BlobKind)),
  encoding: fc.constantFrom(...Object.values(Encoding)),
  id: bytesOf(32),
  baseId: bytesOf(32),
  generation: fc.integer({ min: 1, max: generationMax }).filter(isGeneration),
  rawLength: fc.integer({ min: 2, max: blobBytesMax }),
  ratio: fc.double({ min: 0, max: 1, noNaN: true }),
})
  .filter(({ id, baseId }) => Buffer.compare(id, baseId) !== 0)
  .map(({ kind, encoding, id, baseId, generation, rawLength, ratio }) => {
    const compressed = 1 + Math.floor(ratio * (rawLength - 2));
    const length = (encoding === Encoding.raw ? rawLength : compressed) + 16;
    const entry = { kind, encoding, id, rawLength, length };
    return encoding === Encoding.zstdOnBase ? { ...entry, baseId, generation } : entry;
  });

export function placeEntries(shapes: readonly EntryShape[], first: number): PackTableEntry[] {
  let offset = first;
  return shapes.map((shape) => {
    const entry = { ...shape, offset };
    offset += shape.length;
    return entry;
  });
}

/** Equal to what was encoded, whatever memory the ids are on. */
export const plainEntry = (entry: PackTableEntry): PackTableEntry => ({
  ...entry,
  id: plain(entry.id),
  ...(entry.baseId === undefined ? {} : { baseId: plain(entry.baseId) }),
});

export const entryShapes = fc.array(entryShape, { maxLength: 8 });

export const indexPack: fc.Arbitrary<IndexPack> = record({
  pack: hexOf(32).map(packId),
  cipher,
  wrapMethod: fc.integer({ min: 0, max: 255 }),
  wrap: fc.uint8Array({ maxLength: 100 }),
  shapes: entryShapes,
  slack: fc.integer({ min: 0, max: 1000 }),
}).map(({ shapes, slack, ...pack }) => {
  const blobs = placeEntries(shapes, 12 + pack.wrap.length);
  const last = blobs.at(-1);
  return { ...pack, blobs, size: (last === undefined ? 12 : last.offset + last.length) + slack };
});

export const indexContent = record({
  replaces: fc.array(hexOf(32).map(indexId), { maxLength: 4 }),
  packs: fc.array(indexPack, { maxLength: 4 }),
});

export const tombstone: fc.Arbitrary<Tombstone> = record({
  swept: fc.boolean(),
  replaces: fc.array(hexOf(16).map(tombstoneId), { maxLength: 4 }),
  packs: fc.array(hexOf(32).map(packId), { maxLength: 4 }),
  sessions: fc.array(record({ session: hexOf(16).map(sessionId), beat: count }), {
    maxLength: 4,
  }),
});

export const fence: fc.Arbitrary<Fence> = fc.oneof(
  fc.constant({ listed: false, snapshots: [] }),
  record({
    listed: fc.constant(true),
    snapshots: fc.array(hexOf(32).map(snapshotId), { maxLength: 4 }),
  }),
);

export const lease: fc.Arbitrary<SessionLease> = record({
  host: text,
  user: text,
  pid: count,
  bootId: text,
  command: text,
  startedNs: timeNs,
  program: text,
  beat: count,
});

/** Names that no field of ours has. */
const extra = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 8 }).map((name) => `x-${name}`),
  fc.jsonValue({ maxDepth: 3, noUnicodeString: false }),
  { minKeys: 1, maxKeys: 3, noNullPrototype: true },
) as fc.Arbitrary<NonNullable<Snapshot["extra"]>>;

/** JSON cannot say -0, and has no need to. */
const unsigned = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const snapshotCore = record({
  version: fc.constant(1 as const),
  timeNs,
  startedNs: timeNs,
  endedNs: timeNs,
  host: text,
  user: text,
  series: text,
  seriesParts: record<Snapshot["seriesParts"]>(
    { host: text, paths: fc.array(rawPath, { maxLength: 3 }), name: text } as never,
    ["host"],
  ),
  tags: fc.array(text, { maxLength: 3 }),
  paths: fc.array(rawPath, { maxLength: 3 }),
  root: bytesOf(32),
  totals: record({ entries: count, files: count, folders: count, bytes: count }),
  added: record({ blobs: count, bytes: count, rawBytes: count }),
  previous: fc.option(hexOf(32).map(snapshotId)),
  session: hexOf(16).map(sessionId),
  sources: fc.array(
    extra.map((facts) => ({ ...unsigned(facts), kind: "files" })),
    { maxLength: 2 },
  ),
  program: text,
  problems: count,
});

const original = record({
  repository: hexOf(16).map(repositoryId),
  snapshot: hexOf(32).map(snapshotId),
});

export const snapshot: fc.Arbitrary<Snapshot> = fc.oneof(
  snapshotCore,
  fc.tuple(snapshotCore, original).map(([core, of]) => ({ ...core, original: of })),
  fc.tuple(snapshotCore, extra).map(([core, more]) => ({ ...core, extra: unsigned(more) })),
);

const profile = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: blobBytesMax }), { minLength: 3, maxLength: 3 }),
    fc.integer({ min: 0, max: 3 }),
  )
  .map(([sizes, normalization]) => {
    const [minBytes = 1, averageBytes = 1, maxBytes = 1] = sizes.sort((a, b) => a - b);
    return { minBytes, averageBytes, maxBytes, normalization };
  });

const descriptionCore = record({
  version: fc.constant(1 as const),
  id: hexOf(16).map(repositoryId),
  createdNs: timeNs,
  cipher: fc.constantFrom("aes-256-gcm" as const, "chacha20-poly1305" as const),
  chunkers: record({ tree: profile, stream: profile }),
  pack: record({
    bytes: fc.integer({ min: 64 * 1024, max: 512 * 1024 * 1024 }),
    padding: fc.boolean(),
  }),
  mac: hexOf(32),
});

export const description: fc.Arbitrary<Description> = fc.oneof(
  descriptionCore,
  fc.tuple(descriptionCore, extra).map(([core, more]) => ({ ...core, extra: unsigned(more) })),
);

const kdf: fc.Arbitrary<SlotKdf> = fc.oneof(
  record({ kind: fc.constant("key-file" as const), salt: bytesOf(32) }),
  record({
    kind: fc.constant("argon2id" as const),
    salt: bytesOf(32),
    memoryKib: fc.integer({ min: 8 * 1024, max: 1024 * 1024 }),
    passes: fc.integer({ min: 1, max: 64 }),
    parallelism: fc.integer({ min: 1, max: 16 }),
  }),
);

export const keySlot: fc.Arbitrary<KeySlot> = record({
  kdf,
  nonce: bytesOf(24),
  sealedBundle: fc.uint8Array({ maxLength: 100 }),
  infoNonce: bytesOf(24),
  sealedInfo: fc.uint8Array({ maxLength: 200 }),
});

/** What a decoder may throw. */
const decoderCodes = ["object-damaged", "blob-damaged", "repo-future"] as const;

export function assertCoded(error: unknown): void {
  assert.ok(error instanceof VarveError, `not a VarveError: ${(error as Error)?.stack ?? error}`);
  assert.ok(hasCode(error, ...decoderCodes), `${error.code}: ${error.message}`);
}

/** Bytes changed here and there: some set, some cut off, some put in. */
export function mutationsOf(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = record({
    at: fc.nat(),
    what: fc.constantFrom("set", "cut", "insert", "double"),
    value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 })),
  });
  return fc.tuple(valid, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([bytes, edits]) => {
    let out = Buffer.from(bytes);
    for (const { at, what, value } of edits) {
      const place = at % (out.length + 1);
      if (what === "set" && place < out.length) out[place] = value;
      else if (what === "cut") out = out.subarray(0, place);
      else if (what === "double") out = Buffer.concat([out.subarray(0, place), out]);
      else out = Buffer.concat([out.subarray(0, place), Buffer.of(value), out.subarray(place)]);
    }
    return out;
  });
}

/** Decoding of anything returns, or throws one of the decoders' codes. */
export function assertSurvives(
  decode: (bytes: Uint8Array) => unknown,
  valid: fc.Arbitrary<Uint8Array>,
) {
  const hostile = fc.oneof(fc.uint8Array({ maxLength: 300 }), mutationsOf(valid));
  fc.assert(
    fc.property(hostile, (bytes) => {
      try {
        decode(bytes);
      } catch (error) {
        assertCoded(error);
      }
    }),
    { numRuns: 400 },
  );
}
