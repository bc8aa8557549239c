/**
 * A series of very many snapshots, made by the modules that make real ones, but without reading a
 * tree: catalogs, packs, index objects and manifests are as `varve snapshot` writes them.
 */
import { type Entry, EntryType } from "../../src/base/entry.ts";
import { type BlobId, type SnapshotId, sessionId, toHex } from "../../src/base/ids.ts";
import { programName } from "../../src/base/program.ts";
import { type CatalogKey, keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { BlobHasher, type BlobSealer } from "../../src/repo/blob-codec.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { CatalogBuilder, type CatalogTotals } from "../../src/repo/catalog/catalog-builder.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import { fileSourceFacts } from "../../src/repo/format/snapshot.ts";
import { sealSnapshot } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { withSession } from "../../src/repo/session.ts";

export interface SnapshotSeries {
  readonly snapshots: number;
  /** Files in each. */
  readonly entries: number;
}

const fileBytes = 200;
const hourNs = 3600_000_000_000n;
const root = "/srv/files" as RawPath;
const manifestsAtOnce = 16;

/** Adds the snapshots, an hour apart, the last one of now. */
export async function addManySnapshots(repo: Repository, series: SnapshotSeries): Promise<void> {
  await withSession(repo, "bench", (session) =>
    withBlobWriter(repo, session, async (writer) => {
      const catalogs = new Catalogs(repo, writer, series.entries);
      const made: Made[] = [];
      for (let at = 0; at < series.snapshots; at++) {
        made.push(catalogs.next(at));
        await catalogs.closeFullPack();
      }
      await catalogs.finish();
      await writer.flush();
      await putManifests(repo, made);
    }),
  );
}

interface Made {
  readonly root: BlobId;
  readonly totals: CatalogTotals;
}

/** The catalogs of all snapshots: in each, one more file differs from that of the first. */
class Catalogs {
  readonly #repo: Repository;
  readonly #writer: BlobWriter;
  readonly #hasher: BlobHasher;
  readonly #entries: Entry[];
  #data: BlobSealer | undefined;

  constructor(repo: Repository, writer: BlobWriter, entries: number) {
    this.#repo = repo;
    this.#writer = writer;
    this.#hasher = new BlobHasher(repo.keys);
    const names = Array.from({ length: entries }, (_, at) => `file-${at}`).sort();
    this.#entries = names.map((name) => this.#file(keyFromPath(`${root}/${name}` as RawPath), 0));
  }

  next(at: number): Made {
    const { length } = this.#entries;
    // Not the neighbour of the last one: mostly another leaf.
    const changed = (at * 7919) % length;
    const before = this.#entries[changed];
    if (before !== undefined && at > 0) this.#entries[changed] = this.#file(before.key, at);
    const builder = new CatalogBuilder({
      cutSeed: this.#repo.keys.cutSeed,
      sink: { putNode: (plaintext) => this.#writer.put(BlobKind.catalog, plaintext) },
    });
    for (const [name, key] of [
      ["srv", "/srv"],
      ["files", root],
    ]) {
      if (name !== undefined) builder.add(folder(keyFromPath(key as RawPath)));
    }
    for (const entry of this.#entries) builder.add(entry);
    const { root: id, totals } = builder.finish();
    return { root: id, totals: { ...totals } };
  }

  #file(key: CatalogKey, version: number): Entry {
    const bytes = this.#repo.random(fileBytes);
    const id = this.#hasher.id(BlobKind.data, bytes);
    this.#data ??= this.#repo.newSealer();
    this.#data.append(BlobKind.data, id, bytes);
    return {
      ...facts(key, version),
      type: EntryType.file,
      mode: 0o644,
      size: fileBytes,
      content: { depth: 0, items: [{ id, length: fileBytes }] },
    };
  }

  async closeFullPack(): Promise<void> {
    if (this.#data?.fits(fileBytes) === false) await this.finish();
    await this.#writer.ready();
  }

  async finish(): Promise<void> {
    const full = this.#data;
    this.#data = undefined;
    if (full !== undefined) await this.#writer.addPack(full.finish());
  }
}

function facts(key: CatalogKey, version: number) {
  const timeNs = BigInt(version) * hourNs;
  const owner = { uid: 1000, gid: 1000, user: "user", group: "users" };
  return { key, ...owner, mtimeNs: timeNs, ctimeNs: timeNs, inode: BigInt(key.length) };
}

function folder(key: CatalogKey): Entry {
  return { ...facts(key, 0), type: EntryType.folder, mode: 0o755, size: 0 };
}

async function putManifests(repo: Repository, made: readonly Made[]): Promise<void> {
  const nowNs = repo.clock.nowNs();
  let previous: SnapshotId | null = null;
  let puts: Promise<void>[] = [];
  for (const [at, { root: id, totals }] of made.entries()) {
    const timeNs = nowNs - BigInt(made.length - at) * hourNs;
    const sealed = sealSnapshot(
      repo.keys,
      {
        version: 1,
        timeNs,
        startedNs: timeNs,
        endedNs: timeNs + 1_000_000_000n,
        host: "bench",
        user: "user",
        series: `bench:${root}`,
        seriesParts: { host: "bench", paths: [root] },
        tags: [],
        paths: [root],
        root: id,
        totals,
        added: { blobs: 3, bytes: 9000, rawBytes: 20_000 },
        previous,
        session: sessionId(toHex(repo.random(16))),
        sources: [fileSourceFacts([])],
        program: programName,
        problems: 0,
      },
      repo.random,
    );
    previous = sealed.id;
    puts.push(repo.store.put(`snapshots/${sealed.id}`, sealed.bytes));
    if (puts.length < manifestsAtOnce) continue;
    await Promise.all(puts);
    puts = [];
  }
  await Promise.all(puts);
}
