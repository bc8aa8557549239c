/**
 * Makes test/fixtures/damaged-v1 (scripts/make-golden.mjs --damaged), once: what a hostile or
 * rotten store can do to a golden repository, and what a hostile holder of its keys can write into
 * it. What the product says of each goes into the fixture, and was read before it was published.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BlobId, packId, sessionId } from "../../src/base/ids.ts";
import { BlobHasher, type BlobSealer } from "../../src/repo/blob-codec.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";
import { sealIndexObject, sealSnapshot } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { examine } from "./examine.ts";
import { damagedFolder, expectedOf, openGolden, originalOf, withGolden } from "./fixture.ts";
import { noise } from "./golden-tree.ts";
import type { DamagedFixture, Mutation } from "./mutations.ts";
import type { JsonObject } from "./reader-bytes.ts";

const name = "aes-256-gcm";
const root = originalOf(name);

/** The first object of a folder whose facts in expected.json fit. */
function pick(folder: string, fits: (facts: string, id: string) => boolean): string {
  const all = expectedOf(name)[folder] as JsonObject;
  const found = Object.entries(all).find(([id, facts]) => fits(JSON.stringify(facts), id));
  if (found === undefined) throw new Error(`nothing in ${folder} fits`);
  const [id] = found;
  return folder === "packs" ? packObject(packId(id)) : `${folder}/${id}`;
}

const lengthOf = (object: string) => readFileSync(join(root, object)).length;
const flip = (object: string, at = lengthOf(object) >> 1): Mutation => ({
  op: "flip",
  object,
  at: at < 0 ? lengthOf(object) + at : at,
  mask: 1,
});
const put = (object: string, bytes: Uint8Array): Mutation => ({
  op: "put",
  object,
  base64: Buffer.from(bytes).toString("base64"),
});
const description = () => readFileSync(join(root, "varve.json"), "utf8");

function byStore(): Record<string, [string, readonly Mutation[]]> {
  const living = (text: string) => (facts: string) =>
    facts.includes('"living"') && facts.includes(text);
  const data = pick("packs", living('"data zstd on base":1'));
  const other = pick("packs", living('"data raw":2'));
  const nodes = pick("packs", living('"catalog zstd":2'));
  const index = pick("index", (facts) => !facts.includes('"replaces":[]'));
  const snapshot = pick("snapshots", (facts) => facts.includes('"exists":true'));
  const fence = pick("fences", (facts) => facts.includes('"listed":true'));
  const waiting = pick("tombstones", (facts) => facts.includes('"swept":false'));
  const swept = pick("tombstones", (facts) => facts.includes('"swept":true'));
  const lease = pick("sessions", () => true);
  const key = pick("slots", (facts) => facts.includes("key-file")).replace("slots", "keys");
  const other2 = pick("slots", (facts) => facts.includes("argon2id")).replace("slots", "keys");
  const json = description();
  return {
    "pack-blob": ["a bit of a blob is wrong", [flip(data, 200)]],
    "pack-table": ["a bit of a pack's table is wrong", [flip(data, -40)]],
    "pack-wrap": ["a bit of a pack's wrapped key is wrong", [flip(data, 50)]],
    "pack-short": [
      "a pack lost its last byte",
      [{ op: "truncate", object: data, to: lengthOf(data) - 1 }],
    ],
    "pack-empty": ["a pack is empty", [{ op: "truncate", object: data, to: 0 }]],
    "pack-absent": ["a pack of catalog nodes is gone", [{ op: "remove", object: nodes }]],
    "pack-other": [
      "a pack's bytes under another's name",
      [{ op: "copy", object: other, to: data }],
    ],
    "index-flipped": ["a bit of an index object is wrong", [flip(index)]],
    "index-absent": ["an index object is gone", [{ op: "remove", object: index }]],
    "snapshot-flipped": ["a bit of a snapshot is wrong", [flip(snapshot)]],
    "snapshot-future": ["a flag of a snapshot that version 1 does not know", [flip(snapshot, 6)]],
    "fence-flipped": ["a bit of a fence is wrong", [flip(fence)]],
    "tombstone-flipped": ["a bit of a tombstone is wrong", [flip(waiting)]],
    "tombstone-other": [
      "a tombstone's bytes under another's name",
      [{ op: "copy", object: swept, to: waiting }],
    ],
    "lease-short": ["a lease is cut off", [{ op: "truncate", object: lease, to: 20 }]],
    "key-flipped": ["a bit of the key file's slot is wrong", [flip(key, 60)]],
    "key-other-flipped": ["a bit of the other slot's salt is wrong", [flip(other2, 30)]],
    "key-other-costly": [
      "the other slot asks for 4 TiB of memory",
      [{ op: "flip", object: other2, at: 12, mask: 255 }],
    ],
    "description-changed": [
      "packs of another size, under the old MAC",
      [put("varve.json", Buffer.from(json.replace('"bytes":65536', '"bytes":65537')))],
    ],
    "description-spaced": [
      "not in its canonical form",
      [put("varve.json", Buffer.from(json.replace('"bytes":', '"bytes": ')))],
    ],
    "description-future": [
      "version 2",
      [put("varve.json", Buffer.from(json.replace('"version":1', '"version":2')))],
    ],
    "description-absent": ["no description", [{ op: "remove", object: "varve.json" }]],
  };
}

/** A leaf with one empty file of this name; nothing is checked. */
function leafOf(file: string): Buffer {
  const key = Buffer.from(file, "latin1");
  const length = key.length < 128 ? [key.length] : [(key.length & 127) | 128, key.length >> 7];
  const head = Buffer.from([1, 1, 1, 0, 0, 0, 0, 1, 0, ...length]);
  const meta = Buffer.from([1, 0, 0xa4, 3, 0]);
  return Buffer.concat([head, key, meta, Buffer.alloc(24), Buffer.from([0, 0, 0])]);
}

type Seal = (sealer: BlobSealer, repo: Repository) => BlobId;

/** A snapshot by somebody who has the keys: its root is the blob that `seal` returns. */
async function byKeyHolder(repo: Repository, seal: Seal): Promise<Mutation[]> {
  const sealer = repo.newSealer();
  const rootId = seal(sealer, repo);
  const { pack, bytes } = sealer.finish();
  const packBytes = Uint8Array.from(bytes);
  const index = sealIndexObject(
    repo.keys,
    repo.cipher,
    { replaces: [], packs: [pack] },
    repo.random,
  );
  const template = (await repo.snapshots()).find(({ snapshot }) => snapshot.series === "empty");
  if (template === undefined) throw new Error("no snapshot to copy");
  const totals = { entries: 1, files: 1, folders: 0, bytes: 0 };
  const session = sessionId("ab".repeat(16));
  const forged = { ...template.snapshot, root: rootId, series: "hostile", totals, session };
  const snapshot = sealSnapshot(repo.keys, forged, repo.random);
  return [
    put(packObject(pack.pack), packBytes),
    put(`index/${index.id}`, index.bytes),
    put(`snapshots/${snapshot.id}`, snapshot.bytes),
  ];
}

const catalogId = (repo: Repository, bytes: Uint8Array) =>
  new BlobHasher(repo.keys).id(BlobKind.catalog, bytes);

const named =
  (file: string): Seal =>
  (sealer, repo) => {
    const leaf = leafOf(file);
    const id = catalogId(repo, leaf);
    sealer.append(BlobKind.catalog, id, leaf);
    return id;
  };

/** A leaf, encoded as it is said to be, whatever that means for its reader. */
const encodedAs =
  (
    facts: (leaf: Buffer, id: BlobId) => Partial<Parameters<BlobSealer["appendEncoded"]>[0]>,
  ): Seal =>
  (sealer, repo) => {
    const leaf = leafOf("file");
    const id = catalogId(repo, leaf);
    const plain = { kind: BlobKind.catalog, encoding: Encoding.raw, id, rawLength: leaf.length };
    sealer.appendEncoded({ ...plain, encoded: leaf, ...facts(leaf, id) });
    return id;
  };

const longer = (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("and more, ".repeat(9))]);

interface OnOther {
  readonly plaintext: Buffer;
  readonly base?: Buffer;
  readonly generation?: number;
}

/** A leaf and what it lies on. */
const onOthers =
  (blobs: (leaf: Buffer) => readonly OnOther[]): Seal =>
  (sealer, repo) => {
    const leaf = leafOf("n".repeat(200));
    for (const { plaintext, base, generation = 0 } of blobs(leaf)) {
      const on = base && { id: catalogId(repo, base), plaintext: base, generation };
      sealer.append(BlobKind.catalog, catalogId(repo, plaintext), plaintext, on);
    }
    return catalogId(repo, leaf);
  };

const hostile: Record<string, [string, Seal]> = {
  "hostile-dotdot": ["an entry is called ..", named("..")],
  "hostile-dot": ["an entry is called .", named(".")],
  "hostile-slash": ["a name holds a slash", named("a/b")],
  "hostile-absolute": ["a name begins with a slash", named("/etc")],
  "hostile-no-folder": ["an entry lies in no folder", named("a\0b")],
  "hostile-long-name": ["a name has 256 bytes", named("n".repeat(256))],
  "hostile-raw-length": [
    "a compressed blob says that it is 16 MiB long",
    encodedAs(() => ({
      encoding: Encoding.zstd,
      rawLength: 16 << 20,
      encoded: noise("frame", 50),
    })),
  ],
  "hostile-content": [
    "a blob's content is not what its id says",
    encodedAs((leaf) => ({ encoded: leaf.map((byte) => byte ^ 1) })),
  ],
  "hostile-base-absent": [
    "a blob lies on a base that is nowhere",
    encodedAs((leaf) => ({
      encoding: Encoding.zstdOnBase,
      rawLength: leaf.length + 60,
      baseId: noise("base", 32),
      generation: 1,
    })),
  ],
  "hostile-base-deep": [
    "a blob lies on a base of which there is only a copy as deep as itself",
    onOthers((leaf) => [
      { plaintext: leaf, base: longer(leaf), generation: 2 },
      { plaintext: longer(leaf), base: longer(longer(leaf)), generation: 1 },
      { plaintext: longer(longer(leaf)) },
    ]),
  ],
  "hostile-base-circle": [
    "two blobs lie on each other",
    onOthers((leaf) => [
      { plaintext: leaf, base: longer(leaf), generation: 3 },
      { plaintext: longer(leaf), base: leaf, generation: 1 },
    ]),
  ],
};

export async function makeDamaged(): Promise<void> {
  if (existsSync(damagedFolder)) throw new Error(`${readdirSync(damagedFolder)} exist already`);
  mkdirSync(damagedFolder);
  const all = Object.entries(byStore());
  await withGolden(name, async (repository, work) => {
    const repo = await openGolden(repository, work);
    await repo.loadIndex();
    for (const [file, [what, seal]] of Object.entries(hostile)) {
      all.push([file, [what, await byKeyHolder(repo, seal)]]);
    }
    await repo.close();
  });
  for (const [file, [what, mutations]] of all) {
    const found = await examine({ repository: name, mutations });
    const fixture: DamagedFixture = { what, repository: name, mutations, ...found };
    writeFileSync(join(damagedFolder, `${file}.json`), `${JSON.stringify(fixture, null, 1)}\n`);
  }
}
