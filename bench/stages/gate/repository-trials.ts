/**
 * The stages of main: look-up, index, catalog, and reading a catalog: decode. Not put: what the
 * kernel takes to write and sync a file depends on what the disk did before.
 */
import { type Entry, EntryType } from "../../../src/base/entry.ts";
import { packId } from "../../../src/base/ids.ts";
import { entryMeta, fileEntry } from "../../../src/engine/snapshot/small-files.ts";
import { CatalogBuilder } from "../../../src/repo/catalog/catalog-builder.ts";
import { decodeNode } from "../../../src/repo/format/catalog-node.ts";
import type { IndexPack } from "../../../src/repo/format/index-object.ts";
import { BlobKind, Encoding } from "../../../src/repo/format/pack-table.ts";
import type { Repository } from "../../../src/repo/repository.ts";
import type { SourceEntry } from "../../../src/sources/source-entry.ts";
import { Keystream } from "../../synthetic.ts";
import type { Trial } from "./trial.ts";

const session = new Uint8Array(16).fill(3);

/** A pack that nobody has, of `count` blobs. */
function madeUpPack(stream: Keystream, count: number): IndexPack {
  const blobs = Array.from({ length: count }, (_, at) => ({
    kind: BlobKind.data,
    encoding: Encoding.zstd,
    id: stream.bytes(32),
    rawLength: 9000,
    offset: 100 + at * 4000,
    length: 4000,
  }));
  const [pack, wrap] = [packId(stream.bytes(32).toString("hex")), stream.bytes(60)];
  return { pack, size: 100 + count * 4000, cipher: 1, wrapMethod: 0, wrap, blobs };
}

/** Half of what is asked for is there. */
function lookUpTrial({ index }: Repository): Trial {
  const stream = new Keystream("gate index");
  const packs = Array.from({ length: 10 }, () => madeUpPack(stream, 2000));
  for (const pack of packs) index.addOwnPack(pack, session);
  const known = packs.flatMap(({ blobs }) => blobs.slice(0, 120).map(({ id }) => id));
  const asked = known.flatMap((id) => [id, stream.bytes(32)]);
  const run = () => {
    let found = 0;
    for (const id of asked) if (index.has(BlobKind.data, id)) found++;
    return found;
  };
  return { name: "look-up", calibration: "sqlite", run };
}

class TakenBack extends Error {}

/** A pack's records into the cache, and out again before they are written. */
function indexTrial({ index, cache }: Repository): Trial {
  const pack = madeUpPack(new Keystream("gate pack"), 2000);
  const run = () => {
    const add = cache.db.transaction(() => {
      index.addOwnPack(pack, session);
      throw new TakenBack();
    });
    try {
      add();
    } catch (error) {
      if (!(error instanceof TakenBack)) throw error;
    }
  };
  return { name: "index", calibration: "sqlite", run };
}

function catalogEntries(sources: readonly SourceEntry[]): Entry[] {
  const stream = new Keystream("gate catalog");
  return sources.map((source) => {
    if (source.type === EntryType.symlink)
      return { ...entryMeta(source), linkTarget: "a" as never };
    if (source.type !== EntryType.file) return entryMeta(source);
    const items = source.size === 0 ? [] : [{ id: stream.bytes(32), length: source.size }];
    return fileEntry(source, { depth: 0, items }, undefined);
  });
}

function catalogTrials({ keys }: Repository, sources: readonly SourceEntry[]): Trial[] {
  const { cutSeed } = keys;
  const entries = catalogEntries(sources);
  const id = new Uint8Array(32).fill(1);
  const build = (putNode: (plaintext: Uint8Array) => Uint8Array) => {
    const builder = new CatalogBuilder({ cutSeed, sink: { putNode } });
    for (const entry of entries) builder.add(entry);
    builder.finish();
  };
  const nodes: Uint8Array[] = [];
  build((plaintext) => {
    nodes.push(Uint8Array.from(plaintext));
    return id;
  });
  const encode = () => {
    for (let times = 0; times < 5; times++) build(() => id);
  };
  const decode = () => {
    const kept: unknown[] = [];
    for (let times = 0; times < 20; times++) {
      for (const plaintext of nodes) {
        const node = decodeNode(plaintext);
        if (!("entries" in node)) continue;
        for (const { content } of node.entries) kept.push(content);
      }
    }
    return kept;
  };
  return [
    { name: "catalog", calibration: "bytes", run: encode },
    { name: "decode", calibration: "objects", run: decode },
  ];
}

export function repositoryTrials(repo: Repository, sources: readonly SourceEntry[]): Trial[] {
  return [lookUpTrial(repo), indexTrial(repo), ...catalogTrials(repo, sources)];
}
