import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { systemRandom } from "../../src/base/clock.ts";
import { type Entry, EntryType } from "../../src/base/entry.ts";
import type { VarveError } from "../../src/base/errors.ts";
import { keyFromPath, type RawPath, rawPathFromText } from "../../src/base/raw-path.ts";
import { HardLinkTable } from "../../src/engine/restore/hard-link-table.ts";
import type { RestoreContext } from "../../src/engine/restore/restore-context.ts";
import { RestoreReport } from "../../src/engine/restore/restore-report.ts";
import { RestoreWalk } from "../../src/engine/restore/restore-walk.ts";
import {
  type RestoreOptions,
  type RestoreProblem,
  restoreSnapshot,
} from "../../src/engine/restore.ts";
import { BlobHasher } from "../../src/repo/blob-codec.ts";
import type { BlobPlace } from "../../src/repo/blob-index.ts";
import { withBlobWriter } from "../../src/repo/blob-writer.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";
import { TemporaryNames } from "../../src/sources/target/target-names.ts";
import { TargetOwners } from "../../src/sources/target/target-owners.ts";
import { TargetTree } from "../../src/sources/target/target-tree.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";
import { file, folder, makeSnapshot } from "./restore-snapshots.ts";

interface Place {
  readonly top: string;
  readonly target: string;
  readonly repo: Repository;
}

const inPlace = (use: (place: Place) => Promise<void>) =>
  withFolder(async (top) => {
    const repo = await makeRepository(top);
    await use({ top, target: path.join(top, "target"), repo });
    await repo.close();
  });

async function restore(
  { repo, target }: Place,
  record: SnapshotRecord,
  more: Partial<RestoreOptions> = {},
) {
  const told: RestoreProblem[] = [];
  const result = await restoreSnapshot(repo, record, {
    target: rawPathFromText(target),
    threads: 2,
    onProblem: (problem) => told.push(problem),
    ...more,
  });
  const problems = told.map(({ path: name, operation, code }) => `${operation} ${name} ${code}`);
  return { ...result, told: problems.sort() };
}

const blobId = (repo: Repository, bytes: Uint8Array | string) =>
  new BlobHasher(repo.keys).id(BlobKind.data, Buffer.from(bytes));

function placeOf(repo: Repository, kind: BlobKind, id: Uint8Array): BlobPlace & { file: string } {
  const place = repo.index.find(kind, id);
  assert.ok(place);
  const { pack } = repo.index.packInfo(place.packNo);
  return { ...place, file: `repository/packs/${pack.slice(0, 2)}/${pack}` };
}

/** Changes a byte in the middle of a stored blob. */
function damage(place: Place, kind: BlobKind, id: Uint8Array): void {
  const { file: name, offset, length } = placeOf(place.repo, kind, id);
  const pack = path.join(place.top, name);
  fs.chmodSync(pack, 0o600);
  const bytes = fs.readFileSync(pack);
  const at = offset + Math.floor(length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  fs.writeFileSync(pack, bytes);
}

const random = (n: number) => noise(30_000, n);

test("a damaged blob costs the files that need it, and no others", async () => {
  await inPlace(async (place) => {
    const { repo, target } = place;
    const large = Array.from({ length: 80 }, (_, n) => noise(1 << 20, n + 1000));
    const record = await makeSnapshot(repo, [
      file("/a/good", random(1)),
      file("/a/bad", random(2), random(3)),
      file("/a/bad-too", random(3)),
      file("/a/large", ...large),
      file("/a/large-bad", ...large, random(3)),
      { path: "/b/link", pieces: [random(3)], hardLink: 1, inode: 5n, mtimeNs: 1n },
      { path: "/b/link-too", pieces: [random(3)], hardLink: 1, inode: 5n, mtimeNs: 1n },
    ]);
    damage(place, BlobKind.data, blobId(repo, random(3)));
    const result = await restore(place, record, { verify: true });
    assert.deepEqual(result.told, [
      "link /b/link-too restore-incomplete",
      "read /a/bad blob-damaged",
      "read /a/bad-too blob-damaged",
      "read /a/large-bad blob-damaged",
      "read /b/link blob-damaged",
    ]);
    assert.deepEqual([result.failed, result.files, result.verified], [5, 2, 2]);
    assert.deepEqual(fs.readdirSync(path.join(target, "a")).sort(), ["good", "large"]);
    assert.deepEqual(fs.readdirSync(path.join(target, "b")), []);
  });
});

test("what stood there before stays when its replacement cannot be read", async () => {
  await inPlace(async (place) => {
    const record = await makeSnapshot(place.repo, [file("/a/f", random(1))]);
    await restore(place, record);
    fs.writeFileSync(path.join(place.target, "a/f"), "older");
    damage(place, BlobKind.data, blobId(place.repo, random(1)));
    assert.equal((await restore(place, record)).failed, 1);
    assert.equal(fs.readFileSync(path.join(place.target, "a/f"), "utf8"), "older");
  });
});

test("a pack that is gone costs its files; the index is loaded again first", async () => {
  await inPlace(async (place) => {
    const { repo } = place;
    const made = Array.from({ length: 50 }, (_, n) => file(`/a/f${n}`, random(n)));
    const record = await makeSnapshot(repo, made);
    const gone = placeOf(repo, BlobKind.data, blobId(repo, random(7)));
    fs.rmSync(path.join(place.top, gone.file));
    const load = repo.loadIndex.bind(repo);
    let loads = 0;
    Object.assign(repo, {
      loadIndex: () => {
        loads++;
        return load();
      },
    });
    const lost = made.filter(
      (_, n) => placeOf(repo, BlobKind.data, blobId(repo, random(n))).packNo === gone.packNo,
    );
    const result = await restore(place, record);
    assert.equal(loads, 1);
    assert.deepEqual(result.told, lost.map(({ path: name }) => `read ${name} blob-absent`).sort());
    assert.equal(result.files, 50 - lost.length);
  });
});

test("a pack that ends too early still gives the blobs before its end", async () => {
  await inPlace(async (place) => {
    const { repo } = place;
    const made = Array.from({ length: 20 }, (_, n) => file(`/a/f${n}`, random(n)));
    const record = await makeSnapshot(repo, made);
    const cut = placeOf(repo, BlobKind.data, blobId(repo, random(12)));
    fs.truncateSync(path.join(place.top, cut.file), cut.offset + 10);
    const before = made.filter((_, n) => {
      const at = placeOf(repo, BlobKind.data, blobId(repo, random(n)));
      return at.packNo !== cut.packNo || at.offset < cut.offset;
    });
    const result = await restore(place, record);
    assert.equal(result.files, before.length);
    assert.equal(result.failed, 20 - before.length);
    assert.ok(before.length > 0 && result.failed > 0);
  });
});

test("blobs that stand on a base, and bases that cannot be had", async () => {
  await inPlace(async (place) => {
    const { repo } = place;
    await repo.loadIndex();
    const session = await Session.begin(repo, "test");
    const base = random(1);
    const changed = [1, 2, 3].map((n) => Buffer.concat([base, Buffer.from(`change ${n}`)]));
    await withBlobWriter(repo, session, async (writer) => {
      const first = repo.newSealer();
      first.append(BlobKind.data, blobId(repo, base), base);
      await writer.addPack(first.finish());
      const second = repo.newSealer();
      for (const each of changed) {
        const kind = BlobKind.data;
        const on = { id: blobId(repo, base), plaintext: base, generation: 1 };
        second.append(kind, blobId(repo, each), each, on);
      }
      await writer.addPack(second.finish());
    });
    await session.end();
    const made = changed.map((each, n) => file(`/a/f${n}`, each));
    const record = await makeSnapshot(repo, made);
    const [one] = changed;
    assert.ok(one);
    const encoding = placeOf(repo, BlobKind.data, blobId(repo, one)).encoding;
    assert.equal(encoding, Encoding.zstdOnBase);
    const result = await restore(place, record, { verify: true });
    assert.deepEqual([result.failed, result.verified], [0, 3]);
    damage(place, BlobKind.data, blobId(repo, base));
    assert.deepEqual((await restore(place, record)).told, [
      "read /a/f0 blob-damaged",
      "read /a/f1 blob-damaged",
      "read /a/f2 blob-damaged",
    ]);
  });
});

test("content that is not as long as the catalog says is no file", async () => {
  await inPlace(async (place) => {
    const { repo } = place;
    const wrong = { id: blobId(repo, "good"), length: 5 };
    const bad = await makeSnapshot(repo, [
      file("/a/good", "good"),
      { path: "/a/f", content: { depth: 0, items: [wrong] }, size: 5 },
    ]);
    const result = await restore(place, bad);
    assert.deepEqual(result.told, ["read /a/f blob-damaged"]);
    assert.deepEqual(fs.readdirSync(path.join(place.target, "a")), ["good"]);
  });
});

test("a lost part of the catalog is told, and what follows it is restored", async () => {
  await inPlace(async (place) => {
    const { repo, target } = place;
    const made = Array.from({ length: 2000 }, (_, n) =>
      file(`/d${Math.floor(n / 300)}/f${String(n).padStart(4, "0")}`, `content ${n}`),
    );
    const record = await makeSnapshot(repo, made);
    const leaves: { id: Uint8Array; keys: string[] }[] = [];
    for await (const leaf of repo.catalog(record).leaves()) {
      leaves.push({ id: leaf.id, keys: leaf.entries.map(({ key }) => key) });
    }
    // One that holds a folder whose content goes on behind it.
    const lost = leaves.find(({ keys }, at) => at > 2 && keys.some((key) => !key.includes("\0")));
    assert.ok(lost);
    damage(place, BlobKind.catalog, lost.id);
    const result = await restore(place, record, { verify: true });
    assert.equal(result.told.length, 1);
    assert.match(result.told[0] ?? "", /^catalog .* (blob|object)-damaged$/);
    assert.equal(result.failed, lost.keys.length);
    const files = lost.keys.filter((key) => key.includes("\0")).length;
    assert.equal(result.files, 2000 - files);
    const there = fs.readdirSync(target).flatMap((name) => fs.readdirSync(path.join(target, name)));
    assert.equal(there.length, 2000 - files);
  });
});

function walkOf(target: string): { walk: RestoreWalk; told: string[]; context: RestoreContext } {
  const told: string[] = [];
  fs.mkdirSync(target, { recursive: true });
  const report = new RestoreReport({
    target: rawPathFromText(target),
    onProblem: ({ path: name, code }) => told.push(`${name} ${code}`),
  });
  const context: RestoreContext = {
    tree: TargetTree.open(rawPathFromText(target)),
    names: new TemporaryNames(1, systemRandom),
    owners: new TargetOwners({ uid: 1, gids: new Set() }, true),
    links: new HardLinkTable(),
    report,
    overwrite: "always",
    delete: true,
    target: "/" as RawPath,
    dryRun: false,
    strip: 0,
    widenModes: false,
    isProcessGone: () => false,
    wholeKeys: new Set(),
  };
  const readList = () => Promise.reject(new Error("no lists here"));
  return {
    walk: new RestoreWalk({ context, runner: undefined, readList, sparse: false }),
    told,
    context,
  };
}

test("names that would lead out of the target are refused, whatever they stand for", async () => {
  await withFolder(async (top) => {
    const { walk, told, context } = walkOf(path.join(top, "target"));
    const facts = { mode: 0o644, uid: 0, gid: 0, user: "", group: "", inode: 1n, size: 0 };
    const times = { mtimeNs: 0n, ctimeNs: 0n };
    const entry = (key: string, type: EntryType): Entry =>
      ({ ...facts, ...times, key, type, linkTarget: "x" }) as unknown as Entry;
    const names = ["..", "../evil", "/etc/evil", "a/b", ".", ""];
    for (const [n, name] of names.entries()) {
      const parent = `p${n}`;
      await walk.take(entry(parent, EntryType.folder), true);
      await walk.take(entry(`${parent}\0${name}`, EntryType.symlink), true);
    }
    for (const [n, name] of names.entries()) {
      await walk.take(entry(`q${n}`, EntryType.folder), true);
      await walk.take(entry(`q${n}\0${name}`, EntryType.folder), true);
      await walk.take(entry(`q${n}\0${name}\0inside`, EntryType.fifo), true);
    }
    await walk.finish();
    context.tree?.close();
    assert.equal(told.length, 2 * names.length);
    assert.ok(told.every((each) => each.endsWith(" EINVAL")));
    assert.deepEqual(fs.readdirSync(top), ["target"]);
    const inside = fs.readdirSync(path.join(top, "target"), { recursive: true });
    assert.equal(inside.length, 2 * names.length);
  });
});

test("a catalog out of order is damaged", async () => {
  await withFolder(async (top) => {
    const { walk, context } = walkOf(path.join(top, "target"));
    const take = async (name: string) =>
      walk.take({ ...folderEntry, key: keyFromPath(`/${name}` as RawPath) }, true);
    await take("b");
    for (const name of ["a", "b", "c/d/e"]) {
      await assert.rejects(take(name), (error: VarveError) => error.code === "object-damaged");
    }
    context.tree?.close();
  });
});

const folderEntry = {
  ...folder("/x"),
  type: EntryType.folder,
  mode: 0o755,
  uid: 0,
  gid: 0,
  user: "",
  group: "",
  inode: 1n,
  size: 0,
  mtimeNs: 0n,
  ctimeNs: 0n,
} as const;
